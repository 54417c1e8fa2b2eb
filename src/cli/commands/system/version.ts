/** `version`: client and daemon. */
import type { SystemVersion } from '@docker/node-sdk';
import { compareVersions } from '../../client/client.ts';
import type { Command } from '../../command.ts';
import { API_VERSION } from '../../context.ts';
import { CliError, messageOf } from '../../errors.ts';
import { templateFailure } from '../../format/list.ts';
import { CLIENT_VERSION, GIT_COMMIT } from '../../version.ts';
import { inspectFormat } from '../common-flags.ts';

interface ClientVersion {
  Version: string;
  ApiVersion: string;
  DefaultAPIVersion: string;
  GitCommit: string;
  NodeVersion: string;
  Os: string;
  Arch: string;
  Context: string;
}

function clientVersion(daemonApi: string | undefined): ClientVersion {
  const wanted = process.env.DOCKER_API_VERSION || API_VERSION;
  return {
    Version: CLIENT_VERSION,
    ApiVersion: daemonApi && compareVersions(daemonApi, wanted) < 0 ? daemonApi : wanted,
    DefaultAPIVersion: API_VERSION,
    GitCommit: GIT_COMMIT,
    NodeVersion: process.versions.node,
    Os: process.platform,
    Arch: process.arch === 'x64' ? 'amd64' : process.arch,
    Context: 'default',
  };
}

const row = (label: string, value: string | undefined, indent = ' '): string =>
  `${indent}${`${label}:`.padEnd(indent === ' ' ? 19 : 18)}${value ?? ''}\n`;

const DETAILS: ReadonlyArray<readonly [key: string, label: string]> = [
  ['ApiVersion', 'API version'],
  ['GoVersion', 'Go version'],
  ['NodeVersion', 'Node version'],
  ['GitCommit', 'Git commit'],
  ['BuildTime', 'Built'],
];

function serverText(server: SystemVersion): string {
  let text = `\nServer:${server.Platform?.Name ? ` ${server.Platform.Name}` : ''}\n`;
  for (const component of server.Components ?? []) {
    const details = (component.Details ?? {}) as Readonly<Record<string, string | undefined>>;
    text += ` ${component.Name}:\n${row('Version', component.Version, '  ')}`;
    for (const [key, label] of DETAILS) {
      const value = details[key];
      if (value === undefined) continue;
      if (key === 'ApiVersion')
        text += row(label, `${value} (minimum version ${details.MinAPIVersion ?? ''})`, '  ');
      else text += row(label, key === 'BuildTime' ? rfcTime(value) : value, '  ');
    }
    if (details.Os) text += row('OS/Arch', `${details.Os}/${details.Arch ?? ''}`, '  ');
    if (details.Experimental !== undefined) text += row('Experimental', details.Experimental, '  ');
  }
  return text;
}

/** Go's ANSIC form: `Thu May  7 21:09:36 2026`. */
function rfcTime(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const [day, month, dayOfMonth, year] = date.toUTCString().replace(',', '').split(' ');
  return `${day} ${dayOfMonth} ${String(Number(month))} ${year}`.length
    ? `${day} ${dayOfMonth} ${String(Number(month)).padStart(2)} ${date.toISOString().slice(11, 19)} ${year}`
    : iso;
}

export const version: Command = {
  use: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [inspectFormat],
  async run(cli, flags) {
    const format = flags.string('format');
    let server: SystemVersion | undefined;
    let failure: unknown;
    try {
      server = await cli.client.get<SystemVersion>('/version');
    } catch (err) {
      failure = err;
    }
    const client = clientVersion(server?.ApiVersion);
    if (format !== '') {
      const { Template, STRUCT } = await import('../../../template/index.ts');
      const data = { Client: mark(goNames(client), STRUCT), Server: server ? goNames(server) : null };
      try {
        const source = format === 'json' ? '{{json .}}' : format;
        cli.out.line(new Template(source, 'version').render(mark(data, STRUCT)));
      } catch (err) {
        templateFailure(err);
      }
    } else {
      const { ApiVersion: api, DefaultAPIVersion: newest } = client;
      let text = `Client: Wharf\n${row('Version', client.Version)}`;
      text += row('API version', api === newest ? api : `${api} (downgraded from ${newest})`);
      text += row('Node version', client.NodeVersion) + row('Git commit', client.GitCommit);
      text += row('OS/Arch', `${client.Os}/${client.Arch}`) + row('Context', client.Context);
      cli.out.write(server ? text + serverText(server) : text);
    }
    if (failure) throw failure instanceof CliError ? failure : new CliError(messageOf(failure));
  },
};

/** Docker's template goes by the struct's field APIVersion, its JSON by the tag ApiVersion: the one is hidden from the other. */
function goNames<T extends { ApiVersion?: string }>(value: T): T {
  return Object.defineProperty({ ...value }, 'APIVersion', { value: value.ApiVersion });
}

/** Marks an object as a Go struct, so that a template that asks for another field fails. */
function mark<T extends object>(value: T, symbol: symbol): T {
  return Object.defineProperty(value, symbol, { value: 'system.versionInfo' });
}
