import { readFileSync } from 'node:fs';

/** The range random host ports come from: sysctl `net.ipv4.ip_local_port_range`, as in Docker. */
export function ephemeralRange(): { first: number; last: number } {
  try {
    const text = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
    const [first = 0, last = 0] = text.trim().split(/\s+/).map(Number);
    if (first > 0 && last >= first) return { first, last };
  } catch {
    // No /proc/sys: the kernel's default.
  }
  return { first: 32768, last: 60999 };
}
