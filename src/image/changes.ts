/** Dockerfile instructions applied to a config, as `import --change` and `commit --change` take them. */
import { constants } from 'node:os';
import { invalidParameter } from '../errdefs/index.ts';
import type { ContainerDefaults, Healthcheck } from '../oci/index.ts';

type Apply = (config: ContainerDefaults, text: string) => ContainerDefaults;

/** The words of an instruction: quotes group and backslashes protect, as in a Dockerfile. */
function words(text: string): string[] {
  const out: string[] = [];
  const pattern = /(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs;
  const rest = text.replaceAll(pattern, '');
  const open = /["']/.exec(rest);
  if (open !== null) {
    const kind = open[0] === '"' ? 'double' : 'single';
    throw invalidParameter(
      `failed to process ${JSON.stringify(rest.trim())}: unexpected end of statement while looking for matching ${kind}-quote`,
    );
  }
  for (const [word] of text.matchAll(pattern)) {
    out.push(
      word.replace(/\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs, (_all, escaped, double, single) =>
        typeof escaped === 'string'
          ? escaped
          : typeof double === 'string'
            ? double.replace(/\\(.)/gs, '$1')
            : String(single),
      ),
    );
  }
  return out;
}

/** The JSON form `["a", "b"]`, or undefined when it is not one. */
function jsonList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((v) => typeof v === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A command in its JSON form, or wrapped in a shell. */
const command = (text: string): string[] => jsonList(text) ?? ['/bin/sh', '-c', text];

/** `KEY=value KEY2="other value"`, or the old `KEY the rest`. */
function pairs(name: string, text: string): [string, string][] {
  const list = words(text);
  if (list[0] !== undefined && !list[0].includes('=')) {
    const [, key, value] = /^(\S+)\s+(.*)$/s.exec(text) ?? [];
    if (key === undefined || value === undefined) throw invalidParameter(`${name} must have two arguments`);
    return [[key, value]];
  }
  return list.map((word) => {
    const at = word.indexOf('=');
    if (at < 1) throw invalidParameter(`${name} names can not be blank`);
    return [word.slice(0, at), word.slice(at + 1)];
  });
}

function setEnv(env: readonly string[] | undefined, added: [string, string][]): string[] {
  const out = [...(env ?? [])];
  for (const [key, value] of added) {
    const at = out.findIndex((line) => line.startsWith(`${key}=`));
    if (at < 0) out.push(`${key}=${value}`);
    else out[at] = `${key}=${value}`;
  }
  return out;
}

function ports(text: string): Record<string, object> {
  const out: Record<string, object> = {};
  for (const word of words(text)) {
    const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(word);
    const from = Number(match?.[1]);
    const to = Number(match?.[2] ?? match?.[1]);
    if (match === null || from < 1 || to > 65_535 || to < from) {
      throw invalidParameter(`invalid containerPort: ${word}`);
    }
    for (let port = from; port <= to; port++) out[`${port}/${(match[3] ?? 'tcp').toLowerCase()}`] = {};
  }
  return out;
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Go's duration, in nanoseconds. */
function duration(text: string): number {
  if (!/^(?:[\d.]+(?:ns|us|µs|ms|s|m|h))+$/.test(text))
    throw invalidParameter(`time: invalid duration "${text}"`);
  let total = 0;
  for (const [, value, unit] of text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g))
    total += Number(value) * UNITS[unit!]!;
  return total;
}

const HEALTH_FLAGS: Readonly<Record<string, keyof Omit<Healthcheck, 'Test'>>> = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
  retries: 'Retries',
};

function healthcheck(text: string): Healthcheck {
  if (text.trim().toUpperCase() === 'NONE') return { Test: ['NONE'] };
  const out: Healthcheck = {};
  let rest = text;
  for (
    let flag = /^--([a-z-]+)=(\S+)\s+/.exec(rest);
    flag !== null;
    flag = /^--([a-z-]+)=(\S+)\s+/.exec(rest)
  ) {
    const key = HEALTH_FLAGS[flag[1]!];
    if (key === undefined) throw invalidParameter(`unknown flag: --${flag[1]}`);
    out[key] = key === 'Retries' ? Number(flag[2]) : duration(flag[2]!);
    rest = rest.slice(flag[0].length);
  }
  const test = /^CMD\s+(.*)$/is.exec(rest)?.[1];
  if (test === undefined) {
    const [type = ''] = rest.trim().split(/\s/, 1);
    throw invalidParameter(`Unknown type ${JSON.stringify(type.toUpperCase())} in HEALTHCHECK (try CMD)`);
  }
  const list = jsonList(test);
  return { ...out, Test: list === undefined ? ['CMD-SHELL', test] : ['CMD', ...list] };
}

function workdir(before: string | undefined, text: string): string {
  const joined = text.startsWith('/') ? text : `${before ?? ''}/${text}`;
  const parts: string[] = [];
  for (const part of joined.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

function volumes(text: string): [string, object][] {
  return (jsonList(text) ?? words(text)).map((path) => {
    if (path.trim() === '') throw invalidParameter('VOLUME specified can not be an empty string');
    return [path, {}];
  });
}

function stopSignal(text: string): string {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const known =
    /^\d+$/.test(text) || `SIG${name}` in constants.signals || /^RTM(?:IN(?:\+\d+)?|AX(?:-\d+)?)$/.test(name);
  if (!known) throw invalidParameter(`invalid signal: ${text}`);
  return text;
}

function trigger(text: string): string {
  const [name = ''] = text.trim().toUpperCase().split(/\s/, 1);
  if (name === 'ONBUILD') throw invalidParameter("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (name === 'FROM' || name === 'MAINTAINER') {
    throw invalidParameter(`${name} isn't allowed as an ONBUILD trigger`);
  }
  return text;
}

/** Whose argument may not be missing, in Docker's words. */
const ONE_ARGUMENT = new Set(['USER', 'WORKDIR', 'STOPSIGNAL']);

const INSTRUCTIONS: Readonly<Record<string, Apply>> = {
  CMD: (c, t) => ({ ...c, Cmd: command(t) }),
  ENTRYPOINT: (c, t) => ({ ...c, Entrypoint: command(t).length > 0 ? command(t) : undefined }),
  ENV: (c, t) => ({ ...c, Env: setEnv(c.Env, pairs('ENV', t)) }),
  LABEL: (c, t) => ({ ...c, Labels: { ...c.Labels, ...Object.fromEntries(pairs('LABEL', t)) } }),
  EXPOSE: (c, t) => ({ ...c, ExposedPorts: { ...c.ExposedPorts, ...ports(t) } }),
  VOLUME: (c, t) => ({
    ...c,
    Volumes: { ...c.Volumes, ...Object.fromEntries(volumes(t)) },
  }),
  USER: (c, t) => ({ ...c, User: t }),
  WORKDIR: (c, t) => ({ ...c, WorkingDir: workdir(c.WorkingDir, t) }),
  STOPSIGNAL: (c, t) => ({ ...c, StopSignal: stopSignal(t) }),
  ONBUILD: (c, t) => ({ ...c, OnBuild: [...(c.OnBuild ?? []), trigger(t)] }),
  HEALTHCHECK: (c, t) => ({ ...c, Healthcheck: healthcheck(t) }),
};

/** The config with the instructions applied in order. Throws InvalidParameter in Docker's words. */
export function applyChanges(config: ContainerDefaults, changes: readonly string[]): ContainerDefaults {
  let out = config;
  let commandSet = false;
  const given = changes.flatMap((change) => change.split(/(?<!\\)\n/)).map((line) => line.trim());
  const lines = given.filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length === 0 && given.some((line) => line !== ''))
    throw invalidParameter('file with no instructions');
  for (const line of lines) {
    const [, name = '', text = ''] = /^(\S+)(?:\s+(.*))?$/s.exec(line) ?? [];
    const apply = INSTRUCTIONS[name.toUpperCase()];
    if (apply === undefined) throw invalidParameter(`${name.toUpperCase()} is not a valid change command`);
    const upper = name.toUpperCase();
    if (text === '') {
      const many = ONE_ARGUMENT.has(upper) ? 'exactly' : 'at least';
      throw invalidParameter(`${upper} requires ${many} one argument`);
    }
    out = apply(out, text);
    if (upper === 'CMD') commandSet = true;
    // A new entrypoint makes the old arguments meaningless, as in a Dockerfile.
    if (upper === 'ENTRYPOINT' && !commandSet) out = { ...out, Cmd: undefined };
  }
  return out;
}
