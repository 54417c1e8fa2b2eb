/** What `-v`, `--mount`, `--tmpfs`, `--volumes-from` and an image's VOLUME ask for, as {@link MountRecord}s. */
import { randomBytes } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { posix } from 'node:path';
import type { HostConfig, Mount } from '@docker/node-sdk';
import { invalidParameter } from '../errdefs/index.ts';
import type { MountRecord, VolumeCreation } from './types.ts';

const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/**
 * All mounts of a container, later sources giving way to earlier ones at the same destination, as in Docker: binds and
 * mounts asked for, then `--volumes-from`, then the image's volumes.
 * @param volumesFrom returns the mounts of another container. @throws NotFound
 * @throws InvalidParameter in Docker's words
 */
export function resolveMounts(
  hostConfig: HostConfig,
  imageVolumes: readonly string[],
  volumesFrom: (container: string) => MountRecord[],
): MountRecord[] {
  const mounts = new Map<string, MountRecord>();
  const add = (mount: MountRecord): void => {
    if (mounts.has(mount.destination)) throw invalidParameter(`Duplicate mount point: ${mount.destination}`);
    mounts.set(mount.destination, mount);
  };
  for (const bind of hostConfig.Binds ?? []) add(parseBind(bind));
  for (const mount of hostConfig.Mounts ?? []) add(parseMount(mount));
  for (const [destination, options] of Object.entries(hostConfig.Tmpfs ?? {})) {
    add({ type: 'tmpfs', destination: checkDestination(destination), readOnly: false, mode: '', options });
  }
  for (const spec of hostConfig.VolumesFrom ?? []) {
    const [from = '', mode = ''] = spec.split(':');
    if (!['', 'ro', 'rw', 'z', 'Z'].includes(mode)) {
      throw invalidParameter(`invalid volumes-from specification: '${spec}': invalid mode: ${mode}`);
    }
    for (const mount of volumesFrom(from)) {
      if (mount.type === 'tmpfs' || mounts.has(mount.destination)) continue;
      const readOnly = mode === 'ro' || (mode !== 'rw' && mount.readOnly);
      mounts.set(mount.destination, { ...mount, readOnly, mode: '', anonymous: false, copyUp: false });
    }
  }
  for (const path of imageVolumes) {
    const destination = checkDestination(path);
    if (!mounts.has(destination)) mounts.set(destination, anonymousVolume(destination));
  }
  return [...mounts.values()];
}

function anonymousVolume(destination: string): MountRecord {
  return {
    type: 'volume',
    name: randomBytes(32).toString('hex'),
    destination,
    readOnly: false,
    mode: '',
    copyUp: true,
    anonymous: true,
  };
}

