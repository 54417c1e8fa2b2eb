/** How much a snapshot holds. */
import { RootedDir } from '../linux/index.ts';
import type { SnapshotUsage } from './types.ts';
import { Pace, upperEntries } from './upper-walk.ts';

/** Bytes and inodes in `upper`; a file with several names counts once, directories count no bytes (as in Docker). */
export async function usageOf(upper: string): Promise<SnapshotUsage> {
  const root = RootedDir.open(upper);
  const seen = new Set<bigint>();
  const pace = new Pace();
  const usage: SnapshotUsage = { bytes: 0, inodes: 1 };
  const waiting: Buffer[] = [Buffer.alloc(0)];
  try {
    for (let dir = waiting.pop(); dir !== undefined; dir = waiting.pop()) {
      for (const { path, stat } of upperEntries(root, dir)) {
        await pace.step();
        if (stat.isDirectory()) waiting.push(path);
        else if (stat.nlink > 1n) {
          if (seen.has(stat.ino)) continue;
          seen.add(stat.ino);
        }
        usage.inodes++;
        if (!stat.isDirectory()) usage.bytes += Number(stat.size);
      }
    }
    return usage;
  } finally {
    root.close();
  }
}
