import { readFileSync } from 'node:fs';
import {
  type ApiLog,
  type ApiServer,
  type Backends,
  createApiServer,
  type TlsOptions,
} from '../api/index.ts';
import { Engine, type EngineLog, engineBackends, isHungUp, VERSION } from '../engine/index.ts';
import { invalidParameter } from '../errdefs/index.ts';
import type { DaemonConfig } from './config.ts';
import { claimPidfile } from './pidfile.ts';
import type { Supervisor } from './supervisor.ts';

/** A daemon that serves. */
export interface Daemon {
  /** Stops serving and, without live restore or when the machine goes down, the containers. */
  stop(): Promise<void>;
  /** Takes over what may change of the settings. */
  reload(config: DaemonConfig): void;
}

/** Opens the engine and serves the Engine API on all hosts: the composition root. */
export async function startDaemon(
  config: DaemonConfig,
  log: EngineLog,
  supervisor: Supervisor,
): Promise<Daemon> {
  const release = claimPidfile(config.pidfile);
  let engine: Engine | undefined;
  let server: ApiServer | undefined;
  try {
    engine = await Engine.open(config.engine, log);
    const backends: Backends = engineBackends(engine);
    server = createApiServer(backends, { version: VERSION, log: apiLog(log), isHungUp });
    for (const host of config.hosts) await listen(server, host, config, log, supervisor);
  } catch (err) {
    await server?.close(0);
    await engine?.close();
    release();
    throw err;
  }
  const [running, api] = [engine, server];
  return {
    async stop() {
      api.refuseChanges();
      await running.shutdown({ machineStops: await supervisor.machineStops() });
      await api.close();
      release();
    },
    reload: (fresh) => running.reload(fresh.engine),
  };
}

/** The API's log lines have fields; they go behind the message. */
function apiLog(log: EngineLog): ApiLog {
  const line = (fields: object, message: string): string => `${message} ${JSON.stringify(fields)}`;
  return {
    isLevelEnabled: (level) => log.enabled(level),
    debug: (fields, message) => log.debug(line(fields, message)),
    warn: (fields, message) => log.warn(line(fields, message)),
    error: (fields, message) => log.error(line(fields, message)),
  };
}

async function listen(
  server: ApiServer,
  host: string,
  config: DaemonConfig,
  log: EngineLog,
  supervisor: Supervisor,
): Promise<void> {
  const [scheme = '', rest = ''] = host.split('://', 2);
  switch (scheme) {
    case 'unix':
      await server.listenUnix(rest, config.group ? { group: config.group } : {});
      break;
    case 'tcp': {
      const url = URL.parse(`http://${rest}`);
      if (!url) throw invalidParameter(`invalid host: ${host}`);
      const tls = tlsOptions(config);
      if (!tls) {
        log.warn(
          `${host} is served without TLS: whoever reaches it is root on this machine. Use --tlsverify, or a unix socket`,
        );
      }
      const port = Number(url.port || (tls ? 2376 : 2375));
      await server.listenTcp({ host: url.hostname.replace(/^\[|\]$/g, ''), port, ...(tls ? { tls } : {}) });
      break;
    }
    case 'fd':
      for (const fd of supervisor.sockets(rest)) await server.listenFd(fd);
      break;
    default:
      throw invalidParameter(`invalid host: ${host}`, { hint: 'unix:///path, tcp://host:port or fd://' });
  }
  log.info(`API listen on ${host}`);
}

function tlsOptions(config: DaemonConfig): TlsOptions | undefined {
  if (!config.tls) return undefined;
  const { cert, key, ca, verify } = config.tls;
  if (!cert || !key || (verify && !ca)) {
    throw invalidParameter('TLS wants --tlscert and --tlskey, and --tlsverify also --tlscacert');
  }
  return {
    cert: readFileSync(cert),
    key: readFileSync(key),
    ...(verify ? { ca: readFileSync(ca) } : {}),
  };
}
