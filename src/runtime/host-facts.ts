/** What a container's spec depends on of this machine and daemon, read once, so that making a spec reads nothing. */
import fs from 'node:fs';
import {
  availableControllers,
  type CgroupFeatures,
  type CgroupMode,
  capabilityBoundingSet,
  cgroupFeatures,
  cgroupMode,
  securityModules,
} from '../linux/index.ts';

/** Facts {@link generateSpec} goes by. */
export interface HostFacts {
  /** Capabilities that can be granted, as a bit set. */
  boundingSet: bigint;
  cgroupMode: CgroupMode;
  cgroupFeatures: CgroupFeatures;
  controllers: readonly string[];
  /** The daemon's own hard limits by their names in /proc/self/limits' order; Infinity when there is none. */
  hardLimits: ReadonlyMap<string, number>;
  /** The daemon's own, which containers inherit. */
  oomScoreAdj: number;
  seccomp: boolean;
  apparmor: boolean;
  selinux: boolean;
  /** Network sysctls that exist here. */
  sysctlExists: (name: string) => boolean;
}

/** Names in /proc/PID/limits to those of `--ulimit`. */
const LIMIT_NAMES: Readonly<Record<string, string>> = {
  'Max cpu time': 'cpu',
  'Max file size': 'fsize',
  'Max data size': 'data',
  'Max stack size': 'stack',
  'Max core file size': 'core',
  'Max resident set': 'rss',
  'Max processes': 'nproc',
  'Max open files': 'nofile',
  'Max locked memory': 'memlock',
  'Max address space': 'as',
  'Max file locks': 'locks',
  'Max pending signals': 'sigpending',
  'Max msgqueue size': 'msgqueue',
  'Max nice priority': 'nice',
  'Max realtime priority': 'rtprio',
  'Max realtime timeout': 'rttime',
};

function readHardLimits(): Map<string, number> {
  const limits = new Map<string, number>();
  for (const line of fs.readFileSync('/proc/self/limits', 'utf8').split('\n')) {
    const match = /^(Max [a-z ]+?)\s{2,}\S+\s+(\S+)/.exec(line);
    const name = LIMIT_NAMES[match?.[1] ?? ''];
    if (name === undefined) continue;
    limits.set(name, match?.[2] === 'unlimited' ? Number.POSITIVE_INFINITY : Number(match?.[2]));
  }
  return limits;
}

function sysctlChecker(): (name: string) => boolean {
  const known = new Map<string, boolean>();
  return (name) => {
    let exists = known.get(name);
    if (exists === undefined) {
      exists = fs.existsSync(`/proc/sys/${name.replaceAll('.', '/')}`);
      known.set(name, exists);
    }
    return exists;
  };
}

let facts: HostFacts | undefined;

/** This machine's facts, read at the first call. */
export function hostFacts(): HostFacts {
  facts ??= {
    boundingSet: capabilityBoundingSet(),
    cgroupMode: cgroupMode(),
    cgroupFeatures: cgroupFeatures(),
    controllers: availableControllers(),
    hardLimits: readHardLimits(),
    oomScoreAdj: Number(fs.readFileSync('/proc/self/oom_score_adj', 'utf8')),
    seccomp: fs.existsSync('/proc/sys/kernel/seccomp/actions_avail'),
    apparmor: securityModules().includes('apparmor'),
    selinux: securityModules().includes('selinux'),
    sysctlExists: sysctlChecker(),
  };
  return facts;
}
