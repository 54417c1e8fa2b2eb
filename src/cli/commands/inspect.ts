/** `inspect` of every kind of object. The JSON is shown as the daemon sent it, so that no number is rounded. */

import { Template, TemplateError } from '../../template/index.ts';
import { escapePath } from '../client/client.ts';
import type { Command } from '../command.ts';
import type { Cli } from '../context.ts';
import { ApiError, CliError, isNotFound, messageOf } from '../errors.ts';
import { type Flag, type FlagValues, flag } from '../flags/flag.ts';
import { indentJson, parseExact } from '../format/json.ts';
import { inspectFormat } from './common-flags.ts';
import { platformQuery } from './image/platform-query.ts';

/** Gets the JSON text of an object. */
type Getter = (cli: Cli, name: string, flags: FlagValues) => Promise<string>;

const withSize = (flags: FlagValues): boolean => flags.bool('size');

const getContainer: Getter = (cli, name, flags) =>
  cli.client.text('GET', `/containers/${escapePath(name)}/json`, { query: { size: withSize(flags) } });
const getImage: Getter = (cli, name) => cli.client.text('GET', `/images/${escapePath(name)}/json`);
const getPlatformImage: Getter = (cli, name, flags) =>
  cli.client.text('GET', `/images/${escapePath(name)}/json`, {
    query: { platform: platformQuery(flags.string('platform')) },
  });
const getNetwork: Getter = (cli, name, flags) =>
  cli.client.text('GET', `/networks/${escapePath(name)}`, { query: { verbose: flags.bool('verbose') } });
const getVolume: Getter = (cli, name) => cli.client.text('GET', `/volumes/${escapePath(name)}`);

/** The kinds `inspect` tries, in docker's order; those of Swarm are not ours. */
const KINDS: ReadonlyArray<readonly [type: string, get: Getter]> = [
  ['container', getContainer],
  ['image', getImage],
  ['network', (cli, name) => cli.client.text('GET', `/networks/${escapePath(name)}`)],
  ['volume', getVolume],
];
const SWARM_KINDS = ['config', 'node', 'plugin', 'secret', 'service', 'task'];

function render(template: Template, raw: string): string {
  try {
    return template.render(parseExact(raw), { missingKey: 'error' });
  } catch (err) {
    if (!(err instanceof TemplateError)) throw err;
    throw new CliError(`template parsing error: ${err.message}`);
  }
}

function compile(format: string): Template | undefined {
  if (format === '' || format === 'json') return undefined;
  try {
    return new Template(format);
  } catch (err) {
    throw new CliError(`template parsing error: ${messageOf(err)}`, { exitCode: 64 });
  }
}

/** Inspects every name; what was found is printed even if some were not, and the errors follow. */
async function inspectAll(
  cli: Cli,
  names: readonly string[],
  format: string,
  get: (name: string) => Promise<string>,
): Promise<void> {
  const template = compile(format);
  const found: string[] = [];
  const errors: string[] = [];
  for (const name of names) {
    try {
      const raw = (await get(name)).trim();
      found.push(template ? render(template, raw) : raw);
    } catch (err) {
      if (
        err instanceof CliError &&
        !(err instanceof ApiError) &&
        err.exitCode === 1 &&
        /^Cannot connect|^permission denied/.test(err.message)
      )
        throw err;
      errors.push(messageOf(err));
    }
  }
  if (template) cli.out.write(found.length ? `${found.join('\n')}\n` : '\n');
  else if (format === 'json') cli.out.line(`[${found.join(',')}]`);
  else cli.out.line(found.length ? indentJson(`[${found.join(',')}]`, '', '    ') : '[]');
  if (errors.length) throw new CliError(errors.join('\n'));
}

function command(
  use: string,
  flags: readonly Flag[],
  complete: NonNullable<Command['complete']>,
  get: Getter,
): Command {
  return {
    use: `[OPTIONS] ${use}`,
    args: { min: 1 },
    flags: [inspectFormat, ...flags],
    complete,
    run: (cli, values, names) =>
      inspectAll(cli, names, values.string('format'), (name) => get(cli, name, values)),
  };
}

export const inspectContainers: Command = command(
  'CONTAINER [CONTAINER...]',
  [flag('size,s', 'bool', 'Display total file sizes')],
  ['containers'],
  getContainer,
);
export const inspectImages: Command = command(
  'IMAGE [IMAGE...]',
  [
    flag(
      'platform',
      'string',
      'Inspect the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    ),
  ],
  ['images'],
  getPlatformImage,
);
export const inspectNetworks: Command = command(
  'NETWORK [NETWORK...]',
  [flag('verbose,v', 'bool', 'Verbose output for diagnostics')],
  ['networks'],
  getNetwork,
);
export const inspectVolumes: Command = command('VOLUME [VOLUME...]', [], ['volumes'], getVolume);

async function findAny(cli: Cli, name: string, flags: FlagValues, type: string): Promise<string> {
  for (const [kind, get] of KINDS) {
    if (type !== '' && kind !== type) continue;
    try {
      return await get(cli, name, flags);
    } catch (err) {
      if (type !== '' || !isNotFound(err)) throw err;
    }
  }
  throw new CliError(`Error: No such object: ${name}`);
}

export const inspect: Command = {
  use: '[OPTIONS] NAME|ID [NAME|ID...]',
  args: { min: 1 },
  complete: ['containers'],
  flags: [
    inspectFormat,
    flag('size,s', 'bool', 'Display total file sizes if the type is container'),
    flag('type', 'string', 'Only inspect objects of the given type', {
      complete: KINDS.map(([kind]) => kind),
    }),
  ],
  run(cli, flags, names) {
    const type = flags.string('type');
    if (flags.changed('type') && type === '')
      throw new CliError(
        'type is empty: must be one of "config", "container", "image", "network", "node", "plugin", "secret", "service", "task", "volume"',
      );
    if (type !== '' && !KINDS.some(([kind]) => kind === type)) {
      if (SWARM_KINDS.includes(type))
        throw new CliError(`wharf has no objects of type ${JSON.stringify(type)}`);
      const known = [...SWARM_KINDS, ...KINDS.map(([kind]) => kind)]
        .toSorted()
        .map((kind) => JSON.stringify(kind));
      throw new CliError(`unknown type: ${JSON.stringify(type)}: must be one of ${known.join(', ')}`);
    }
    return inspectAll(cli, names, flags.string('format'), (name) => findAny(cli, name, flags, type));
  },
};
