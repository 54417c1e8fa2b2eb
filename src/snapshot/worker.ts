/** A worker thread: unpacks layers, several at a time when they wait for the network, packs diffs, and clears away trees. */
import { messageOf } from '../errdefs/index.ts';
import { closeFd, O, openAt, RootedDir, syncFs } from '../linux/index.ts';
import { type JobContext, serveJobs } from '../workers/index.ts';
import { packDiff } from './diff.ts';
import type { Job, JobResults } from './jobs.ts';
import { ChunkPool, readLayerFile } from './layer-source.ts';
import { unpackLayer } from './unpack.ts';

function unpack(job: Extract<Job, { type: 'unpack' }>, context: JobContext): Promise<JobResults['unpack']> {
  const pool = new ChunkPool();
  return unpackLayer({
    source: job.source === 'stream' ? context.input() : readLayerFile(job.source, pool),
    recycle: (chunk) => pool.give(chunk),
    target: job.target,
    limits: job.limits,
    diffId: job.diffId,
    isCancelled: () => context.isCancelled(),
    onProgress: (bytes) => context.progress(bytes),
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

function sync({ path }: Extract<Job, { type: 'sync' }>): undefined {
  const fd = openAt(-100, path, O.RDONLY | O.DIRECTORY);
  try {
    syncFs(fd);
  } finally {
    closeFd(fd);
  }
}

async function diff(job: Extract<Job, { type: 'diff' }>, context: JobContext): Promise<undefined> {
  context.head(undefined);
  await packDiff(job.upper, job.lowerRoot, (chunk) => context.write(chunk));
}

serveJobs<Job, JobResults>({ unpack, remove, sync, diff });
