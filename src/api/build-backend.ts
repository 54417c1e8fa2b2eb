/** What the routes of builds need; the rules of `backends.ts` hold here, too. */
import type { Duplex, Readable } from 'node:stream';
import type { BuildCache, BuildPruneResponse } from '@docker/node-sdk';
import type { TransferOptions } from './backends.ts';
import type { Awaitable, Filters, RegistryAuth } from './types.ts';

export interface BuildOptions extends TransferOptions {
  /** The tar context, absent with `remote`. */
  context?: Readable;
  dockerfile: string;
  tags: string[];
  remote?: string;
  extraHosts: string[];
  quiet: boolean;
  noCache: boolean;
  pull: boolean;
  rm: boolean;
  forceRm: boolean;
  cacheFrom: string[];
  buildArgs: Record<string, string | null>;
  labels: Record<string, string>;
  networkMode?: string;
  platform?: string;
  target?: string;
  squash: boolean;
  memory?: number;
  memorySwap?: number;
  cpuShares?: number;
  cpuQuota?: number;
  cpuPeriod?: number;
  cpusetCpus?: string;
  cpusetMems?: string;
  cgroupParent?: string;
  shmSize?: number;
  ulimits: { Name?: string; Soft?: number; Hard?: number }[];
  securityOpt: string[];
  /** `1` is the classic builder, `2` BuildKit. */
  version: '1' | '2';
  session?: string;
  buildId?: string;
  outputs: { Type?: string; Attrs?: Record<string, string> }[];
  /** By registry, from `X-Registry-Config`. */
  authConfigs: Record<string, RegistryAuth>;
}

export interface BuildBackend {
  build(options: BuildOptions): Promise<void>;
  cancel?(buildId: string): Awaitable<void>;
  prune?(options: {
    all: boolean;
    keepStorage?: number;
    reservedSpace?: number;
    maxUsedSpace?: number;
    minFreeSpace?: number;
    filters: Filters;
  }): Awaitable<BuildPruneResponse>;
  diskUsage?(): Awaitable<BuildCache[]>;
}

/** Connections that become another protocol: BuildKit's session and its gRPC (h2c) face. */
export interface SessionBackend {
  /** Takes over an upgraded connection with the request's headers (`X-Docker-Expose-Session-…`). */
  session?(conn: Duplex, headers: Readonly<Record<string, string | string[] | undefined>>): void;
  grpc?(conn: Duplex): void;
}
