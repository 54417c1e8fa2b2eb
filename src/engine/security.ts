/** The daemon's defaults for the confinement of containers, and what `info` tells of it. */
import { readFileSync } from 'node:fs';
import { invalidParameter, messageOf } from '../errdefs/index.ts';
import { securityModules } from '../linux/index.ts';
import { hostFacts, parseSeccompProfile } from '../runtime/index.ts';
import type { EngineConfig } from './config.ts';

/**
 * `--seccomp-profile` (a file, `builtin` or `unconfined`) and `--no-new-privileges`.
 * @throws InvalidParameter in Docker's words for a profile that cannot be read or is none
 */
export function securityDefaults(
  profile: string,
  noNewPrivileges: boolean,
): Pick<EngineConfig, 'seccompProfileName' | 'security'> {
  const text = seccompProfile(profile);
  return {
    seccompProfileName: profile || 'builtin',
    security: {
      ...(text === undefined ? {} : { seccompProfile: text }),
      ...(noNewPrivileges ? { noNewPrivileges } : {}),
    },
  };
}

function seccompProfile(setting: string): string | undefined {
  if (setting === '' || setting === 'builtin') return undefined;
  if (setting === 'unconfined') return setting;
  let text: string;
  try {
    text = readFileSync(setting, 'utf8');
  } catch (err) {
    throw invalidParameter(`opening seccomp profile (${setting}) failed: ${messageOf(err)}`);
  }
  parseSeccompProfile(text);
  return text;
}

/** `info`'s SecurityOptions, in moby's order. */
export function securityOptions(
  { seccompProfileName, security }: Pick<EngineConfig, 'seccompProfileName' | 'security'>,
  { remapped, cgroupns }: { remapped: boolean; cgroupns: boolean },
): string[] {
  const { apparmor, seccomp } = hostFacts();
  return [
    ...(apparmor ? ['name=apparmor'] : []),
    ...(seccomp ? [`name=seccomp,profile=${seccompProfileName}`] : []),
    ...(securityModules().includes('selinux') ? ['name=selinux'] : []),
    ...(remapped ? ['name=userns'] : []),
    ...(cgroupns ? ['name=cgroupns'] : []),
    ...(security.noNewPrivileges === true ? ['name=no-new-privileges'] : []),
  ];
}

/** What `info` warns of. */
export function securityWarnings({ seccompProfileName }: Pick<EngineConfig, 'seccompProfileName'>): string[] {
  return seccompProfileName === 'builtin' ? [] : ['WARNING: daemon is not using the default seccomp profile'];
}
