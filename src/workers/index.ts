/**
 * Worker threads: a pool that starts them when there is work and ends them when there is none, jobs with streams of
 * bytes in both directions that are only read as fast as the other side takes them, and errors that keep their kind
 * on the way. A room with work for threads has a file that calls {@link serveJobs} and gives its URL to a pool.
 */
export { type HeadAndStream, type JobOptions, WorkerPool, type WorkerPoolOptions } from './worker-pool.ts';
export { type JobContext, type JobHandlers, serveJobs } from './worker-serve.ts';
