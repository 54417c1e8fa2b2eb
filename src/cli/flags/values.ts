/** Parsers of flag values by kind, with the error texts of Go's strconv and of Docker's options. */
import { parseGoDuration } from '../format/duration.ts';
import { ramInBytes } from '../format/units.ts';
import type { Flag } from './flag.ts';

const BOOLS: Readonly<Record<string, string>> = {
  1: 'true',
  t: 'true',
  T: 'true',
  true: 'true',
  TRUE: 'true',
  True: 'true',
  0: 'false',
  f: 'false',
  F: 'false',
  false: 'false',
  FALSE: 'false',
  False: 'false',
};

const INT = /^[+-]?(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|\d+)$/;

function parseInteger(value: string, min: bigint, max: bigint, what: string): string {
  if (!INT.test(value)) throw new Error(`strconv.${what}: parsing ${JSON.stringify(value)}: invalid syntax`);
  const negative = value.startsWith('-');
  const digits = value.replace(/^[+-]/, '').replace(/^0(?=[0-7]+$)/, '0o');
  const parsed = BigInt(digits) * (negative ? -1n : 1n);
  if (parsed < min || parsed > max) {
    throw new Error(`strconv.${what}: parsing ${JSON.stringify(value)}: value out of range`);
  }
  return parsed.toString();
}

const I64 = 1n << 63n;

/** Parses `key=value` of `--filter`. */
function parseFilter(value: string): string {
  if (!value.includes('=')) throw new Error('bad format of filter (expected name=value)');
  const [name = '', ...rest] = value.split('=');
  return `${name.trim().toLowerCase()}=${rest.join('=').trim()}`;
}

/** Checks a value for its flag and brings it to one form. @throws Error with Docker's text */
export function parseFlagValue(flag: Flag, value: string): string[] {
  const checked = flag.parse ? flag.parse(value) : value;
  switch (flag.kind) {
    case 'bool': {
      const bool = BOOLS[checked];
      if (!bool) throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(checked)}: invalid syntax`);
      return [bool];
    }
    case 'int':
      return [parseInteger(checked, -I64, I64 - 1n, 'ParseInt')];
    case 'uint16':
      return [parseInteger(checked, 0n, 65535n, 'ParseUint')];
    case 'duration':
      return [String(parseGoDuration(checked))];
    case 'bytes':
      return [flag.name === 'memory-swap' && checked === '-1' ? '-1' : String(ramInBytes(checked))];
    case 'strings':
      return checked === '' ? [] : checked.split(',');
    case 'filter':
      return checked === '' ? [] : [parseFilter(checked)];
    default:
      return [checked];
  }
}
