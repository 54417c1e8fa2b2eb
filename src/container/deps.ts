/** What this room needs of the rooms below and of the daemon's settings. */
import type { OCIDescriptor } from '@docker/node-sdk';
import type { IdMap } from '../linux/index.ts';
import type { LogConfig } from '../logging/index.ts';
import type { NetworkService } from '../network/index.ts';
import type { Digest } from '../oci/index.ts';
import type { CdiRegistry } from '../runtime/index.ts';
import type { LentMount } from '../snapshot/index.ts';
import type { Store } from '../store/index.ts';
import type { VolumeService } from '../volume/index.ts';
import type { CgroupDriver } from './cgroup.ts';
import type { CommitDeps } from './commit.ts';
import type { ImageFacts } from './create.ts';
import type { ContainerRecord } from './types.ts';

/** Whose ids a mounted snapshot has; see the snapshot room. */
export interface MountOwner {
  userNamespace: number;
  rootUid: number;
  rootGid: number;
  scratch: string;
}

/** The writable layers of containers (a facet of the snapshotter). */
export interface ContainerSnapshots {
  prepare(key: string, diffIds: Digest[]): void;
  mount(key: string, target: string, owner?: MountOwner): void;
  unmount(target: string): void;
  /** @param at where it is mounted, if it is */
  lend(key: string, at?: string, owner?: MountOwner): LentMount;
  remove(key: string): void | Promise<void>;
  usage(key: string): Promise<{ bytes: number; inodes: number }>;
  layerSize(diffId: Digest): number;
  /** The directories of a snapshot, the lowest last; for tools that look at them. */
  layout(key: string): { upper: string; work: string; lower: readonly string[] };
}

/** An OCI runtime the daemon offers. */
export interface RuntimeConfig {
  /** The program, absolute. */
  path: string;
  args: readonly string[];
}

export interface ContainerLog {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** The daemon's `--seccomp-profile` and `--no-new-privileges`. */
export interface SecurityDefaults {
  /** `unconfined`, or a profile's JSON; without it the built-in one. */
  seccompProfile?: string;
  noNewPrivileges?: boolean;
}

export interface ContainerDeps {
  store: Store;
  dataRoot: string;
  execRoot: string;
  /** Cgroup or slice under which containers get theirs, e.g. `/wharf`, `system.slice`. */
  cgroupParent: string;
  cgroupDriver: CgroupDriver;
  /** Cgroup for the shims, so that they are no part of the daemon's unit; without it they stay in the daemon's own. */
  shimCgroup?: string;
  runtimes: Readonly<Record<string, RuntimeConfig>>;
  defaultRuntime: string;
  shimPath: string;
  /** Log driver and options of containers that name none. */
  logDefaults: LogConfig;
  /** The program of `--init`. */
  initPath: string;
  /** The daemon's `--init`: containers that do not say get an init. */
  init: boolean;
  /** Devices that CDI describes. */
  cdi: CdiRegistry;
  /** Of containers that do not say. */
  security?: SecurityDefaults;
  /** The ids of containers in user namespaces (`--userns-remap`). */
  idMap?: IdMap | undefined;
  snapshots: ContainerSnapshots;
  network: NetworkService;
  volumes: VolumeService;
  /** Where a container's changes become an image. */
  commit: CommitDeps;
  /** @throws NotFound `No such image: X` */
  resolveImage: (ref: string) => ImageFacts;
  /** The manifest of an image that is still here and came with one. */
  imageManifest: (imageId: Digest) => OCIDescriptor | undefined;
  onEvent: (action: string, container: ContainerRecord, attributes?: Record<string, string>) => void;
  /** Stopped containers were pruned, which took up so many bytes. */
  onPrune: (reclaimed: number) => void;
  log: ContainerLog;
}
