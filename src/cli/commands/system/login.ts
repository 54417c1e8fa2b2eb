/** `login` */
import type { Command } from '../../command.ts';
import {
  authKey,
  type Credentials,
  hostOf,
  INDEX_SERVER,
  loadCredentials,
  storeCredentials,
} from '../../config/credentials.ts';
import type { Cli } from '../../context.ts';
import { ApiError, CliError } from '../../errors.ts';
import { type FlagValues, flag } from '../../flags/flag.ts';
import { stdinIsTerminal } from '../../output.ts';
import { readHidden, readLine } from '../../terminal/prompt.ts';

interface AuthAnswer {
  Status?: string;
  IdentityToken?: string;
}

async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}

function checkFlags(cli: Cli, flags: FlagValues): void {
  if (flags.bool('password-stdin')) {
    if (flags.changed('password'))
      throw new CliError('--password and --password-stdin are mutually exclusive');
    if (flags.string('username') === '')
      throw new CliError('the --password-stdin option requires --username to be set');
  }
  if (flags.changed('password'))
    cli.err.line('WARNING! Using --password via the CLI is insecure. Use --password-stdin.');
}

async function ask(
  cli: Cli,
  username: string,
  shown: string,
): Promise<{ username: string; password: string }> {
  if (!stdinIsTerminal())
    throw new CliError('Error: Cannot perform an interactive login from a non TTY device');
  let name = username;
  if (name === '') {
    cli.out.write(`Username${shown ? ` (${shown})` : ''}: `);
    name = (await readLine())?.trim() || shown;
    if (name === '') throw new CliError('Error: Non-null Username Required');
  }
  const password = await readHidden(cli, 'Password: ');
  if (password === '') throw new CliError('Error: Password Required');
  return { username: name, password };
}

/** Has the daemon try credentials at the registry. @returns what to keep: a token, when the registry gave one */
async function authenticate(
  cli: Cli,
  credentials: Credentials,
): Promise<{ kept: Credentials; status: string }> {
  const answer = await cli.client.json<AuthAnswer>('POST', '/auth', { body: credentials });
  const kept = answer.IdentityToken
    ? { ...credentials, password: '', identitytoken: answer.IdentityToken }
    : credentials;
  return { kept, status: answer.Status || 'Login Succeeded' };
}

export const login: Command = {
  use: '[OPTIONS] [SERVER]',
  long: 'Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.',
  args: { min: 0, max: 1 },
  flags: [
    flag('password,p', 'string', 'Password or Personal Access Token (PAT)'),
    flag('password-stdin', 'bool', 'Take the Password or Personal Access Token (PAT) from stdin'),
    flag('username,u', 'string', 'Username'),
  ],
  async run(cli, flags, [server = '']) {
    checkFlags(cli, flags);
    const hub = server === '' || hostOf(server) === 'docker.io' || hostOf(server) === 'index.docker.io';
    const key = hub ? INDEX_SERVER : authKey(server);
    let username = flags.string('username');
    let password = flags.bool('password-stdin') ? await readStdin() : flags.string('password');
    const stored = loadCredentials(cli.config, key);
    let result: Awaited<ReturnType<typeof authenticate>> | undefined;
    if (username === '' && password === '' && (stored.username || stored.identitytoken)) {
      cli.out.line(
        `Authenticating with existing credentials...${stored.username ? ` [Username: ${stored.username}]` : ''}`,
      );
      try {
        result = await authenticate(cli, { ...stored, serveraddress: key });
      } catch (err) {
        if (!(err instanceof ApiError) || (err.status !== 401 && err.status !== 500)) throw err;
        cli.err.line(`Login did not succeed, error: ${err.message}`);
      }
    }
    if (!result) {
      if (username === '' || password === '')
        ({ username, password } = await ask(cli, username, stored.username ?? ''));
      result = await authenticate(cli, { username, password, serveraddress: key });
    }
    if (storeCredentials(cli.config, key, result.kept) === 'plain') {
      cli.err.line(
        `\nWARNING! Your credentials are stored unencrypted in '${cli.config.path}'.\nSet up a credential helper (credsStore in that file) to keep them safe.\n`,
      );
    }
    cli.out.line(result.status);
  },
};
