/** Signals by the names Docker accepts. */
import { constants } from 'node:os';
import { invalidParameter } from '../errdefs/index.ts';

/** glibc keeps the kernel's real-time signals 32 and 33 for itself. */
const RTMIN = 34;
const RTMAX = 64;

/** Names without `SIG`; older and other names for the same number are there as well (man 7 signal). */
const NUMBERS: ReadonlyMap<string, number> = new Map([
  ...Object.entries(constants.signals).map(([name, number]): [string, number] => [name.slice(3), number]),
  ['CLD', constants.signals.SIGCHLD],
  ['IOT', constants.signals.SIGABRT],
  ['POLL', constants.signals.SIGIO],
  ['STKFLT', 16],
  ['PWR', 30],
  ['RTMIN', RTMIN],
  ['RTMAX', RTMAX],
  ...Array.from({ length: 15 }, (_, i): [string, number] => [`RTMIN+${i + 1}`, RTMIN + i + 1]),
  ...Array.from({ length: 14 }, (_, i): [string, number] => [`RTMAX-${i + 1}`, RTMAX - i - 1]),
]);

const NAMES = new Map<number, string>(
  Object.entries(constants.signals)
    .filter(([name]) => !['SIGIOT', 'SIGPOLL', 'SIGUNUSED'].includes(name))
    .map(([name, number]) => [number, name]),
);

/**
 * The number of a signal given as Docker takes it: `9`, `"9"`, `"KILL"`, `"sigkill"`, `"RTMIN+3"`.
 * @throws invalidParameter `invalid signal: …`
 */
export function signalNumber(signal: string | number): number {
  const text = String(signal).trim();
  const number = /^\d+$/.test(text) ? Number(text) : NUMBERS.get(text.toUpperCase().replace(/^SIG/, ''));
  if (number === undefined || number < 1 || number > RTMAX) {
    throw invalidParameter(`invalid signal: ${signal}`);
  }
  return number;
}

/** The usual name of a signal's number, with `SIG`; a real-time one is `SIGRTMIN+n`. */
export function signalName(number: number): string {
  const name = NAMES.get(number);
  if (name !== undefined) return name;
  if (number === RTMIN) return 'SIGRTMIN';
  return number > RTMIN && number <= RTMAX ? `SIGRTMIN+${number - RTMIN}` : `SIG${number}`;
}
