/** What `create` and `run` have in common: the image is there or pulled, the container made, its ID written. */
import { closeSync, openSync, statSync, unlinkSync, writeSync } from 'node:fs';
import type { ContainerCreateResponse } from '@docker/node-sdk';
import { loadProxyEnv } from '../../config/proxies.ts';
import type { Cli } from '../../context.ts';
import { CliError, isNotFound } from '../../errors.ts';
import type { FlagValues } from '../../flags/flag.ts';
import type { CreateBody } from './container-config.ts';

const POLICIES = new Set(['always', 'missing', 'never', '']);

/** The file for the container's ID, made before the container so that it cannot be in use already. */
class CidFile {
  readonly #path: string;
  readonly #fd: number | undefined;
  #written = false;

  constructor(path: string) {
    this.#path = path;
    if (path === '') return;
    try {
      statSync(path);
    } catch {
      try {
        this.#fd = openSync(path, 'wx', 0o644);
      } catch (err) {
        throw new CliError(`failed to create the container ID file: ${(err as Error).message}`);
      }
      return;
    }
    throw new CliError(
      `container ID file found, make sure the other container isn't running or delete ${path}`,
    );
  }

  write(id: string): void {
    if (this.#fd === undefined) return;
    writeSync(this.#fd, id);
    this.#written = true;
  }

  close(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    if (!this.#written) unlinkSync(this.#path);
  }
}

/** Creates the container. @returns its ID */
export async function createContainer(cli: Cli, flags: FlagValues, body: CreateBody): Promise<string> {
  const policy = flags.string('pull');
  if (!POLICIES.has(policy)) {
    throw new CliError(`invalid pull option: '${policy}': must be one of "always", "missing" or "never"`, {
      exitCode: 125,
      prefixed: true,
      trailer: `Run '${cli.path} --help' for more information`,
    });
  }
  const image = body.Image ?? '';
  const platform = flags.string('platform') || process.env.DOCKER_DEFAULT_PLATFORM || '';
  const quiet = flags.bool('quiet');
  const cidFile = new CidFile(flags.string('cidfile'));
  try {
    const proxies = loadProxyEnv(cli, body.Env ?? []);
    if (proxies.length) body.Env = [...(body.Env ?? []), ...proxies];
    const pull = async (): Promise<void> => {
      const { pullImage } = await import('../image/pull-image.ts');
      await pullImage(cli, image, { platform, quiet, out: cli.err });
    };
    const post = (): Promise<ContainerCreateResponse> =>
      cli.client.json<ContainerCreateResponse>('POST', '/containers/create', {
        query: { name: flags.string('name') || undefined, platform: platform || undefined },
        body,
      });
    if (policy === 'always') await pull();
    let created: ContainerCreateResponse;
    try {
      created = await post();
    } catch (err) {
      if (
        !isNotFound(err) ||
        !/No such image|not found/i.test(err.daemonMessage) ||
        policy !== 'missing' ||
        !namesImage(err.daemonMessage)
      )
        throw err;
      if (!quiet) cli.err.line(`Unable to find image '${await shownName(image)}' locally`);
      await pull();
      created = await post();
    }
    for (const warning of created.Warnings ?? []) cli.warn(warning);
    const id = created.Id ?? '';
    cidFile.write(id);
    return id;
  } finally {
    cidFile.close();
  }
}

/** Other things can be missing, too: a network, a volume, a container to join. */
const namesImage = (message: string): boolean => /image/i.test(message);

/** The name with its default tag, as in "Unable to find image". */
async function shownName(image: string): Promise<string> {
  const { familiarString, parseReference, withDefaultTag } = await import('../../../oci/index.ts');
  try {
    return familiarString(withDefaultTag(parseReference(image)));
  } catch {
    return image;
  }
}
