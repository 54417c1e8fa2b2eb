import type { NetworkRecord, SandboxRecord } from './records.ts';
import type { SandboxResolver } from './sandboxes.ts';
import type { NetworkLog } from './types.ts';

export interface ResolverParts {
  networks: () => readonly NetworkRecord[];
  sandboxesOn: (networkId: string) => readonly SandboxRecord[];
  /** The host's nameservers. */
  nameservers: () => readonly string[];
  log: NetworkLog;
}

export class Resolver implements SandboxResolver {
  readonly #parts: ResolverParts;
  constructor(parts: ResolverParts) {
    this.#parts = parts;
  }
  open(_sandbox: SandboxRecord): void {}
  close(_containerId: string): void {}
  closeAll(): void {}
  get parts(): ResolverParts {
    return this.#parts;
  }
}
