/** Who listens on a port of this machine: what `ss -lp` shows (proc(5): /proc/net/tcp, /proc/PID/fd). */
import fs from 'node:fs';

/** TCP_LISTEN, and for UDP TCP_CLOSE: a socket without a peer (kernel: include/net/tcp_states.h). */
const WAITING = { tcp: '0A', udp: '07' };

/** A process that listens in this process's network namespace; undefined when none does, or it cannot be seen. */
export function portHolder(protocol: 'tcp' | 'udp', port: number): { pid: number; name: string } | undefined {
  const sockets = new Set(
    [protocol, `${protocol}6`].flatMap((file) => listeners(`/proc/net/${file}`, WAITING[protocol], port)),
  );
  if (sockets.size === 0) return undefined;
  for (const pid of read(() => fs.readdirSync('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const fd of read(() => fs.readdirSync(`/proc/${pid}/fd`))) {
      const [link] = read(() => [fs.readlinkSync(`/proc/${pid}/fd/${fd}`)]);
      const inode = /^socket:\[(\d+)\]$/.exec(link ?? '')?.[1];
      if (inode === undefined || !sockets.has(inode)) continue;
      const [name = ''] = read(() => [fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim()]);
      return { pid: Number(pid), name };
    }
  }
  return undefined;
}

/** Inodes of the sockets that wait at `port`. */
function listeners(file: string, state: string, port: number): string[] {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return read(() => fs.readFileSync(file, 'latin1').split('\n')).flatMap((line) => {
    const [, local = '', , is, , , , , , inode = ''] = line.trim().split(/\s+/);
    return local.endsWith(ending) && is === state ? [inode] : [];
  });
}

/** What goes while it is looked at is not there. */
function read(look: () => string[]): string[] {
  try {
    return look();
  } catch {
    return [];
  }
}
