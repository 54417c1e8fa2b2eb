/** `wharfd`: the daemon's main. Reads the settings, serves until a signal, goes down in order. */
import { VERSION } from '../engine/index.ts';
import { messageOf, WharfError } from '../errdefs/index.ts';
import { daemonConfig } from './config.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { helpText, readSettings } from './flags.ts';
import { createLog, type DaemonLog } from './log.ts';
import { Supervisor } from './supervisor.ts';

async function main(): Promise<void> {
  const settings = readSettings(process.argv.slice(2));
  if (settings.help) {
    process.stdout.write(helpText());
    return;
  }
  if (settings.version) {
    process.stdout.write(`Wharf version ${VERSION}\n`);
    return;
  }
  const config = daemonConfig(settings);
  if (settings.validate) {
    process.stdout.write('configuration OK\n');
    return;
  }
  if (process.getuid?.() !== 0) {
    throw new WharfError('Forbidden', 'wharfd needs to be started with root privileges');
  }
  const log = createLog(config.logLevel);
  // Files are made for root; what others may read is opened up where it is made.
  process.umask(0o022);
  const supervisor = new Supervisor(log);
  const daemon = await startDaemon(config, log, supervisor);
  log.info('Daemon has completed initialization');
  handleSignals(daemon, log, supervisor);
  supervisor.ready();
}

function handleSignals(daemon: Daemon, log: DaemonLog, supervisor: Supervisor): void {
  let asked = 0;
  const stop = (signal: string): void => {
    asked++;
    if (asked === 1) {
      log.info(`Processing signal '${signal}'`);
      supervisor.stopping();
      daemon.stop().then(
        () => process.exit(0),
        (err: unknown) => {
          log.error(`shutdown: ${messageOf(err)}`);
          process.exit(1);
        },
      );
    } else if (asked === 3) {
      log.warn('Forcing shutdown without cleanup: 3 interrupts received');
      process.exit(1);
    }
  };
  process.on('SIGTERM', () => stop('terminated'));
  process.on('SIGINT', () => stop('interrupt'));
  process.on('SIGHUP', () => reload(daemon, log, supervisor));
  process.on('SIGPIPE', () => undefined);
  process.on('unhandledRejection', (reason) => log.error(`unhandled: ${detail(reason)}`));
  process.on('uncaughtException', (err) => log.error(`uncaught: ${detail(err)}`));
}

/** Reads the settings again; with one wrong in them all stay as they were, as in dockerd. */
function reload(daemon: Daemon, log: DaemonLog, supervisor: Supervisor): void {
  supervisor.reloading();
  try {
    const config = daemonConfig(readSettings(process.argv.slice(2)));
    log.level(config.logLevel);
    daemon.reload(config);
    log.info('Reloaded configuration');
  } catch (err) {
    log.error(`settings not reloaded: ${messageOf(err)}`);
  }
  supervisor.ready();
}

const detail = (err: unknown): string => (err instanceof Error ? (err.stack ?? err.message) : String(err));

main().catch((err: unknown) => {
  process.stderr.write(`wharfd: ${messageOf(err)}\n`);
  if (err instanceof WharfError && err.hint) process.stderr.write(`${err.hint}\n`);
  process.exitCode = 1;
});
