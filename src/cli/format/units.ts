/** Sizes as Docker reads and writes them (its go-units): powers of 1000 for disks, of 1024 for memory. */

const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'];

/** C's `%.{digits}g`: significant digits without trailing zeros, an exponent when the number needs more. */
export function formatG(value: number, digits: number): string {
  if (value === 0) return '0';
  const [mantissa = '', exponent = '0'] = value.toExponential(digits - 1).split('e');
  const exp = Number(exponent);
  if (exp < -4 || exp >= digits) {
    const short = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
    return `${short}e${exp < 0 ? '-' : '+'}${String(Math.abs(exp)).padStart(2, '0')}`;
  }
  const fixed = value.toFixed(Math.max(0, digits - 1 - exp));
  return fixed.includes('.') ? fixed.replace(/\.?0+$/, '') : fixed;
}

function scaled(size: number, base: number, units: readonly string[], digits: number): string {
  let value = size;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  return formatG(value, digits) + units[unit];
}

/** `1.234MB`: decimal units. @param digits significant digits: 4 in messages, 3 in tables */
export const humanSize = (bytes: number, digits = 4): string => scaled(bytes, 1000, DECIMAL, digits);

/** `1.234MiB`: binary units. */
export const bytesSize = (bytes: number): string => scaled(bytes, 1024, BINARY, 4);

/** Parses a memory size such as `512m`, `1.5GiB`, `4096`. @returns bytes @throws Error with go-units' text */
export function ramInBytes(text: string): number {
  const match = /^(.*[0-9.]) ?([^0-9.]*)$/s.exec(text);
  const number = match?.[1] ?? '';
  if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(number)) throw new Error(`invalid size: '${text}'`);
  if (number.startsWith('-')) throw new Error(`invalid size: '${text}'`);
  const suffix = (match?.[2] ?? '').toLowerCase();
  const unit = /^(?:b|([kmgtp])(?:i?b)?)?$/.exec(suffix);
  if (!unit) throw new Error(`invalid suffix: '${suffix}'`);
  const power = unit[1] ? 'kmgtp'.indexOf(unit[1]) + 1 : 0;
  return Math.trunc(Number(number) * 1024 ** power);
}
