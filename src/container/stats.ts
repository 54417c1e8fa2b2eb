/**
 * Statistics of containers. One sampler reads for everybody who watches: all watched containers once a second, each
 * once however many watch it, with the files of its cgroup kept open.
 */
import { invalidParameter, messageOf } from '../errdefs/index.ts';
import type { CgroupReader, LinkCounters, SystemCpu } from '../linux/index.ts';
import { cgroupMode, linkCounters, systemCpu } from '../linux/index.ts';
import { containerCgroup } from './cgroup.ts';
import type { Container } from './container.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerDeps } from './deps.ts';
import { emptySample, MEMORY_KEYS, makeSample, type StatsSample } from './stats-sample.ts';
import { timestamp } from './time.ts';
import type { ContainerRecord } from './types.ts';
import { NEVER } from './types.ts';

const INTERVAL_MS = 1000;
/** A sample by the tick serves as the earlier of two when it is this old, in milliseconds. */
const OLD_ENOUGH_MS = 500;
/** So many containers are read before others have their turn. */
const SLICE = 16;

export interface StatsRequest {
  /** False: one sample, with the one a second before it unless {@link oneShot}. */
  stream: boolean;
  oneShot: boolean;
  /** Ends the stream. */
  signal: AbortSignal;
}

/** A watched container. */
interface Source {
  readonly container: Container;
  readonly watchers: Set<Watcher>;
  /** What is open of the run with this pid. */
  open: { pid: number; reader: CgroupReader; release: () => void } | undefined;
  last: { sample: StatsSample; at: number } | undefined;
}

/** A stream. It holds the newest sample until its reader takes it: a slow reader misses samples, nothing piles up. */
class Watcher {
  #next: StatsSample | undefined;
  #ended = false;
  #wake: (() => void) | undefined;

  offer(sample: StatsSample): void {
    this.#next = sample;
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Undefined when there will be none any more. */
  async take(): Promise<StatsSample | undefined> {
    while (this.#next === undefined && !this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const sample = this.#next;
    this.#next = undefined;
    return this.#ended ? undefined : sample;
  }
}

export class StatsService {
  readonly #deps: ContainerDeps;
  readonly #containers: ContainerStore<Container>;
  readonly #sources = new Map<string, Source>();
  #timer: NodeJS.Timeout | undefined;
  #ticking = false;

  constructor(deps: ContainerDeps, containers: ContainerStore<Container>) {
    this.#deps = deps;
    this.#containers = containers;
  }

  /**
   * The samples that a request asks for. A stream goes on while the container is stopped, with empty samples, and ends
   * when it is removed.
   * @throws NotFound; InvalidParameter for `one-shot` of a stream
   */
  stats(id: string, { stream, oneShot, signal }: StatsRequest): AsyncIterable<StatsSample> {
    if (stream && oneShot) throw invalidParameter('cannot have stream=true and one-shot=true');
    const container = this.#containers.get(id);
    return stream ? this.#stream(container, signal) : this.#single(container, oneShot, signal);
  }

  async *#single(container: Container, oneShot: boolean, signal: AbortSignal): AsyncGenerator<StatsSample> {
    if (!container.running || container.restartTimer) {
      yield emptySample(container.record);
      return;
    }
    const known = this.#sources.get(container.id);
    const source = known ?? newSource(container);
    try {
      if (oneShot) {
        yield this.#sample(source, systemCpu());
        return;
      }
      const recent = known?.last;
      let before = recent && Date.now() - recent.at >= OLD_ENOUGH_MS ? recent.sample : undefined;
      if (before === undefined) {
        before = this.#sample(source, systemCpu());
        await sleep(INTERVAL_MS, signal);
        if (signal.aborted) return;
      }
      yield following(this.#sample(source, systemCpu()), before);
    } finally {
      if (known === undefined) closeSource(source);
    }
  }

  async *#stream(container: Container, signal: AbortSignal): AsyncGenerator<StatsSample> {
    const watcher = new Watcher();
    const source = this.#watch(container, watcher);
    const end = (): void => watcher.end();
    const forget = container.onRemoved(end);
    signal.addEventListener('abort', end, { once: true });
    try {
      if (signal.aborted) return;
      let before = this.#sample(source, systemCpu());
      const began = Date.now();
      yield before;
      for (let first = true; ; first = false) {
        const sample = await watcher.take();
        if (sample === undefined) return;
        // Too short a time would make a processor's share of it up.
        if (first && Date.now() - began < OLD_ENOUGH_MS) continue;
        yield following(sample, before);
        before = sample;
      }
    } finally {
      signal.removeEventListener('abort', end);
      forget();
      this.#unwatch(source, watcher);
    }
  }

  #watch(container: Container, watcher: Watcher): Source {
    const source = this.#sources.get(container.id) ?? newSource(container);
    this.#sources.set(container.id, source);
    source.watchers.add(watcher);
    this.#timer ??= setInterval(() => void this.#tick(), INTERVAL_MS);
    return source;
  }

