/** Processor time and network counters from /proc. */
import fs from 'node:fs';

/** What {@link systemCpu} reads. */
export interface SystemCpu {
  /** Nanoseconds that all processors together were there, idle or not, since the start of the machine. */
  totalNs: number;
  /** Processors that are online. */
  online: number;
}

/** /proc/stat counts ticks of USER_HZ. */
const NS_PER_TICK = 10_000_000;
/** user, nice, system, idle, iowait, irq, softirq; what follows (steal, guest) moby leaves out. */
const FIELDS = 7;

/** The machine's processor time (man 5 proc_stat). */
export function systemCpu(text = fs.readFileSync('/proc/stat', 'latin1')): SystemCpu {
  let ticks = 0;
  let online = 0;
  for (const line of text.split('\n', 4096)) {
    if (!line.startsWith('cpu')) break;
    if (line[3] !== ' ') {
      online++;
      continue;
    }
    const words = line.split(/ +/, FIELDS + 1);
    for (let i = 1; i <= FIELDS; i++) ticks += Number(words[i] ?? 0);
  }
  return { totalNs: ticks * NS_PER_TICK, online };
}

/** Counters of a network interface. */
export interface LinkCounters {
  rxBytes: number;
  rxPackets: number;
  rxErrors: number;
  rxDropped: number;
  txBytes: number;
  txPackets: number;
  txErrors: number;
  txDropped: number;
}

/**
 * The interfaces of the network namespace that process `pid` is in (/proc/PID/net/dev), by name. Nothing is held open:
 * an open file would keep the namespace alive. Empty when the process is gone.
 */
export function linkCounters(pid: number): Map<string, LinkCounters> {
  let text: string;
  try {
    text = fs.readFileSync(`/proc/${pid}/net/dev`, 'latin1');
  } catch {
    return new Map();
  }
  return parseNetDev(text);
}

/** The text of /proc/net/dev: two lines of titles, then eight numbers received and eight sent for each interface. */
export function parseNetDev(text: string): Map<string, LinkCounters> {
  const out = new Map<string, LinkCounters>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const n = line
      .slice(colon + 1)
      .trim()
      .split(/ +/)
      .map(Number);
    const at = (index: number): number => n[index] ?? 0;
    out.set(line.slice(0, colon).trim(), {
      rxBytes: at(0),
      rxPackets: at(1),
      rxErrors: at(2),
      rxDropped: at(3),
      txBytes: at(8),
      txPackets: at(9),
      txErrors: at(10),
      txDropped: at(11),
    });
  }
  return out;
}
