/** Numbers as C prints them. The command line has its own copy beside its sizes: it must not load this room to start. */

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
