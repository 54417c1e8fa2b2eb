/** The options of the driver `syslog`. */
import { statSync } from 'node:fs';
import { parseAddress } from './values.ts';

export type SyslogFormat = '' | 'rfc3164' | 'rfc5424' | 'rfc5424micro';

/** Where syslog messages go. `local`: the machine's own socket, wherever it is. */
export type SyslogTarget =
  | { kind: 'local' }
  | { kind: 'unix' | 'unixgram'; path: string }
  | { kind: 'udp' | 'tcp' | 'tcp+tls'; host: string; port: number };

export interface SyslogOptions {
  target: SyslogTarget;
  /** Shifted: added to the severity it is the priority (RFC 5424, 6.2.1). */
  facility: number;
  format: SyslogFormat;
  tls: { ca: string; cert: string; key: string; skipVerify: boolean };
}

const DEFAULT_PORT = 514;

/** In the order of their codes; those without a name here (ntp, audit, alert, clock) go by number. */
const FACILITIES = [
  'kern',
  'user',
  'mail',
  'daemon',
  'auth',
  'syslog',
  'lpr',
  'news',
  'uucp',
  'cron',
  'authpriv',
  'ftp',
  '',
  '',
  '',
  '',
  'local0',
  'local1',
  'local2',
  'local3',
  'local4',
  'local5',
  'local6',
  'local7',
];

const KEYS = [
  'syslog-address',
  'syslog-facility',
  'syslog-tls-ca-cert',
  'syslog-tls-cert',
  'syslog-tls-key',
  'syslog-tls-skip-verify',
  'syslog-format',
];
export const SYSLOG_KEYS: readonly string[] = KEYS;

/** @throws Error in moby's words */
export function parseSyslogOptions(config: Readonly<Record<string, string>>): SyslogOptions {
  return {
    target: parseTarget(config['syslog-address'] ?? ''),
    facility: parseFacility(config['syslog-facility'] ?? ''),
    format: parseFormat(config['syslog-format'] ?? ''),
    tls: {
      ca: config['syslog-tls-ca-cert'] ?? '',
      cert: config['syslog-tls-cert'] ?? '',
      key: config['syslog-tls-key'] ?? '',
      skipVerify: config['syslog-tls-skip-verify'] !== undefined,
    },
  };
}

function parseTarget(text: string): SyslogTarget {
  if (text === '') return { kind: 'local' };
  const { scheme, host, port = DEFAULT_PORT, path } = parseAddress(text);
  if (scheme === 'unix' || scheme === 'unixgram') {
    if (!statSync(path, { throwIfNoEntry: false }))
      throw new Error(`stat ${path}: no such file or directory`);
    return { kind: scheme, path };
  }
  if (scheme !== 'udp' && scheme !== 'tcp' && scheme !== 'tcp+tls')
    throw new Error(`unsupported scheme: '${scheme}'`);
  return { kind: scheme, host: host || 'localhost', port };
}

function parseFacility(text: string): number {
  if (text === '') return FACILITIES.indexOf('daemon') << 3;
  const named = FACILITIES.indexOf(text);
  if (named !== -1) return named << 3;
  if (/^\d+$/.test(text) && Number(text) <= 23) return Number(text) << 3;
  throw new Error('invalid syslog facility');
}

function parseFormat(text: string): SyslogFormat {
  if (text === '' || text === 'rfc3164' || text === 'rfc5424' || text === 'rfc5424micro') return text;
  throw new Error('Invalid syslog format');
}
