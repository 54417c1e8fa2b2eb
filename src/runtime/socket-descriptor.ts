import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** The descriptor under a socket, and its reading, which goes on under a paused socket unless it is stopped. */
export interface SocketDescriptor {
  fd: number;
  stopReading(): void;
  startReading(): void;
}

/** What Node keeps under a socket; not public, so all of it may be missing. */
interface StreamHandle {
  fd?: unknown;
  reading?: boolean;
  readStop?: () => void;
  readStart?: () => void;
}

/** The descriptor of a plain TCP or unix socket; undefined for what has none of its own (TLS, WebSocket). */
export function descriptorOf(stream: Duplex): SocketDescriptor | undefined {
  if (!(stream instanceof Socket) || 'encrypted' in stream || stream.destroyed) return undefined;
  const handle = (stream as unknown as { _handle?: StreamHandle | null })._handle;
  if (typeof handle?.fd !== 'number' || handle.fd < 0) return undefined;
  if (typeof handle.readStop !== 'function' || typeof handle.readStart !== 'function') return undefined;
  return {
    fd: handle.fd,
    stopReading: () => {
      handle.reading = false;
      handle.readStop?.();
    },
    startReading: () => {
      handle.reading = true;
      handle.readStart?.();
    },
  };
}
