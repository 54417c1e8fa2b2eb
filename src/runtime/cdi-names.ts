/** Names of the Container Device Interface (CDI SPEC.md, "Kind" and "Device names"): `vendor.com/class=name`. */

/** The parts of a fully qualified device name. */
export interface CdiName {
  vendor: string;
  class: string;
  name: string;
}

const LABEL = /^[A-Za-z](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?$/;
const DEVICE = /^[A-Za-z0-9](?:[A-Za-z0-9_.:-]*[A-Za-z0-9])?$/;

/** What is wrong with a kind (`vendor.com/class`); undefined when nothing is. */
export function kindFault(kind: string): string | undefined {
  const slash = kind.indexOf('/');
  const [vendor, name] = slash < 1 ? ['', kind] : [kind.slice(0, slash), kind.slice(slash + 1)];
  if (!LABEL.test(vendor)) return `invalid vendor. ${labelFault(vendor)}`;
  return LABEL.test(name) ? undefined : `invalid class. ${labelFault(name)}`;
}

function labelFault(label: string): string {
  if (label === '') return 'empty name';
  const quoted = JSON.stringify(label);
  if (!/^[A-Za-z]/.test(label)) return `${quoted}, should start with letter`;
  if (!/[A-Za-z0-9]$/.test(label)) return `${quoted}, should end with a letter or digit`;
  return `invalid character '${/[^A-Za-z0-9_.-]/u.exec(label)?.[0] ?? ''}' in name ${quoted}`;
}

/** What is wrong with the name of a device within its kind; undefined when nothing is. */
export function deviceNameFault(name: string): string | undefined {
  if (DEVICE.test(name)) return undefined;
  if (name === '') return 'invalid (empty) device name';
  const quoted = JSON.stringify(name);
  if (!/^[A-Za-z0-9]/.test(name)) return `invalid class ${quoted}, should start with a letter or digit`;
  if (!/[A-Za-z0-9]$/.test(name)) return `invalid name ${quoted}, should end with a letter or digit`;
  return `invalid character '${/[^A-Za-z0-9_.:-]/u.exec(name)?.[0] ?? ''}' in device name ${quoted}`;
}

/** The parts of `vendor.com/class=name`; undefined for what is no such name. */
export function parseCdiName(text: string): CdiName | undefined {
  const [, vendor = '', kind = '', name = ''] = /^([^/=]+)\/([^=]+)=(.+)$/s.exec(text) ?? [];
  if (kindFault(`${vendor}/${kind}`) !== undefined || deviceNameFault(name) !== undefined) return undefined;
  return { vendor, class: kind, name };
}
