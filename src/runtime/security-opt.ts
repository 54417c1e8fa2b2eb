/** `--security-opt` (HostConfig.SecurityOpt). */
import { invalidParameter } from '../errdefs/index.ts';

/** What the options say; undefined where they say nothing. */
export interface SecurityOptions {
  noNewPrivileges?: boolean;
  /** `unconfined`, `builtin`, or a profile as JSON. */
  seccomp?: string;
  apparmor?: string;
  /** SELinux labels: `disable`, `user:U`, `type:T`, … */
  labels: string[];
  writableCgroups?: boolean;
}

const TRUE = /^(1|t|true)$/i;
const FALSE = /^(0|f|false)$/i;

/** @throws invalidParameter `invalid --security-opt …`, as Docker words it */
export function parseSecurityOpts(opts: readonly string[]): SecurityOptions {
  const out: SecurityOptions = { labels: [] };
  for (const opt of opts) parseOne(out, opt);
  return out;
}

function parseOne(out: SecurityOptions, opt: string): void {
  if (opt === 'no-new-privileges') out.noNewPrivileges = true;
  else if (opt === 'writable-cgroups') out.writableCgroups = true;
  else if (opt === 'disable') out.labels.push('disable');
  else {
    const at = opt.indexOf(opt.includes('=') ? '=' : ':'); // the colon is Docker's older way
    if (at === -1) throw invalidParameter(`invalid --security-opt 1: ${JSON.stringify(opt)}`);
    parsePair(out, opt, opt.slice(0, at), opt.slice(at + 1));
  }
}

function parsePair(out: SecurityOptions, opt: string, key: string, value: string): void {
  const bool = (): boolean => {
    if (TRUE.test(value)) return true;
    if (FALSE.test(value)) return false;
    throw invalidParameter(`invalid --security-opt 2: ${JSON.stringify(opt)}`);
  };
  switch (key) {
    case 'label':
      out.labels.push(value);
      return;
    case 'apparmor':
      out.apparmor = value;
      return;
    case 'seccomp':
      out.seccomp = value;
      return;
    case 'no-new-privileges':
      out.noNewPrivileges = bool();
      return;
    case 'writable-cgroups':
      out.writableCgroups = bool();
      return;
    default:
      throw invalidParameter(`invalid --security-opt 2: ${JSON.stringify(opt)}`);
  }
}
