/** `wharfd`: the daemon's main. Reads the settings, serves until a signal, goes down in order. */
import { type EngineLog, VERSION } from '../engine/index.ts';
import { messageOf, WharfError } from '../errdefs/index.ts';
import { daemonConfig } from './config.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { helpText, readSettings } from './flags.ts';
import { createLog } from './log.ts';

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
  const daemon = await startDaemon(config, log);
  log.info('Daemon has completed initialization');
  stopOnSignals(daemon, log);
}

function stopOnSignals(daemon: Daemon, log: EngineLog): void {
  let asked = 0;
  const stop = (signal: string): void => {
    asked++;
    if (asked === 1) {
      log.info(`Processing signal '${signal}'`);
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
  process.on('SIGHUP', () => log.info('SIGHUP: settings are read at start only'));
  process.on('SIGPIPE', () => undefined);
  process.on('unhandledRejection', (reason) => log.error(`unhandled: ${detail(reason)}`));
  process.on('uncaughtException', (err) => log.error(`uncaught: ${detail(err)}`));
}

const detail = (err: unknown): string => (err instanceof Error ? (err.stack ?? err.message) : String(err));

main().catch((err: unknown) => {
  process.stderr.write(`wharfd: ${messageOf(err)}\n`);
  if (err instanceof WharfError && err.hint) process.stderr.write(`${err.hint}\n`);
  process.exitCode = 1;
});
