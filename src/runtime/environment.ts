/** The environment of a container's processes. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Merges `KEY=value` lists, later ones replacing earlier ones in place; a `KEY` without `=` takes the variable out
 * (as in Docker).
 */
export function mergeEnv(...lists: readonly (readonly string[])[]): string[] {
  const out = new Map<string, string>();
  for (const entry of lists.flat()) {
    const equals = entry.indexOf('=');
    if (equals === -1) out.delete(entry);
    else out.set(entry.slice(0, equals), entry);
  }
  return [...out.values()];
}

/** What {@link containerEnv} goes by. */
export interface EnvInput {
  hostname: string;
  tty: boolean;
  /** The container's own, from its config (the image's included). */
  env: readonly string[];
  /** Of the user it runs as; HOME where nothing says otherwise. */
  home: string;
}

/** PATH, HOSTNAME, TERM with a terminal, HOME; then the container's own. */
export function containerEnv({ hostname, tty, env, home }: EnvInput): string[] {
  return mergeEnv(
    [`PATH=${DEFAULT_PATH}`, `HOSTNAME=${hostname}`, ...(tty ? ['TERM=xterm'] : []), `HOME=${home}`],
    env,
  );
}
