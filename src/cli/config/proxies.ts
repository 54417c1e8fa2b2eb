/** Proxy variables that `config.json` gives to new containers. */
import type { Cli } from '../context.ts';
import type { ProxyEntry } from './config-file.ts';

const NAMES: ReadonlyArray<readonly [key: keyof ProxyEntry, variable: string]> = [
  ['httpProxy', 'HTTP_PROXY'],
  ['httpsProxy', 'HTTPS_PROXY'],
  ['ftpProxy', 'FTP_PROXY'],
  ['noProxy', 'NO_PROXY'],
  ['allProxy', 'ALL_PROXY'],
];

/** The variables, upper and lower case, for this daemon. @param env what the user set, which wins */
export function loadProxyEnv(cli: Cli, env: readonly string[]): string[] {
  const { proxies } = cli.config.data;
  if (!proxies) return [];
  const entry = proxies[cli.endpoint.display] ?? proxies.default ?? {};
  const given = new Set(env.map((line) => line.split('=', 1)[0]));
  return NAMES.flatMap(([key, variable]) => {
    const value = entry[key];
    if (!value) return [];
    return [variable, variable.toLowerCase()]
      .filter((name) => !given.has(name))
      .map((name) => `${name}=${value}`);
  });
}
