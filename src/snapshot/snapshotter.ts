/** The room's face: layers, snapshots and views under one root. */
import type { Readable } from 'node:stream';
import { notImplemented } from '../errdefs/index.ts';
import type { Digest } from '../oci/index.ts';
import type {
  AppliedLayer,
  ApplyOptions,
  Change,
  PrepareOptions,
  SnapshotterOptions,
  SnapshotUsage,
} from './types.ts';

const todo = (): never => {
  throw notImplemented('snapshot: not yet');
};

export class Snapshotter {
  constructor(_options: SnapshotterOptions) {}

  /** Unpacks an archive into the layer of its diffID. */
  applyLayer(_options: ApplyOptions): Promise<AppliedLayer> {
    return todo();
  }

  hasLayer(_diffId: Digest): boolean {
    return todo();
  }

  /** Bytes; throws NotFound. */
  layerSize(_diffId: Digest): number {
    return todo();
  }

  listLayers(): Digest[] {
    return todo();
  }

  removeLayer(_diffId: Digest): Promise<void> {
    return todo();
  }

  prepare(_key: string, _diffIds: readonly Digest[], _options?: PrepareOptions): void {
    todo();
  }

  mount(_key: string, _target: string): void {
    todo();
  }

  mountReadOnly(_diffIds: readonly Digest[], _target: string): void {
    todo();
  }

  unmount(_target: string): void {
    todo();
  }

  remove(_key: string): void {
    todo();
  }

  usage(_key: string): Promise<SnapshotUsage> {
    return todo();
  }

  diff(_key: string): Readable {
    return todo();
  }

  changes(_key: string): Promise<Change[]> {
    return todo();
  }

  reconcile(_liveKeys: ReadonlySet<string>): void {
    todo();
  }

  close(): Promise<void> {
    return todo();
  }
}
