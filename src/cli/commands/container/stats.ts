/** `stats`: one stream of numbers per container, drawn twice a second. */
import type { ContainerStatsResponse, ContainerSummary, EventMessage } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { ApiError, CliError, messageOf } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { type Fields, renderList } from '../../format/list.ts';
import { truncateId } from '../../format/text.ts';
import { bytesSize, humanSize } from '../../format/units.ts';
import { jsonMessages } from '../../terminal/progress.ts';
import { listFormat } from '../common-flags.ts';
import { containerPath } from './lifecycle.ts';
import { emptyRow, type StatsRow, statsRow } from './stats-row.ts';

const TABLE =
  'table {{.ID}}\\t{{.Name}}\\t{{.CPUPerc}}\\t{{.MemUsage}}\\t{{.MemPerc}}\\t{{.NetIO}}\\t{{.BlockIO}}\\t{{.PIDs}}';
const REDRAW_MS = 500;

function fields(trunc: boolean): Fields<StatsRow> {
  const or = (row: StatsRow, text: string, missing = '-- / --'): string => (row.valid ? text : missing);
  const size = (bytes: number): string => humanSize(bytes, 3);
  return {
    Container: { header: 'CONTAINER', value: (r) => r.container },
    Name: { header: 'NAME', value: (r) => r.name || '--' },
    ID: { header: 'CONTAINER ID', value: (r) => (trunc ? truncateId(r.id) : r.id) || '--' },
    CPUPerc: { header: 'CPU %', value: (r) => or(r, `${r.cpuPercent.toFixed(2)}%`, '--') },
    MemUsage: {
      header: 'MEM USAGE / LIMIT',
      value: (r) => or(r, `${bytesSize(r.memory)} / ${bytesSize(r.memoryLimit)}`),
    },
    MemPerc: { header: 'MEM %', value: (r) => or(r, `${r.memoryPercent.toFixed(2)}%`, '--') },
    NetIO: { header: 'NET I/O', value: (r) => or(r, `${size(r.networkIn)} / ${size(r.networkOut)}`, '--') },
    BlockIO: {
      header: 'BLOCK I/O',
      value: (r) => or(r, `${size(r.blockRead)} / ${size(r.blockWrite)}`, '--'),
    },
    PIDs: { header: 'PIDS', value: (r) => or(r, String(r.pids), '--') },
  };
}

/** The rows on show, kept up to date by a stream per container. */
class Watcher {
  readonly rows = new Map<string, StatsRow>();
  readonly #cli: Cli;
  readonly #aborts = new Map<string, AbortController>();
  failure: unknown;

  constructor(cli: Cli) {
    this.#cli = cli;
  }

  /** Starts watching. Resolves when the first numbers are there. */
  add(name: string, once: boolean): Promise<void> {
    if (this.rows.has(name)) return Promise.resolve();
    this.rows.set(name, emptyRow(name));
    const abort = new AbortController();
    this.#aborts.set(name, abort);
    return new Promise((ready) => {
      void this.#follow(name, once, abort.signal, ready).finally(ready);
    });
  }

  async #follow(name: string, once: boolean, signal: AbortSignal, ready: () => void): Promise<void> {
    try {
      const response = await this.#cli.client.call('GET', containerPath(name, '/stats'), {
        query: { stream: once ? '0' : '1' },
        signal,
      });
      for await (const message of jsonMessages(response.body())) {
        if (!this.rows.has(name)) return;
        this.rows.set(name, statsRow(name, message as unknown as ContainerStatsResponse));
        ready();
      }
    } catch (err) {
      if (signal.aborted) return;
      if (err instanceof ApiError || once) this.failure ??= err;
      this.rows.delete(name);
    }
  }

  remove(name: string): void {
    this.rows.delete(name);
    this.#aborts.get(name)?.abort();
    this.#aborts.delete(name);
  }
}

/** Adds and drops containers as they start and end. */
async function followEvents(cli: Cli, watcher: Watcher, all: boolean): Promise<void> {
  const actions = all ? ['create', 'destroy'] : ['start', 'die'];
  const filters = JSON.stringify({
    type: { container: true },
    event: Object.fromEntries(actions.map((a) => [a, true])),
  });
  const response = await cli.client.call('GET', '/events', { query: { filters } });
  for await (const message of jsonMessages(response.body())) {
    const { Action: action, Actor: actor } = message as unknown as EventMessage;
    const id = (actor?.ID ?? '').slice(0, 12);
    if (action === actions[0]) void watcher.add(id, false);
    else watcher.remove(id);
  }
}

export const stats: Command = {
  use: '[OPTIONS] [CONTAINER...]',
  args: { min: 0 },
  complete: ['running-containers'],
  flags: [
    flag('all,a', 'bool', 'Show all containers (default shows just running)'),
    listFormat,
    flag('no-stream', 'bool', 'Disable streaming stats and only pull the first result'),
    flag('no-trunc', 'bool', 'Do not truncate output'),
  ],
  async run(cli, flags, names) {
    const once = flags.bool('no-stream');
    const all = flags.bool('all');
    const given = flags.string('format') || cli.config.data.statsFormat || 'table';
    const format = given === 'table' ? TABLE : given;
    const watcher = new Watcher(cli);
    const show = (): string =>
      renderList([...watcher.rows.values()], {
        fields: fields(!flags.bool('no-trunc')),
        typeName: '*container.statsContext',
        format,
      });
    if (names.length === 0) {
      const containers = await cli.client.get<ContainerSummary[]>('/containers/json', { all });
      if (!once) followEvents(cli, watcher, all).catch((err: unknown) => (watcher.failure ??= err));
      await Promise.all(containers.map((c) => watcher.add((c.Id ?? '').slice(0, 12), once)));
    } else await Promise.all(names.map((name) => watcher.add(name, once)));
    if (watcher.failure)
      throw watcher.failure instanceof CliError ? watcher.failure : new CliError(messageOf(watcher.failure));
    if (once) return cli.out.write(show());
    for (;;) {
      if (watcher.failure) throw watcher.failure;
      if (names.length > 0 && watcher.rows.size === 0) return;
      // Drawn over the last picture, each line cleared behind its text, so that nothing flickers.
      if (cli.out.isTerminal) cli.out.write(`\x1b[H${show().replaceAll('\n', '\x1b[K\n')}\x1b[J`);
      else cli.out.write(show());
      await new Promise((resolve) => setTimeout(resolve, REDRAW_MS));
    }
  },
};
