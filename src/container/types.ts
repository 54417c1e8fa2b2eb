/**
 * The words of this room.
 *
 * A **container** is a record (what was asked for, resolved against its image once, at creation) and a state.
 * Life: `created` → start → `running` (⇄ `paused`) → exit → `exited` → start again, or remove.
 *
 * The record in the database is the truth about what was asked; the kernel is the truth about what runs. A state
 * is written after the kernel did it, and {@link ContainerService.reconcile} compares the two when a daemon starts: a
 * container whose shim lives is running whatever the record says, one whose shim is gone has ended, with the exit
 * record the shim left as its account.
 */
import type { ContainerConfig, EndpointSettings, HostConfig } from '@docker/node-sdk';
import type { IdMap } from '../linux/index.ts';
import type { Digest } from '../oci/index.ts';

/** A mount asked for, resolved at creation: names given to anonymous volumes, sources made absolute. */
export interface MountRecord {
  type: 'bind' | 'volume' | 'tmpfs';
  /** Volume name, for `volume`. */
  name?: string;
  /** Host path for `bind`. Of a volume it is the volume room's to know. */
  source?: string;
  destination: string;
  readOnly: boolean;
  /** The mode part of `-v src:dst:mode`, as inspect shows it. */
  mode: string;
  propagation?: string;
  /** `bind-nonrecursive`. */
  nonRecursive?: boolean;
  /** `bind-recursive=writable`: read-only is the mount itself, not what is mounted below it. */
  readOnlyTop?: boolean;
  /** Copy the image's content into an empty volume. */
  copyUp?: boolean;
  /** How to make the volume if there is none of that name (VolumeOptions of `--mount`). */
  creation?: VolumeCreation;
  /** A path inside the volume. */
  subpath?: string;
  /** The volume was named by us and goes with the container (`rm -v`, `--rm`). */
  anonymous?: boolean;
  /** tmpfs mount options, e.g. `size=64m`. */
  options?: string;
}

/** What `--mount type=volume` says of a volume that is to be made. */
export interface VolumeCreation {
  driver?: string;
  driverOpts?: Record<string, string>;
  labels?: Record<string, string>;
}

/** `--link`: another container, by its id, under a name of this one's choice. */
export interface LinkRecord {
  id: string;
  alias: string;
}

/** What is known of the kernel killing processes of a run for lack of memory. Bytes. */
export interface OomRecord {
  /** How many it has killed. */
  kills: number;
  /** The container's limit; absent when it has none: the machine was out of memory. */
  limit?: number;
  /** The highest usage; absent where the kernel does not keep it (v2 before Linux 5.19). */
  peak?: number;
  /** The name of the last process that was killed, where the kernel's log can be read. */
  process?: string;
}

export interface StateRecord {
  status: 'created' | 'running' | 'paused' | 'exited' | 'dead';
  pid: number;
  exitCode: number;
  error: string;
  /** The kernel has killed a process of this run for lack of memory: the first, or a child. */
  oomKilled: boolean;
  /** With {@link oomKilled}: the evidence. */
  oom?: OomRecord;
  /** RFC 3339 with nanoseconds; {@link NEVER} before the first start. */
  startedAt: string;
  finishedAt: string;
  /** The user asked for the stop; restart policies respect it. */
  manuallyStopped: boolean;
  /** The signal that ended its first process. */
  signal?: number;
  /** Of the present run, or of the last one. */
  ending?: Ending;
  /** Of the machine, when the run began (/proc/sys/kernel/random/boot_id). */
  bootId?: string;
}

/** Who asked for it. */
export interface Sender {
  /** `daemon`: it was going down. `health`: its probes failed. */
  by: 'stop' | 'kill' | 'restart' | 'remove' | 'daemon' | 'health';
  /** The client, as it names itself, and where it is. */
  client?: string;
}

/** The last signal that was sent to a container's init through this engine, or why nobody saw it end. */
export interface Ending extends Omit<Sender, 'by'> {
  /** `reboot`: the machine went down under it. `lost`: its monitor was killed. */
  by: Sender['by'] | 'reboot' | 'lost';
  signal?: number;
  /** RFC 3339. */
  at: string;
  /** Seconds it was given after its stop signal before SIGKILL. */
  killedAfter?: number;
}

/** Go's zero time, which clients compare with. */
export const NEVER = '0001-01-01T00:00:00Z';

/** A container as it is stored. JSON. */
export interface ContainerRecord {
  id: string;
  /** Without Docker's leading slash. */
  name: string;
  created: string;
  /** The program and its arguments, from entrypoint and command. */
  path: string;
  args: string[];
  imageId: Digest;
  diffIds: Digest[];
  /** What the container runs as: the request over the image's config. */
  config: ContainerConfig;
  hostConfig: HostConfig;
  /** The host config before an update that the kernel has not been told of yet. */
  updating?: HostConfig;
  /** NetworkingConfig.EndpointsConfig of the request. */
  endpoints: Record<string, EndpointSettings>;
  /** It was disconnected from the network that NetworkMode names, and starts without it. */
  leftNetworkMode?: boolean;
  mounts: MountRecord[];
  /** Links of the default bridge; those of other networks are their endpoints'. */
  links?: LinkRecord[];
  state: StateRecord;
  restartCount: number;
  /** The ids of its last run's user namespace, where it had one. */
  idMap?: IdMap | undefined;
}
