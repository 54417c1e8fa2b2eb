/** Capabilities (man 7 capabilities) and Docker's rules for them. */
import { invalidParameter } from '../errdefs/index.ts';

/** All capabilities; the place is the kernel's bit number. */
export const CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
];

/** What a container has unless told otherwise. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

const KNOWN = new Set(CAPABILITIES);
const ALL = 'ALL';

/** The names in a bit set such as `capabilityBoundingSet()`. */
export function capabilityNames(bits: bigint): string[] {
  return CAPABILITIES.filter((_, bit) => (bits >> BigInt(bit)) & 1n);
}

/**
 * `NET_ADMIN`, `cap_net_admin`, `all` as `CAP_NET_ADMIN` and `ALL`.
 * @param bounding what this machine can grant; without it only the names are checked
 * @throws invalidParameter for an unknown capability, or one that cannot be granted here (as Docker words it)
 */
export function normalizeCapabilities(names: readonly string[], bounding?: bigint): string[] {
  return names.map((given) => {
    const upper = given.toUpperCase();
    if (upper === ALL) return ALL;
    const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    if (!KNOWN.has(name)) throw invalidParameter(`unknown capability: "${name}"`);
    if (bounding !== undefined && !((bounding >> BigInt(CAPABILITIES.indexOf(name))) & 1n)) {
      throw invalidParameter(
        `capability not supported by your kernel or not available in the current environment: "${name}"`,
      );
    }
    return name;
  });
}

/** What {@link containerCapabilities} goes by. */
export interface CapabilityRequest {
  add?: readonly string[] | null | undefined;
  drop?: readonly string[] | null | undefined;
  privileged?: boolean | undefined;
  /** What this machine can grant. */
  bounding: bigint;
}

/**
 * A container's capabilities: Docker's defaults, less `drop`, with `add`; `ALL` in either means what it says, and
 * privileged means all. What the machine cannot grant is left out and told in `missing`.
 */
export function containerCapabilities(request: CapabilityRequest): { names: string[]; missing: string[] } {
  const drop = normalizeCapabilities(request.drop ?? []);
  const add = normalizeCapabilities(request.add ?? []);
  const available = new Set(capabilityNames(request.bounding));
  let wanted: readonly string[];
  if (request.privileged === true) wanted = CAPABILITIES;
  else if (add.includes(ALL)) wanted = CAPABILITIES.filter((name) => !drop.includes(name));
  else if (drop.includes(ALL)) wanted = add;
  else wanted = [...DEFAULT_CAPABILITIES.filter((name) => !drop.includes(name)), ...add];
  const unique = [...new Set(wanted)];
  return {
    names: unique.filter((name) => available.has(name)),
    missing: unique.filter((name) => !available.has(name)),
  };
}
