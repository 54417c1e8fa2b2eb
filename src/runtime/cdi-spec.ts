/** A specification of CDI devices as its file holds it (CDI SPEC.md 0.3.0 to 1.1.0), and what makes one invalid. */
import { deviceNameFault, kindFault } from './cdi-names.ts';

/** What a device asks of a container's OCI spec. */
export interface CdiEdits {
  env?: string[];
  deviceNodes?: CdiDeviceNode[];
  mounts?: CdiMount[];
  hooks?: CdiHook[];
  additionalGids?: number[];
  intelRdt?: CdiIntelRdt;
  netDevices?: { hostInterfaceName: string; name: string }[];
}

export interface CdiDeviceNode {
  path: string;
  hostPath?: string;
  /** `b`, `c`, `u` (as `c`), or `p`. */
  type?: string;
  major?: number;
  minor?: number;
  fileMode?: number;
  permissions?: string;
  uid?: number;
  gid?: number;
}

export interface CdiMount {
  hostPath: string;
  containerPath: string;
  options?: string[];
  type?: string;
}

export interface CdiHook {
  hookName: string;
  path: string;
  args?: string[];
  env?: string[];
  timeout?: number;
}

export interface CdiIntelRdt {
  closID?: string;
  l3CacheSchema?: string;
  memBwSchema?: string;
  schemata?: string[];
  enableCMT?: boolean;
  enableMBM?: boolean;
  enableMonitoring?: boolean;
}

export interface CdiDevice {
  name: string;
  annotations?: Record<string, string>;
  containerEdits: CdiEdits;
}

export interface CdiSpec {
  cdiVersion: string;
  /** `vendor.com/class`. */
  kind: string;
  annotations?: Record<string, string>;
  devices: CdiDevice[];
  /** For every container that gets one of the devices. */
  containerEdits?: CdiEdits;
}

/** Hooks of the OCI runtime spec (config.md, "POSIX-platform Hooks"). */
export const HOOK_NAMES = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
] as const;

const VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.4.0', '0.5.0', '0.6.0', '0.7.0', '0.8.0', '1.0.0', '1.1.0'];
/** Of all annotations of an object together, in bytes, as in Kubernetes. */
const MAX_ANNOTATIONS = 256 << 10;

type Shape = (value: unknown, where: string) => void;

const fail = (message: string): never => {
  throw new Error(message);
};

const text: Shape = (value, where) => {
  if (typeof value !== 'string') fail(`${where} is no string`);
};
const flag: Shape = (value, where) => {
  if (typeof value !== 'boolean') fail(`${where} is no boolean`);
};
const whole: Shape = (value, where) => {
  if (!Number.isInteger(value)) fail(`${where} is no whole number`);
};
const id: Shape = (value, where) => {
  if (!Number.isInteger(value) || Number(value) < 0 || Number(value) > 0xffffffff) fail(`${where} is no id`);
};
const list =
  (item: Shape): Shape =>
  (value, where) => {
    if (!Array.isArray(value)) return fail(`${where} is no list`);
    for (const [index, entry] of value.entries()) item(entry, `${where}[${index}]`);
  };
const texts: Shape = (value, where) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail(`${where} is no map`);
  for (const [key, entry] of Object.entries(value)) text(entry, `${where}.${key}`);
};
/** Unknown fields are errors: a device that asks for more than we understand must not be half there. */
const object =
  (fields: Readonly<Record<string, Shape>>): Shape =>
  (value, where) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return fail(`${where || 'it'} is no object`);
    for (const [key, entry] of Object.entries(value)) {
      const shape = fields[key];
      if (!Object.hasOwn(fields, key) || shape === undefined) return fail(`unknown field "${key}"`);
      if (entry !== null && entry !== undefined) shape(entry, where === '' ? key : `${where}.${key}`);
    }
  };

const edits = object({
  env: list(text),
  deviceNodes: list(
    object({
      path: text,
      hostPath: text,
      type: text,
      major: whole,
      minor: whole,
      fileMode: whole,
      permissions: text,
      uid: id,
      gid: id,
    }),
  ),
  mounts: list(object({ hostPath: text, containerPath: text, options: list(text), type: text })),
  hooks: list(object({ hookName: text, path: text, args: list(text), env: list(text), timeout: whole })),
  additionalGids: list(id),
  intelRdt: object({
    closID: text,
    l3CacheSchema: text,
    memBwSchema: text,
    schemata: list(text),
    enableCMT: flag,
    enableMBM: flag,
    enableMonitoring: flag,
  }),
  netDevices: list(object({ hostInterfaceName: text, name: text })),
});

const file = object({
  cdiVersion: text,
  kind: text,
  annotations: texts,
  devices: list(object({ name: text, annotations: texts, containerEdits: edits })),
  containerEdits: edits,
});

