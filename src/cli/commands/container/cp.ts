/** `cp`: files between a container and here. */
import { statSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import { tarStream } from '../../../oci/index.ts';
import type { Command } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { ApiError, CliError } from '../../errors.ts';
import { type FlagValues, flag } from '../../flags/flag.ts';
import { humanSize } from '../../format/units.ts';
import { localStat, packTree } from './cp-pack.ts';
import { archiveName, type PathFacts, place, splitCopyArg } from './cp-paths.ts';
import { unpack } from './cp-unpack.ts';
import { containerPath } from './lifecycle.ts';

/** `X-Docker-Container-Path-Stat`: a path in a container, with Go's file mode bits. */
interface PathStat {
  name: string;
  size: number;
  mode: number;
  linkTarget: string;
}

const GO_MODE_DIR = 2 ** 31;
const GO_MODE_SYMLINK = 2 ** 27;
const hasBit = (mode: number, bit: number): boolean => Math.floor(mode / bit) % 2 === 1;

const parseStat = (header: string | undefined): PathStat => {
  if (!header) throw new CliError('the daemon did not say what is at the path');
  return JSON.parse(Buffer.from(header, 'base64').toString('utf8')) as PathStat;
};

async function statInContainer(cli: Cli, container: string, path: string): Promise<PathStat | undefined> {
  try {
    const response = await cli.client.call('HEAD', containerPath(container, '/archive'), { query: { path } });
    return parseStat(response.headers['x-docker-container-path-stat']);
  } catch (err) {
    // What cannot be looked at may still be made: whether its parent is there, the copy itself will tell.
    if (err instanceof ApiError) return undefined;
    throw err;
  }
}

/** Where a symbolic link in a container leads. */
const linkTarget = (path: string, target: string): string =>
  target.startsWith('/') ? target : posix.join(posix.dirname(path), target);

/** Resolves a local path; a slash or dot at its end, which says that a directory is meant, stays. */
function absolute(path: string): string {
  const ending = /(\/\.?)$/.exec(path)?.[1] ?? (path === '.' ? '/.' : '');
  const resolved = resolve(path);
  return resolved === '/' ? resolved : resolved + ending;
}

/** Counts what passes. */
async function* counted(source: AsyncIterable<Buffer>, count: { bytes: number }): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    count.bytes += chunk.length;
    yield chunk;
  }
}

function tellDone(cli: Cli, flags: FlagValues, bytes: number, target: string): void {
  const quiet = flags.changed('quiet') ? flags.bool('quiet') : !cli.err.isTerminal;
  if (!quiet) cli.err.line(`Successfully copied ${humanSize(bytes, 3)} to ${target}`);
}

async function copyFrom(
  cli: Cli,
  flags: FlagValues,
  container: string,
  source: string,
  target: string,
): Promise<void> {
  let path = source;
  if (flags.bool('follow-link')) {
    const stat = await statInContainer(cli, container, path);
    if (stat && hasBit(stat.mode, GO_MODE_SYMLINK)) path = linkTarget(path, stat.linkTarget);
  }
  const response = await cli.client.call('GET', containerPath(container, '/archive'), { query: { path } });
  if (target === '-') {
    for await (const chunk of response.body()) cli.out.write(chunk);
    return;
  }
  const stat = parseStat(response.headers['x-docker-container-path-stat']);
  const local = absolute(target);
  const found = statSync(local, { throwIfNoEntry: false });
  const facts: PathFacts = { exists: found !== undefined, directory: found?.isDirectory() ?? false };
  const placement = place(hasBit(stat.mode, GO_MODE_DIR), local, facts);
  // What a followed link leads to is put down under the link's name.
  if (path !== source) placement.name ??= archiveName(source);
  const parent = statSync(placement.directory, { throwIfNoEntry: false });
  if (!parent?.isDirectory())
    throw new CliError(
      `invalid output path: directory ${JSON.stringify(placement.directory)} does not exist`,
    );
  const count = { bytes: 0 };
  await unpack(counted(response.body(), count), {
    placement,
    owners: flags.bool('archive') && process.geteuid?.() === 0,
  });
  tellDone(cli, flags, count.bytes, local);
}

async function copyTo(
  cli: Cli,
  flags: FlagValues,
  source: string,
  container: string,
  target: string,
): Promise<void> {
  let path = target;
  let stat = await statInContainer(cli, container, path);
  if (stat && hasBit(stat.mode, GO_MODE_SYMLINK)) {
    path = linkTarget(path, stat.linkTarget);
    stat = await statInContainer(cli, container, path);
  }
  const facts: PathFacts = {
    exists: stat !== undefined,
    directory: stat !== undefined && hasBit(stat.mode, GO_MODE_DIR),
  };
  const put = (directory: string, stream: AsyncIterable<Buffer>): Promise<void> =>
    cli.client.done('PUT', containerPath(container, '/archive'), {
      query: {
        path: directory,
        noOverwriteDirNonDir: 'true',
        copyUIDGID: flags.bool('archive') ? 'true' : undefined,
      },
      headers: { 'Content-Type': 'application/x-tar' },
      stream,
    });
  if (source === '-') {
    if (!facts.directory) throw new CliError(`destination "${container}:${target}" must be a directory`);
    await put(path, process.stdin as AsyncIterable<Buffer>);
    return;
  }
  const local = absolute(source);
  const follow = flags.bool('follow-link') || local.endsWith('/') || local.endsWith('/.');
  const own = localStat(local, follow);
  if (!own.isDirectory() && /\/\.?$/.test(local)) throw new CliError('not a directory');
  const placement = place(own.isDirectory(), path, facts);
  const count = { bytes: 0 };
  const name = placement.name ?? archiveName(local);
  await put(placement.directory, counted(tarStream(packTree(local, name, own)), count));
  tellDone(cli, flags, count.bytes, `${container}:${target}`);
}

export const cp: Command = {
  use: ['[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-', '[OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH'],
  long: `Copy files between a container and the local filesystem

Use '-' as the source to read a tar archive from stdin and extract it to a directory of a container.
Use '-' as the destination to write a tar archive of a container's files to stdout.`,
  args: { min: 2, max: 2 },
  complete: ['containers', 'containers'],
  flags: [
    flag('archive,a', 'bool', 'Archive mode (copy all uid/gid information)'),
    flag('follow-link,L', 'bool', 'Always follow symbol link in SRC_PATH'),
    flag(
      'quiet,q',
      'bool',
      'Suppress the report of what was copied (nothing is reported unless a terminal is attached)',
    ),
  ],
  async run(cli, flags, [sourceArg = '', targetArg = '']) {
    if (sourceArg === '') throw new CliError('source can not be empty');
    if (targetArg === '') throw new CliError('destination can not be empty');
    const [source, target] = [splitCopyArg(sourceArg), splitCopyArg(targetArg)];
    if (source.container !== undefined && target.container !== undefined) {
      throw new CliError('copying between containers is not supported');
    }
    if (source.container !== undefined)
      return copyFrom(cli, flags, source.container, source.path, target.path);
    if (target.container !== undefined) return copyTo(cli, flags, source.path, target.container, target.path);
    throw new CliError('must specify at least one container source');
  },
};
