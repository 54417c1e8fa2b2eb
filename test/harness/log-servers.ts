/** Log servers beside an engine under test: Debian's rsyslog and journald, and receivers of GELF and fluentd's protocol. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../../scripts/engine-client.ts';
import type { Running } from './command.ts';
import type { TestEngine } from './engine.ts';

/** Where setup puts what it takes out of Debian packages. */
const EXTRACTED = '/var/cache/wharf/clients';
const ARCHITECTURE = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
const RECEIVERS = join(import.meta.dirname, 'receivers.py');
const JOURNALD = '/lib/systemd/systemd-journald';

const libraries = join(EXTRACTED, `usr/lib/${ARCHITECTURE}-linux-gnu`);
const rsyslogd = [join(EXTRACTED, 'usr/sbin/rsyslogd'), '/usr/sbin/rsyslogd'].find((path) =>
  existsSync(path),
);

/** Why tests of a log server cannot run here; in CI they fail instead. */
export const lacking = {
  rsyslog: process.env.CI !== 'true' && rsyslogd === undefined && 'no rsyslog: npm run setup -- --test',
  journald: !existsSync(JOURNALD) && 'no systemd-journald on this machine',
};

/** A running log server and the lines it has written. */
export class LogServer {
  readonly #file: string;
  readonly process: Running;

  constructor(process: Running, file: string) {
    this.process = process;
    this.#file = file;
  }

  lines(): string[] {
    if (!existsSync(this.#file)) return [];
    return readFileSync(this.#file, 'utf8').split('\n').slice(0, -1);
  }

  messages<T = Record<string, string>>(): T[] {
    return this.lines().map((line) => JSON.parse(line) as T);
  }

  /** Waits until it has written as many lines. */
  async has(count: number, timeout = 20_000): Promise<string[]> {
    await waitFor(`${count} lines at the log server`, () => this.lines().length >= count, { timeout }).catch(
      () => {},
    );
    return this.lines();
  }

  async kill(): Promise<void> {
    this.process.child.kill('SIGKILL');
    await this.process.ended;
  }
}

/** A receiver of receivers.py, ready. */
export async function receiver(
  engine: TestEngine,
  kind: 'gelf-udp' | 'gelf-tcp' | 'fluentd',
  address: string,
  file: string,
  ...more: string[]
): Promise<LogServer> {
  const path = join(engine.sandbox.directory, file);
  const env = { PYTHONPATH: join(EXTRACTED, 'usr/lib/python3/dist-packages') };
  const process = engine.helper(['python3', RECEIVERS, kind, address, path, ...more], { env });
  await process.prints(/ready/);
  return new LogServer(process, path);
}

/** Debian's rsyslog with `inputs` (RainerScript); it writes each message as `template` says. */
export async function rsyslog(engine: TestEngine, inputs: string, file = 'syslog.out'): Promise<LogServer> {
  const { directory } = engine.sandbox;
  const output = join(directory, file);
  const config = engine.file(
    `${file}.conf`,
    `${inputs}
global(workDirectory="${directory}" maxMessageSize="64k")
template(name="plain" type="string" string="%pri%|%hostname%|%syslogtag%|%timestamp:::date-rfc3339%|%msg%\\n")
action(type="omfile" file="${output}" template="plain" asyncWriting="off")
`,
  );
  const modules = [join(libraries, 'rsyslog'), `/usr/lib/${ARCHITECTURE}-linux-gnu/rsyslog`].find((path) =>
    existsSync(path),
  );
  const process = engine.helper(
    [rsyslogd ?? 'rsyslogd', '-n', '-f', config, '-i', join(directory, `${file}.pid`), '-M', modules ?? ''],
    { env: { LD_LIBRARY_PATH: libraries } },
  );
  await waitFor('rsyslogd', () => existsSync(join(directory, `${file}.pid`)));
  return new LogServer(process, output);
}

/** systemd-journald on a /run of the sandbox's own. */
export async function journald(
  engine: TestEngine,
): Promise<{ process: Running; query(): Promise<Record<string, unknown>[]> }> {
  await engine.sandbox.ok(['mount', '-t', 'tmpfs', 'tmpfs', '/run']);
  await engine.sandbox.ok(['mkdir', '-p', '/run/systemd/journal', '/run/log/journal']);
  const process = engine.helper([JOURNALD]);
  const ready = async () => (await engine.sandbox.ok(['ls', '/run/systemd/journal'])).includes('socket');
  await waitFor('journald', ready);
  const query = async (): Promise<Record<string, unknown>[]> => {
    const argv = ['journalctl', '-D', '/run/log/journal', '-o', 'json', '--all', '_TRANSPORT=journal'];
    const text = await engine.sandbox.ok(argv).catch(() => '');
    return text
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  };
  return { process, query };
}
