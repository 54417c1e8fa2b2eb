/** `-v`, `--mount` and `--tmpfs`. */
import { resolve } from 'node:path';
import type { Mount, MountBindOptions } from '@docker/node-sdk';
import { ramInBytes } from '../format/units.ts';
import { cut, parseCsvLine } from './csv.ts';

/** What `-v` asked for: bind specs for the daemon, and anonymous volumes by path. */
export interface VolumeFlags {
  binds: string[];
  volumes: Record<string, Record<string, never>>;
}

/** Parses `-v` values. A source that starts with a dot is made absolute here, since only we know from where. */
export function parseVolumes(specs: readonly string[]): VolumeFlags {
  const result: VolumeFlags = { binds: [], volumes: {} };
  for (const spec of specs) {
    if (spec === '') throw new Error('invalid empty volume spec');
    const parts = spec.split(':');
    if (parts.some((part) => part === ''))
      throw new Error(`invalid spec: ${spec}: empty section between colons`);
    if (parts.length === 1) {
      result.volumes[spec] = {};
      continue;
    }
    if (parts.length > 3) throw new Error(`invalid spec: ${spec}: too many colons`);
    const [source = '', ...rest] = parts;
    result.binds.push([source.startsWith('.') ? resolve(source) : source, ...rest].join(':'));
  }
  return result;
}

/** `--tmpfs /run:size=64m` as a map of path to options. */
export function parseTmpfs(specs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    specs.map((spec) => {
      const [path, options = ''] = cut(spec, ':');
      return [path, options];
    }),
  );
}

const parseBool = (key: string, value: string): boolean => {
  if (/^(1|t|T|true|TRUE|True)$/.test(value)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(value)) return false;
  throw new Error(`invalid value for ${key}: ${value}`);
};

const RECURSIVE: Readonly<Record<string, MountBindOptions>> = {
  enabled: {},
  disabled: { NonRecursive: true },
  writable: { ReadOnlyNonRecursive: true },
  readonly: { ReadOnlyForceRecursive: true },
};

/** Options that may stand without a value, meaning true. */
const SWITCHES = new Set(['readonly', 'ro', 'volume-nocopy', 'bind-nonrecursive', 'bind-create-src']);

type MountDraft = { -readonly [K in keyof Mount]?: Mount[K] };

/** Parses one `--mount`. @throws Error with docker's words */
export function parseMount(spec: string): Mount {
  const mount: MountDraft = { Type: 'volume' };
  for (const field of parseCsvLine(spec)) {
    const [rawKey, rawValue] = cut(field, '=');
    const key = rawKey.toLowerCase();
    if (rawValue === undefined && !SWITCHES.has(key))
      throw new Error(`invalid field '${field}' must be a key=value pair`);
    setMountOption(mount, key, rawValue ?? 'true', field);
  }
  if (!mount.Type) throw new Error('type is required');
  if (!mount.Target) throw new Error('target is required');
  for (const [type, options] of [
    ['bind', mount.BindOptions],
    ['volume', mount.VolumeOptions],
    ['image', mount.ImageOptions],
    ['tmpfs', mount.TmpfsOptions],
  ] as const) {
    if (options && mount.Type !== type)
      throw new Error(`cannot mix '${type}-*' options with mount type '${mount.Type}'`);
  }
  return mount as Mount;
}

function setMountOption(mount: MountDraft, key: string, value: string, field: string): void {
  const volume = (): NonNullable<Mount['VolumeOptions']> => (mount.VolumeOptions ??= {});
  switch (key) {
    case 'type':
      mount.Type = value.toLowerCase() as NonNullable<Mount['Type']>;
      break;
    case 'source':
    case 'src':
      mount.Source =
        value.startsWith('./') || value === '.' || value.startsWith('../') || value === '..'
          ? resolve(value)
          : value;
      break;
    case 'target':
    case 'dst':
    case 'destination':
      mount.Target = value;
      break;
    case 'readonly':
    case 'ro':
      mount.ReadOnly = parseBool(key, value);
      break;
    case 'consistency':
      mount.Consistency = value.toLowerCase();
      break;
    case 'bind-propagation':
      mount.BindOptions = {
        ...mount.BindOptions,
        Propagation: value.toLowerCase() as NonNullable<MountBindOptions['Propagation']>,
      };
      break;
    case 'bind-nonrecursive':
      mount.BindOptions = { ...mount.BindOptions, NonRecursive: parseBool(key, value) };
      break;
    case 'bind-create-src':
      mount.BindOptions = { ...mount.BindOptions, CreateMountpoint: parseBool(key, value) };
      break;
    case 'bind-recursive': {
      const options = RECURSIVE[value];
      if (!options)
        throw new Error(
          `invalid value for ${key}: ${value} (must be "enabled", "disabled", "writable", or "readonly")`,
        );
      mount.BindOptions = { ...mount.BindOptions, ...options };
      break;
    }
    case 'volume-subpath':
      volume().Subpath = value;
      break;
    case 'volume-nocopy':
      volume().NoCopy = parseBool(key, value);
      break;
    case 'volume-label': {
      const [name, text = ''] = cut(value, '=');
      volume().Labels = { ...volume().Labels, [name]: text };
      break;
    }
    case 'volume-driver':
      volume().DriverConfig = { ...volume().DriverConfig, Name: value };
      break;
    case 'volume-opt': {
      const [name, text = ''] = cut(value, '=');
      const driver = volume().DriverConfig ?? {};
      volume().DriverConfig = { ...driver, Options: { ...driver.Options, [name]: text } };
      break;
    }
    case 'image-subpath':
      mount.ImageOptions = { Subpath: value };
      break;
    case 'tmpfs-size': {
      let size: number;
      try {
        size = ramInBytes(value);
      } catch {
        throw new Error(`invalid value for ${key}: ${value}`);
      }
      mount.TmpfsOptions = { ...mount.TmpfsOptions, SizeBytes: size };
      break;
    }
    case 'tmpfs-mode':
      if (!/^[0-7]+$/.test(value)) throw new Error(`invalid value for ${key}: ${value}`);
      mount.TmpfsOptions = { ...mount.TmpfsOptions, Mode: Number.parseInt(value, 8) };
      break;
    default:
      throw new Error(`unexpected key '${key}' in '${field}'`);
  }
}
