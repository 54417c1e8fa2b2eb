/** The drivers that send to a server. */
import { FluentdSender } from './fluentd-sender.ts';
import { GelfSender } from './gelf-sender.ts';
import { JournaldSender } from './journald-sender.ts';
import type { LogInfo } from './log-info.ts';
import type { LogSender } from './sender.ts';
import { SyslogSender } from './syslog-sender.ts';

const SENDERS: Readonly<Record<string, new (info: LogInfo) => LogSender>> = {
  fluentd: FluentdSender,
  gelf: GelfSender,
  journald: JournaldSender,
  syslog: SyslogSender,
};

/** The sender of a driver. @throws Error for a driver that does not send, and for options that do not fit */
export function createSender(driver: string, info: LogInfo): LogSender {
  const Sender = SENDERS[driver];
  if (Sender === undefined) throw new Error(`logger: no log driver named '${driver}' is registered`);
  return new Sender(info);
}
