/**
 * Asks wharfd and a dockerd the same, and prints in what their answers differ, field by field.
 *
 *     node test/compare/main.ts [--peer PATH] [--newer PATH] [--api 1.41] [--only NAME] [--all]
 *
 * `--peer` is a dockerd (Debian's by default), `--newer` another one: where wharfd answers like that one, the difference is
 * Docker's own development.  `--only` picks the cases whose name has it, `--all` shows the accepted
 * differences, too. Ends with 1 when there is a difference that `accepted.ts` does not explain.
 */
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { TestEngine } from '../harness/engine.ts';
import { accepted } from './accepted.ts';
import { asks } from './cases/asks.ts';
import { createAnswers } from './cases/create.ts';
import { errors } from './cases/errors.ts';
import { events, healthEvents } from './cases/events.ts';
import { execs } from './cases/exec.ts';
import { inspectConfigs, inspectHealth, inspectNetworks, inspectStates } from './cases/inspect.ts';
import { lists } from './cases/lists.ts';
import { processes, system } from './cases/system.ts';
import { type Difference, differences, place } from './difference.ts';
import { type Payloads, Subject } from './subject.ts';

const CASES = {
  asks,
  system,
  inspectStates,
  inspectConfigs,
  inspectNetworks,
  createAnswers,
  lists,
  errors,
  execs,
  processes,
  events,
  inspectHealth,
  healthEvents,
} as const;

const { values } = parseArgs({
  options: {
    peer: { type: 'string', default: 'dockerd' },
    newer: { type: 'string' },
    api: { type: 'string', default: '1.41' },
    only: { type: 'string', default: '' },
    all: { type: 'boolean', default: false },
  },
});

async function payloadsOf(daemon: string): Promise<Payloads> {
  const engine = await TestEngine.start({
    images: ['busybox'],
    daemon,
    flags: daemon === 'wharfd' ? [] : ['--userland-proxy=false'],
  });
  const subject = new Subject(engine, values.api);
  try {
    for (const [name, run] of Object.entries(CASES)) {
      if (!name.includes(values.only)) continue;
      await run(subject).catch((err: unknown) => console.log(`${daemon}: ${name} broke off: ${err}`));
      await engine.clear();
    }
    return subject.payloads;
  } finally {
    await engine.stop();
  }
}

const peer =
  /version (\S+?),/.exec(execFileSync(values.peer, ['--version'], { encoding: 'utf8' }))?.[1] ?? '';
const [ours, theirs, newer] = await Promise.all([
  payloadsOf('wharfd'),
  payloadsOf(values.peer),
  values.newer === undefined ? undefined : payloadsOf(values.newer),
]);
const names = new Set([...ours.keys(), ...theirs.keys()]);
const found = [...names].flatMap((name) => differences(name, ours.get(name), theirs.get(name)));
const known = new Set(
  [...names].flatMap((name) => (newer ? differences(name, ours.get(name), newer.get(name)) : [])).map(place),
);
const developed = (difference: Difference): boolean => newer !== undefined && !known.has(place(difference));
const open = found.filter((difference) => !accepted(difference, peer) && !developed(difference));
// The same difference in many payloads is told once.
const groups = Map.groupBy(
  values.all ? found : open,
  (d) => `${d.field}\n    wharfd  ${d.ours}\n    dockerd ${d.theirs}`,
);
for (const [text, group] of groups) {
  const payloads = group.map((difference) => difference.payload);
  const more = payloads.length > 2 ? ` and ${payloads.length - 2} more` : '';
  console.log(`${payloads.slice(0, 2).join(', ')}${more} · ${text}`);
  const rule = accepted(group[0]!, peer);
  if (rule) console.log(`    accepted: ${rule.reason}`);
}
console.log(
  `${names.size} payloads, API ${values.api}, dockerd ${peer}: ${open.length} differences, ${found.length - open.length} accepted ones`,
);
process.exitCode = open.length > 0 ? 1 : 0;
