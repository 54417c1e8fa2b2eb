import type { ContainerConfig } from '@docker/node-sdk';
import { signalNumber } from '../linux/index.ts';

/** The signal that stops a container. An image may name one there is none of: then it is SIGTERM, as in Docker. */
export function stopSignal({ StopSignal: asked }: Pick<ContainerConfig, 'StopSignal'>): string {
  if (!asked) return 'TERM';
  try {
    signalNumber(asked);
    return asked;
  } catch {
    return 'TERM';
  }
}
