/** What CDI devices change in a container's OCI spec. */
import { statSync } from 'node:fs';
import { splitDev } from '../linux/index.ts';
import { type CdiDeviceNode, type CdiEdits, type CdiHook, type CdiMount, HOOK_NAMES } from './cdi-spec.ts';
import { mergeEnv } from './environment.ts';
import type { Spec, SpecDevice, SpecHook, SpecMount } from './spec-types.ts';

/** Changes `spec` in place. @throws Error for a device of the host that is not there or not of its kind */
export function applyCdiEdits(spec: Spec, all: readonly CdiEdits[]): void {
  // Of the resource class the last one counts, all else adds up.
  for (const edits of all) {
    if (edits.netDevices?.length) {
      throw new Error('network devices (netDevices) are not supported: no OCI runtime here moves them');
    }
    spec.process.env = mergeEnv(spec.process.env, edits.env ?? []);
    for (const node of edits.deviceNodes ?? []) addDevice(spec, node);
    for (const mount of edits.mounts ?? []) addMount(spec, mount);
    for (const hook of edits.hooks ?? []) addHook(spec, hook);
    if (edits.intelRdt) spec.linux.intelRdt = edits.intelRdt;
    addGroups(spec, edits.additionalGids ?? []);
  }
  if (all.some(({ mounts }) => mounts?.length)) spec.mounts.sort(byDepth);
}

function addDevice(spec: Spec, node: CdiDeviceNode): void {
  const device = deviceOf(node);
  const { user } = spec.process;
  // Whoever the container runs as shall be able to use it, unless the file says otherwise.
  const owned: SpecDevice = { ...device, uid: node.uid ?? user.uid, gid: node.gid ?? user.gid };
  spec.linux.devices = [...(spec.linux.devices ?? []).filter(({ path }) => path !== node.path), owned];
  if (device.type === 'p') return;
  const { type, major, minor } = device;
  const access = node.permissions || 'rwm';
  const { resources } = spec.linux;
  resources.devices = [...(resources.devices ?? []), { allow: true, type, major, minor, access }];
}

/** What the file leaves open is as on the host. */
function deviceOf(node: CdiDeviceNode): Omit<SpecDevice, 'uid' | 'gid'> {
  const { path, fileMode } = node;
  const type = node.type === 'u' ? 'c' : node.type;
  if (type === 'p' || ((type === 'c' || type === 'b') && node.major)) {
    return { path, type, major: node.major ?? 0, minor: node.minor ?? 0, fileMode: fileMode ?? 0o666 };
  }
  const hostPath = node.hostPath || path;
  const found = hostDevice(hostPath);
  if (type && type !== found.type) {
    throw new Error(
      `CDI device (${JSON.stringify(path)}, ${JSON.stringify(hostPath)}), host type mismatch (${type}, ${found.type})`,
    );
  }
  return { path, type: found.type, major: found.major, minor: found.minor, fileMode: fileMode ?? found.mode };
}

function hostDevice(path: string): { type: 'b' | 'c'; major: number; minor: number; mode: number } {
  const quoted = JSON.stringify(path);
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined)
    throw new Error(`failed to stat CDI host device ${quoted}: no such file or directory`);
  const type = stat.isCharacterDevice() ? 'c' : stat.isBlockDevice() ? 'b' : undefined;
  if (type === undefined) throw new Error(`failed to stat CDI host device ${quoted}: not a device node`);
  const [major, minor] = splitDev(stat.rdev);
  return { type, major, minor, mode: Number(stat.mode & 0o7777n) };
}

function addMount(spec: Spec, mount: CdiMount): void {
  const added: SpecMount = {
    destination: mount.containerPath,
    source: mount.hostPath,
    // The spec says bind where nothing is said; runc wants the type as well as the option.
    type: mount.type || 'bind',
    options: mount.options ?? (mount.type && mount.type !== 'bind' ? [] : ['rbind', 'rprivate']),
  };
  spec.mounts = [...spec.mounts.filter(({ destination }) => destination !== added.destination), added];
}

const depth = ({ destination }: SpecMount): number => destination.replace(/\/+$/, '').split('/').length;
/** Parents first; equals stay in their order (sort is stable). */
const byDepth = (a: SpecMount, b: SpecMount): number => depth(a) - depth(b);

function addHook(spec: Spec, { hookName, path, args, env, timeout }: CdiHook): void {
  const stage = HOOK_NAMES.find((name) => name === hookName);
  if (stage === undefined) throw new Error(`unknown hook name ${JSON.stringify(hookName)}`);
  const hook: SpecHook = {
    path,
    ...(args ? { args } : {}),
    ...(env ? { env } : {}),
    ...(timeout === undefined ? {} : { timeout }),
  };
  spec.hooks = { ...spec.hooks, [stage]: [...(spec.hooks?.[stage] ?? []), hook] };
}

function addGroups(spec: Spec, gids: readonly number[]): void {
  const { user } = spec.process;
  const more = gids.filter((gid) => gid !== 0);
  if (more.length === 0) return;
  spec.process.user = { ...user, additionalGids: [...new Set([...(user.additionalGids ?? []), ...more])] };
}