  #unwatch(source: Source, watcher: Watcher): void {
    source.watchers.delete(watcher);
    if (source.watchers.size > 0) return;
    this.#sources.delete(source.container.id);
    closeSource(source);
    if (this.#sources.size === 0) this.close();
  }

  /** Reads every watched container. A reading that takes longer than a second skips the next one. */
  async #tick(): Promise<void> {
    if (this.#ticking) return;
    this.#ticking = true;
    try {
      await this.#sampleAll();
    } finally {
      this.#ticking = false;
    }
  }

  async #sampleAll(): Promise<void> {
    let system = systemCpu();
    for (const [index, source] of [...this.#sources.values()].entries()) {
      if (index > 0 && index % SLICE === 0) {
        await new Promise((resolve) => setImmediate(resolve));
        system = systemCpu();
      }
      if (source.watchers.size === 0) continue;
      const sample = this.#sample(source, system);
      for (const watcher of source.watchers) watcher.offer(sample);
    }
  }

  #sample(source: Source, system: SystemCpu): StatsSample {
    const { container } = source;
    const { record } = container;
    let sample: StatsSample | undefined;
    try {
      if (container.running && !container.restartTimer) sample = this.#read(source, system);
    } catch (err) {
      this.#deps.log.warn(`collecting stats for container ${record.id}: ${messageOf(err)}`);
    }
    sample ??= emptySample(record);
    source.last = { sample, at: Date.now() };
    return sample;
  }

  /** Undefined when the container has just ended. */
  #read(source: Source, system: SystemCpu): StatsSample | undefined {
    const { container } = source;
    const { record } = container;
    const { pid } = record.state;
    if (source.open?.pid !== pid) {
      closeSource(source);
      const reader = containerCgroup(this.#deps, record).reader();
      source.open = { pid, reader, release: container.onNextExit(() => closeSource(source)) };
    }
    const cgroup = source.open!.reader.read({ memoryKeys: MEMORY_KEYS[cgroupMode() === 'v2' ? 'v2' : 'v1'] });
    if (cgroup.cpu.usageNs === undefined && cgroup.memory.usage === 0) return undefined;
    return makeSample({ record, read: timestamp(), cgroup, system, links: this.#links(record) });
  }

  /** The interfaces that networks gave the sandbox, also when it is another container's. */
  #links(record: ContainerRecord): Map<string, LinkCounters> {
    const mode = record.hostConfig.NetworkMode ?? '';
    const owner = mode.startsWith('container:') ? mode.slice('container:'.length) : record.id;
    const names = this.#deps.network.interfaceNames(owner);
    if (names.length === 0) return new Map();
    const all = linkCounters(record.state.pid);
    return new Map(
      names.flatMap((name) => {
        const counters = all.get(name);
        return counters ? [[name, counters] as const] : [];
      }),
    );
  }

  /** Stops sampling; streams end with their requests. */
  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

const newSource = (container: Container): Source => ({
  container,
  watchers: new Set(),
  open: undefined,
  last: undefined,
});

function closeSource(source: Source): void {
  source.open?.release();
  source.open?.reader.close();
  source.open = undefined;
}

/** `sample` with what a stream showed before it. */
function following(sample: StatsSample, before: StatsSample): StatsSample {
  if (sample.read === NEVER) return sample;
  return { ...sample, preread: before.read, precpu_stats: before.cpu_stats ?? null };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
