import { join } from 'node:path';
import type { LogPaths } from '../logging/index.ts';

/** Where a container's files are: `data` outlives a reboot, `bundle` is runtime state. */
export interface ContainerPaths {
  /** `<data root>/containers/<id>`. */
  data: string;
  hostname: string;
  hosts: string;
  resolvConf: string;
  /** The log, by log driver; the cache is of the drivers that send to a server. */
  logs: LogPaths;
  /** How far the log was delivered to a server. */
  logPosition: string;
  /** The shim's exit record. */
  exit: string;
  /** Names of the anonymous volumes of a container that is being created: they go if it is never completed. */
  unfinished: string;
  /** `<exec root>/containers/<id>`, the OCI bundle. */
  bundle: string;
  config: string;
  rootfs: string;
  /** The /dev/shm of a container whose IPC others may join. */
  shm: string;
  /** Mount points of parts of volumes. */
  subpaths: string;
  socket: string;
}

export function containerPaths(dataRoot: string, execRoot: string, id: string): ContainerPaths {
  const data = join(dataRoot, 'containers', id);
  const bundle = join(execRoot, 'containers', id);
  return {
    data,
    hostname: join(data, 'hostname'),
    hosts: join(data, 'hosts'),
    resolvConf: join(data, 'resolv.conf'),
    logs: {
      jsonFile: join(data, `${id}-json.log`),
      local: join(data, 'local-logs', 'container.log'),
      cache: join(data, 'log-cache', 'container.log'),
    },
    logPosition: join(data, 'log-position.json'),
    exit: join(data, 'exit.json'),
    unfinished: join(data, 'unfinished.json'),
    bundle,
    config: join(bundle, 'config.json'),
    rootfs: join(bundle, 'rootfs'),
    shm: join(bundle, 'shm'),
    subpaths: join(bundle, 'subpaths'),
    socket: join(bundle, 'shim.sock'),
  };
}
