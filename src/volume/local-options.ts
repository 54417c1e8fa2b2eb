import { invalidParameter } from '../errdefs/index.ts';
import { bindMount, type MountFlags, mountFilesystem } from '../linux/index.ts';

/** What a volume of the driver `local` mounts, from its options `type`, `device` and `o` (mount(8)'s `-o`). */
export interface LocalMount {
  type: string;
  device: string;
  /** Options for the file system itself. */
  options: Record<string, string | true>;
  flags: MountFlags;
  /** `o=bind`: the device is a directory of this machine. */
  bind: boolean;
}

/** Words of mount(8)'s `-o` that are attributes of the mount, not of the file system. */
const FLAGS: Readonly<Record<string, keyof MountFlags>> = {
  ro: 'readOnly',
  nosuid: 'noSuid',
  nodev: 'noDev',
  noexec: 'noExec',
  noatime: 'noAtime',
};
const KNOWN = ['type', 'device', 'o', 'size'];

/**
 * Reads the driver options of a `local` volume; undefined when it is a plain directory.
 * @throws InvalidParameter in Docker's words for unknown or incomplete options.
 */
export function parseLocalOptions(
  name: string,
  options: Readonly<Record<string, string>>,
): LocalMount | undefined {
  for (const key of Object.keys(options)) {
    if (!KNOWN.includes(key)) throw invalidParameter(`create ${name}: invalid option: "${key}"`);
  }
  if (options.size !== undefined) {
    throw invalidParameter(`create ${name}: quota size requested but no quota support`, {
      hint: 'A tmpfs volume can be limited: --opt type=tmpfs --opt device=tmpfs --opt o=size=100m',
    });
  }
  const { type = '', device = '', o = '' } = options;
  if (!type && !device && !o) return undefined;
  if (!device) throw invalidParameter(`create ${name}: missing device in volume options`);
  if (!type && !o.split(',').includes('bind'))
    throw invalidParameter(`create ${name}: missing type in volume options`);
  const mount: LocalMount = { type: type || 'none', device, options: {}, flags: {}, bind: false };
  for (const option of o.split(',').filter(Boolean)) {
    const at = option.indexOf('=');
    if (at > 0) mount.options[option.slice(0, at)] = option.slice(at + 1);
    else if (option === 'bind' || option === 'rbind') mount.bind = true;
    else if (Object.hasOwn(FLAGS, option)) mount.flags[FLAGS[option]!] = true;
    else if (option !== 'rw') mount.options[option] = true;
  }
  return mount;
}

/** Mounts it on `target`. @throws SyscallError */
export function mountLocal(local: LocalMount, target: string): void {
  if (local.bind)
    bindMount(local.device, target, { recursive: true, readOnly: local.flags.readOnly ?? false });
  else mountFilesystem(local.type, target, { source: local.device, ...local.options }, local.flags);
}
