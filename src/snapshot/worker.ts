/** A worker thread: unpacks layers, several at a time when they wait for the network, and clears away trees. */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../errdefs/index.ts';
import { closeFd, O, openAt, RootedDir, syncFs } from '../linux/index.ts';
import { ChunkPool, MessageSource, readLayerFile } from './layer-source.ts';
import { unpackLayer } from './unpack.ts';
import {
  type FromWorker,
  fromWire,
  type Job,
  type JobResults,
  type ToWorker,
  toWire,
} from './worker-protocol.ts';

interface Running {
  cancelled: boolean;
  source: MessageSource | undefined;
}

if (parentPort === null) throw new Error('this is a worker thread');
const port = parentPort;
const running = new Map<number, Running>();
const send = (message: FromWorker): void => port.postMessage(message);

/** Bytes between two reports. */
const PROGRESS_STEP = 1 << 19;

function unpack(
  id: number,
  job: Extract<Job, { type: 'unpack' }>,
  state: Running,
): Promise<JobResults['unpack']> {
  let reported = 0;
  let seen = 0;
  if (job.source === 'stream') state.source = new MessageSource(() => send({ type: 'pull', id }));
  const pool = new ChunkPool();
  return unpackLayer({
    source: job.source === 'stream' ? state.source!.read() : readLayerFile(job.source, pool),
    recycle: (chunk) => pool.give(chunk),
    target: job.target,
    limits: job.limits,
    diffId: job.diffId,
    isCancelled: () => state.cancelled,
    onProgress: (bytes) => {
      seen = bytes;
      if (bytes - reported < PROGRESS_STEP) return;
      reported = bytes;
      send({ type: 'progress', id, bytes });
    },
  }).finally(() => {
    if (seen > reported) send({ type: 'progress', id, bytes: seen });
  });
}

function remove(job: Extract<Job, { type: 'remove' }>): undefined {
  const dir = RootedDir.open(job.dir);
  const failures: string[] = [];
  try {
    for (const name of job.names) {
      try {
        dir.removeAll(name);
      } catch (err) {
        failures.push(messageOf(err));
      }
    }
  } finally {
    dir.close();
  }
  if (failures.length > 0) throw new Error(failures.join('; '));
}

function sync(path: string): undefined {
  const fd = openAt(-100, path, O.RDONLY | O.DIRECTORY);
  try {
    syncFs(fd);
  } finally {
    closeFd(fd);
  }
}

async function start(id: number, job: Job): Promise<void> {
  const state: Running = { cancelled: false, source: undefined };
  running.set(id, state);
  try {
    const result =
      job.type === 'unpack'
        ? await unpack(id, job, state)
        : job.type === 'remove'
          ? remove(job)
          : sync(job.path);
    send({ type: 'done', id, result });
  } catch (err) {
    send({ type: 'failed', id, error: toWire(err) });
  } finally {
    running.delete(id);
  }
}

port.on('message', (message: ToWorker) => {
  const job = running.get(message.id);
  switch (message.type) {
    case 'start':
      void start(message.id, message.job);
      break;
    case 'chunk':
      job?.source?.push(message.chunk);
      break;
    case 'end':
      job?.source?.end(message.error === undefined ? undefined : fromWire(message.error));
      break;
    case 'cancel':
      if (job) {
        job.cancelled = true;
        job.source?.push(new Uint8Array(0)); // it may be waiting for a chunk
      }
  }
});
