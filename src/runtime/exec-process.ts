/** The process of an exec: another one in a running container. */
import { containerCapabilities } from './capabilities.ts';
import { mergeEnv } from './environment.ts';
import { hostFacts } from './host-facts.ts';
import type { SpecProcess } from './spec-types.ts';
import type { ResolvedUser } from './users.ts';

/** What an exec asks for. */
export interface ExecProcessInput {
  args: readonly string[];
  env?: readonly string[];
  /** The Env of the container's config: a HOME in it holds for all users. */
  containerEnv?: readonly string[];
  /** Default: the container's. */
  cwd?: string;
  tty: boolean;
  /** Default: the container's. */
  user?: ResolvedUser;
  privileged?: boolean;
  /** `[height, width]` of the terminal. */
  consoleSize?: readonly [number, number];
}

/** The OCI process of an exec, from that of its container's spec. */
export function execProcess(container: SpecProcess, input: ExecProcessInput): SpecProcess {
  const { terminal: _, consoleSize: __, ...base } = container;
  const capabilities =
    input.privileged === true
      ? containerCapabilities({ privileged: true, bounding: hostFacts().boundingSet }).names
      : undefined;
  const { user, consoleSize: size } = input;
  return {
    ...base,
    ...(input.tty ? { terminal: true } : {}),
    ...(input.tty && size !== undefined ? { consoleSize: { height: size[0], width: size[1] } } : {}),
    ...(user === undefined
      ? {}
      : { user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids } }),
    args: [...input.args],
    env: execEnv(container.env, input),
    ...(input.cwd ? { cwd: input.cwd } : {}),
    ...(capabilities === undefined
      ? {}
      : { capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities } }),
  };
}

/** The container's environment, with HOME and TERM as they are for this user and terminal, and the exec's own on top. */
function execEnv(container: readonly string[], input: ExecProcessInput): string[] {
  const { tty, user, env = [], containerEnv = [] } = input;
  const homeIsGiven = containerEnv.some((entry) => entry.startsWith('HOME='));
  const hasTerm = container.some((entry) => entry.startsWith('TERM='));
  return mergeEnv(
    container,
    tty && !hasTerm ? ['TERM=xterm'] : [],
    user === undefined || homeIsGiven ? [] : [`HOME=${user.home}`],
    env,
  );
}
