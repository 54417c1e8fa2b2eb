/**
 * The daemon as systemd's service: its listening sockets (sd_listen_fds(3)), what it is told (sd_notify(3)), and
 * whether the machine is going down. Without a supervisor all of it is nothing.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type EngineLog, notifyService } from '../engine/index.ts';
import { invalidParameter, messageOf } from '../errdefs/index.ts';

const run = promisify(execFile);

/** The first descriptor that is handed over. */
const LISTEN_FDS_START = 3;

export class Supervisor {
  /** The sockets' names by their descriptors. */
  readonly #sockets: ReadonlyMap<number, string>;
  readonly #notify: string | undefined;
  readonly #log: Pick<EngineLog, 'warn'>;

  /** Takes what concerns this process out of `env`, so that its children do not take it for theirs. */
  constructor(log: Pick<EngineLog, 'warn'>, env: NodeJS.ProcessEnv = process.env) {
    this.#log = log;
    this.#notify = env.NOTIFY_SOCKET || undefined;
    const count = env.LISTEN_PID === String(process.pid) ? Number(env.LISTEN_FDS ?? 0) : 0;
    const names = (env.LISTEN_FDNAMES ?? '').split(':');
    this.#sockets = new Map(
      Array.from({ length: count }, (_, i) => [LISTEN_FDS_START + i, names[i] ?? ''] as const),
    );
    for (const name of ['NOTIFY_SOCKET', 'LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  }

  /**
   * The descriptors that `-H fd://WHICH` means: all, the one of that number or those of that name.
   * @throws InvalidParameter when nothing was handed over for it
   */
  sockets(which: string): number[] {
    const found = [...this.#sockets.keys()].filter(
      (fd) => which === '' || which === '*' || which === String(fd) || which === this.#sockets.get(fd),
    );
    if (found.length > 0) return found;
    const hint = 'The service wants its socket unit: systemctl start wharf.socket';
    if (this.#sockets.size === 0) {
      throw invalidParameter(
        'no sockets found via socket activation: make sure the service was started by systemd',
        { hint },
      );
    }
    throw invalidParameter(`failed to find a socket "${which}" among those handed over by systemd`, { hint });
  }

  ready(): void {
    this.#tell('READY=1', 'STATUS=Serving');
  }

  stopping(): void {
    this.#tell('STOPPING=1', 'STATUS=Stopping');
  }

  /** Between the signal that asks for it and {@link ready}. */
  reloading(): void {
    this.#tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`, 'STATUS=Reading settings');
  }

  #tell(...lines: string[]): void {
    if (this.#notify === undefined) return;
    try {
      notifyService(this.#notify, ...lines);
    } catch (err) {
      this.#log.warn(`systemd not told ${lines[0]}: ${messageOf(err)}`);
    }
  }

  /** Whether the machine goes down or restarts: what runs here ends with it, whatever the daemon does. */
  async machineStops(): Promise<boolean> {
    if (this.#notify === undefined) return false;
    // It fails for every state but `running`, and says the state all the same.
    const state = await run('systemctl', ['is-system-running'], { timeout: 5000 }).then(
      ({ stdout }) => stdout,
      (err: { stdout?: string }) => err.stdout ?? '',
    );
    return state.trim() === 'stopping';
  }
}