/** Checks what a file held. @throws Error that says what is invalid */
export function checkCdiSpec(value: unknown): CdiSpec {
  file(value, '');
  const spec = value as CdiSpec;
  const devices = spec.devices ?? [];
  checkVersion(spec, devices);
  const kind = kindFault(spec.kind ?? '');
  if (kind !== undefined) fail(kind);
  checkAnnotations(spec.kind, spec.annotations);
  checkEdits(spec.containerEdits);
  const names = new Set<string>();
  for (const device of devices) {
    try {
      checkDevice(device);
    } catch (err) {
      fail(`failed add device ${JSON.stringify(device.name)}: ${(err as Error).message}`);
    }
    if (names.has(device.name)) fail(`invalid spec, multiple device ${JSON.stringify(device.name)}`);
    names.add(device.name);
  }
  if (names.size === 0) fail('invalid spec, no devices');
  return spec;
}

function checkDevice(device: CdiDevice): void {
  const fault = deviceNameFault(device.name ?? '');
  if (fault !== undefined) fail(fault);
  checkAnnotations(device.name, device.annotations);
  const { containerEdits = {} } = device;
  if (Object.values(containerEdits).every((part) => part === null || part === undefined || isEmpty(part))) {
    fail('invalid device, empty device edits');
  }
  checkEdits(containerEdits);
}

const isEmpty = (part: unknown): boolean => Array.isArray(part) && part.length === 0;

const order = (version: string): number => VERSIONS.indexOf(version);

function checkVersion(spec: CdiSpec, devices: readonly CdiDevice[]): void {
  const version = (spec.cdiVersion ?? '').replace(/^v/, '');
  if (order(version) < 0) fail(`invalid version ${JSON.stringify(spec.cdiVersion ?? '')}`);
  const needed = neededVersion(spec, devices);
  if (order(version) < order(needed)) fail(`the spec version must be at least v${needed}`);
}

/** The first version that has all that is used here. */
function neededVersion(spec: CdiSpec, devices: readonly CdiDevice[]): string {
  const all = [spec.containerEdits ?? {}, ...devices.map((device) => device.containerEdits ?? {})];
  const uses = (test: (edit: CdiEdits) => boolean): boolean => all.some(test);
  if (uses((e) => !!e.netDevices?.length || !!e.intelRdt?.schemata || !!e.intelRdt?.enableMonitoring))
    return '1.1.0';
  if (uses((e) => !!e.intelRdt || !!e.additionalGids?.length)) return '0.7.0';
  const annotated = [spec, ...devices].some(({ annotations }) => Object.keys(annotations ?? {}).length > 0);
  if (annotated || (spec.kind ?? '').split('/')[1]?.includes('.')) return '0.6.0';
  const digit = devices.some(({ name }) => /^[^A-Za-z]/.test(name ?? ''));
  if (digit || uses((e) => !!e.deviceNodes?.some(({ hostPath }) => hostPath))) return '0.5.0';
  return uses((e) => !!e.mounts?.some(({ type }) => type)) ? '0.4.0' : '0.3.0';
}

/** Keys are those of Kubernetes: an optional DNS prefix and a name. */
const ANNOTATION =
  /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;

function checkAnnotations(of: string, annotations: Record<string, string> | undefined): void {
  let size = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    if (!ANNOTATION.test(key.replace(/^[^/]+\//, (prefix) => prefix.toLowerCase()))) {
      fail(`${of}.annotations: invalid key ${JSON.stringify(key)}`);
    }
    size += key.length + value.length;
  }
  if (size > MAX_ANNOTATIONS) fail(`${of}.annotations: too long: ${size} bytes`);
}

function checkEdits(edit: CdiEdits | undefined): void {
  checkEnv(edit?.env);
  for (const node of edit?.deviceNodes ?? []) checkDeviceNode(node);
  for (const hook of edit?.hooks ?? []) checkHook(hook);
  for (const { hostPath, containerPath } of edit?.mounts ?? []) {
    if (!hostPath) fail('invalid mount, empty host path');
    if (!containerPath) fail('invalid mount, empty container path');
  }
  const closId = edit?.intelRdt?.closID ?? '';
  if (closId.length >= 4096 || closId === '.' || closId === '..' || /[/\n]/.test(closId)) {
    fail('invalid ClosID');
  }
}

function checkEnv(env: readonly string[] | undefined): void {
  for (const entry of env ?? []) {
    if (entry.indexOf('=') < 1) fail(`invalid environment variable ${JSON.stringify(entry)}`);
  }
}

function checkDeviceNode({ path, type = '', permissions = '' }: CdiDeviceNode): void {
  if (!path) fail('invalid (empty) device path');
  const quoted = JSON.stringify(path);
  if (!['', 'b', 'c', 'u', 'p'].includes(type))
    fail(`device ${quoted}: invalid type ${JSON.stringify(type)}`);
  if (!/^[rwm]*$/.test(permissions)) {
    fail(`device ${quoted}: invalid permissions ${JSON.stringify(permissions)}`);
  }
}

function checkHook({ hookName, path, env }: CdiHook): void {
  if (!HOOK_NAMES.some((name) => name === hookName))
    fail(`invalid hook name ${JSON.stringify(hookName ?? '')}`);
  if (!path) fail(`invalid hook ${JSON.stringify(hookName)} with empty path`);
  checkEnv(env);
}
