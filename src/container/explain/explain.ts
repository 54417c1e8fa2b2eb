import type { Readable } from 'node:stream';
import { portHolder } from '../../linux/index.ts';
import type { Container } from '../container.ts';
import type { ContainerStore } from '../container-store.ts';
import type { ContainerDeps } from '../deps.ts';
import { checkOf } from '../health.ts';
import { statusText } from '../list.ts';
import { unframe } from '../session-stream.ts';
import { explainEnding, oomKilled } from './ending.ts';
import type { Explanation, Finding } from './finding.ts';
import { explainHealth } from './health.ts';
import { explainRestart } from './restart.ts';
import { explainStart } from './start.ts';
import { explainImage, explainMounts } from './surroundings.ts';

/** Lines of the log that stand in an explanation, and how many bytes of each. */
const LOG_LINES = 10;
const LINE_BYTES = 400;
/** Of all that is read; the last lines may be long. */
const LOG_BYTES = 256 * 1024;

type ReadLog = (id: string, tail: number, signal: AbortSignal) => { stream: Readable; tty: boolean };

/** Says why a container is not running or not healthy, with the evidence and what may help. */
export class ExplainService {
  readonly #deps: ContainerDeps;
  readonly #containers: ContainerStore<Container>;
  readonly #readLog: ReadLog;

  constructor(deps: ContainerDeps, containers: ContainerStore<Container>, readLog: ReadLog) {
    this.#deps = deps;
    this.#containers = containers;
    this.#readLog = readLog;
  }

  /** @throws NotFound */
  async explain(id: string): Promise<Explanation> {
    const container = this.#containers.get(id);
    const { record, health } = container;
    const findings = this.#findings(container);
    return {
      Id: record.id,
      Name: record.name,
      Status: container.restartTimer ? 'restarting' : record.state.status,
      ...(health ? { Health: health.status } : {}),
      Summary: findings[0]!.Text,
      Findings: findings,
      Log: await this.#logTail(record.id),
    };
  }

  #findings(container: Container): Finding[] {
    const { record } = container;
    const restartAt = container.restartTimer ? container.restartAt : undefined;
    const gone = [...explainMounts(this.#deps, record), explainImage(this.#deps, record)];
    const found = container.running
      ? [
          paused(container),
          explainHealth(record, checkOf(record), container.health),
          oomKilled(record, []),
          ...gone,
          well(container),
        ]
      : [
          explainStart(record, (protocol, port) => this.#holder(container, protocol, port)),
          record.state.error === '' || record.state.ending?.by === 'lost' ? explainEnding(record) : undefined,
          explainRestart(record, restartAt),
          ...gone,
        ];
    return found.filter((finding) => finding !== undefined);
  }

  /** Who has a port: a container, or else a process of this machine. */
  #holder(asking: Container, protocol: 'tcp' | 'udp', port: number): string | undefined {
    for (const other of this.#containers.all()) {
      if (other === asking || !other.running) continue;
      const ports = this.#deps.network.settings(other.id)?.Ports ?? {};
      for (const [inside, bindings] of Object.entries(ports)) {
        if (!inside.endsWith(`/${protocol}`)) continue;
        if (bindings?.some(({ HostPort }) => Number(HostPort) === port)) {
          return `container ${other.record.name} (${other.id.slice(0, 12)})`;
        }
      }
    }
    const holder = portHolder(protocol, port);
    return holder && `process ${holder.name} (pid ${holder.pid})`;
  }

  /** Without a log that can be read there are no lines. */
  async #logTail(id: string): Promise<string[]> {
    const abort = new AbortController();
    try {
      const { stream, tty } = this.#readLog(id, LOG_LINES, abort.signal);
      const decode = tty ? (chunk: Buffer) => chunk : unframe();
      let text = Buffer.alloc(0);
      for await (const chunk of stream) {
        text = Buffer.concat([text, decode(chunk as Buffer)]).subarray(-LOG_BYTES);
      }
      const lines = text.toString().trimEnd().split(/\r?\n/).slice(-LOG_LINES);
      return lines.length === 1 && lines[0] === '' ? [] : lines.map((line) => line.slice(0, LINE_BYTES));
    } catch {
      return [];
    } finally {
      abort.abort();
    }
  }
}

function paused({ record }: Container): Finding | undefined {
  if (record.state.status !== 'paused') return undefined;
  return {
    Code: 'paused',
    Text: 'It is paused: its processes are frozen, and answer nobody.',
    Evidence: ['its control group is frozen'],
    Try: [`docker unpause ${record.name}`],
  };
}

function well(container: Container): Finding | undefined {
  const { record, health } = container;
  if (record.state.status !== 'running' || (health && health.status !== 'healthy')) return undefined;
  return {
    Code: health ? 'healthy' : 'running',
    Text: health
      ? 'It is running and healthy.'
      : 'It is running; it has no health check that would say more.',
    Evidence: [statusText(container)],
    Try: [],
  };
}
