/** Starts shims, finds them again, and reads what they leave behind. */
import { notImplemented } from '../errdefs/index.ts';
import type { ExitRecord, ShimHandle, ShimOptions } from './shim-types.ts';

/** Starts a shim. Synchronous: the handle is usable at once. @throws SyscallError */
export function startShim(options: ShimOptions): ShimHandle {
  throw notImplemented(`shim of ${options.id}`);
}

/** Finds the shim that serves at `socketPath`, after a restart of the daemon. @throws notFound when it is gone */
export async function connectShim(socketPath: string): Promise<ShimHandle> {
  throw notImplemented(`shim at ${socketPath}`);
}

/** The exit record at `exitPath`; undefined when there is none. @throws dataLoss when it is damaged */
export function readExit(exitPath: string): ExitRecord | undefined {
  throw notImplemented(`exit record ${exitPath}`);
}