/** Parses `-v [SOURCE:]DESTINATION[:MODE]`. */
export function parseBind(spec: string): MountRecord {
  const bad = (why: string): Error =>
    invalidParameter(`invalid volume specification: '${spec}'${why && `: ${why}`}`);
  const parts = spec.split(':');
  if (parts.length > 3 || parts.some((part, i) => part === '' && i < 2)) throw bad('');
  if (parts.length === 1) return anonymousVolume(checkDestination(spec));
  const [source = '', target = '', mode = ''] = parts;
  if (!target.startsWith('/')) throw bad(`invalid mount path: '${target}' mount path must be absolute`);
  if (posix.normalize(target) === '/') throw bad(`destination can't be '/'`);
  const flags = parseMode(mode, bad);
  const common = { destination: clean(target), readOnly: flags.readOnly, mode };
  if (source.startsWith('/')) {
    return { type: 'bind', source: clean(source), ...common, propagation: flags.propagation ?? 'rprivate' };
  }
  // What is wrong with a short one the volume room says.
  if (!VOLUME_NAME.test(source) && source.length > 1) {
    throw invalidParameter(
      `create ${source}: "${source}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  }
  if (flags.propagation) throw bad(`invalid mode: ${mode}`);
  // Docker shows the mode `z` for a named volume without one.
  return { type: 'volume', name: source, ...common, mode: mode || 'z', copyUp: !flags.noCopy };
}

function parseMode(
  mode: string,
  bad: (why: string) => Error,
): { readOnly: boolean; noCopy: boolean; propagation?: string } {
  const flags: { readOnly: boolean; noCopy: boolean; propagation?: string } = {
    readOnly: false,
    noCopy: false,
  };
  const seen = new Set<string>();
  for (const word of mode === '' ? [] : mode.split(',')) {
    const kind = PROPAGATIONS.includes(word)
      ? 'propagation'
      : word === 'rw' || word === 'ro'
        ? 'access'
        : word;
    if (seen.has(kind)) throw bad(`invalid mode: ${mode}`);
    seen.add(kind);
    if (kind === 'propagation') flags.propagation = word;
    else if (word === 'ro') flags.readOnly = true;
    else if (word === 'nocopy') flags.noCopy = true;
    else if (!['rw', 'z', 'Z', 'cached', 'delegated', 'consistent', 'copy'].includes(word)) {
      throw bad(`invalid mode: ${mode}`);
    }
  }
  return flags;
}

/** Checks an entry of HostConfig.Mounts. Unlike `-v`, a bind's source must exist. */
function parseMount(mount: Mount): MountRecord {
  const type = mount.Type;
  const bad = (why: string): Error => invalidParameter(`invalid mount config for type "${type}": ${why}`);
  if (!mount.Target) throw bad('field Target must not be empty');
  if (!mount.Target.startsWith('/'))
    throw bad(`invalid mount path: '${mount.Target}' mount path must be absolute`);
  const destination = clean(mount.Target);
  if (destination === '/') throw bad(`destination can't be '/'`);
  const readOnly = mount.ReadOnly ?? false;
  switch (type) {
    case 'bind': {
      if (!mount.Source) throw bad('field Source must not be empty');
      if (!mount.Source.startsWith('/'))
        throw bad(`invalid mount path: '${mount.Source}' mount path must be absolute`);
      if (mount.VolumeOptions) throw bad('field VolumeOptions must not be specified');
      const createMissing = mount.BindOptions?.CreateMountpoint ?? false;
      if (!createMissing && !lstatSync(mount.Source, { throwIfNoEntry: false })) {
        throw bad(`bind source path does not exist: ${mount.Source}`);
      }
      return {
        type: 'bind',
        source: clean(mount.Source),
        destination,
        readOnly,
        mode: '',
        propagation: mount.BindOptions?.Propagation || 'rprivate',
        nonRecursive: mount.BindOptions?.NonRecursive ?? false,
        readOnlyTop: mount.BindOptions?.ReadOnlyNonRecursive ?? false,
      };
    }
    case 'volume': {
      if (mount.BindOptions) throw bad('field BindOptions must not be specified');
      if (mount.TmpfsOptions) throw bad('field TmpfsOptions must not be specified');
      const subpath = mount.VolumeOptions?.Subpath;
      if (subpath && (subpath.startsWith('/') || posix.normalize(subpath).split('/')[0] === '..')) {
        throw bad('subpath must be a relative path within the volume');
      }
      const record: MountRecord = {
        ...anonymousVolume(destination),
        readOnly,
        mode: 'z',
        copyUp: !mount.VolumeOptions?.NoCopy,
        ...(mount.VolumeOptions ? { creation: volumeCreation(mount.VolumeOptions) } : {}),
        ...(subpath ? { subpath } : {}),
      };
      if (!mount.Source) {
        if (readOnly) throw bad('must not set ReadOnly mode when using anonymous volumes');
        return record;
      }
      return { ...record, name: mount.Source, anonymous: false };
    }
    case 'tmpfs': {
      if (mount.Source) throw bad('field Source must not be specified');
      const size = mount.TmpfsOptions?.SizeBytes;
      const mode = mount.TmpfsOptions?.Mode;
      const options = [
        readOnly ? 'ro' : '',
        size ? `size=${size}` : '',
        mode ? `mode=${mode.toString(8)}` : '',
        ...(mount.TmpfsOptions?.Options ?? []).map((words) => words.join('=')),
      ].filter(Boolean);
      return { type: 'tmpfs', destination, readOnly, mode: '', options: options.join(',') };
    }
    case undefined:
      throw invalidParameter('mount type unknown: ""');
    default:
      throw invalidParameter(`invalid mount config for type "${type}": mount type unknown`);
  }
}

function volumeCreation({ DriverConfig, Labels }: NonNullable<Mount['VolumeOptions']>): VolumeCreation {
  return {
    ...(DriverConfig?.Name ? { driver: DriverConfig.Name } : {}),
    ...(DriverConfig?.Options ? { driverOpts: DriverConfig.Options } : {}),
    ...(Labels ? { labels: Labels } : {}),
  };
}

function checkDestination(path: string): string {
  if (!path.startsWith('/')) {
    throw invalidParameter(
      `invalid volume specification: '${path}': invalid mount config for type "volume": invalid mount path: '${path}' mount path must be absolute`,
    );
  }
  const destination = clean(path);
  if (destination === '/')
    throw invalidParameter(`invalid volume specification: '${path}': destination can't be '/'`);
  return destination;
}

function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}
