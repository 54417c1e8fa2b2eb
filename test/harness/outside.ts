/** Another machine, as the engine sees it: a network namespace joined to the engine's by one cable. */
import { readlinkSync } from 'node:fs';
import { waitFor } from '../../scripts/engine-client.ts';
import { ok, type Running } from './command.ts';
import { fetcher, type TestEngine } from './engine.ts';

/** Addresses for documentation (RFC 5737): nobody's network, so that nothing leaves by mistake. */
export const OUTSIDE_ADDRESS = '198.51.100.1';
export const HOST_ADDRESS = '198.51.100.2';

export class Outside {
  readonly #holder: Running;

  private constructor(holder: Running) {
    this.#holder = holder;
  }

  /** Lays the cable; the engine's end gets {@link HOST_ADDRESS} and a default route. */
  static async connect(engine: TestEngine): Promise<Outside> {
    const holder = engine.helper(['unshare', '--net', 'sleep', 'infinity']);
    const pid = String(holder.child.pid);
    const own = readlinkSync('/proc/self/ns/net');
    const inside = (await engine.sandbox.ok(['readlink', '/proc/self/ns/net'])).trim();
    await waitFor('the other machine', () => ![own, inside].includes(readlinkSync(`/proc/${pid}/ns/net`)));
    const outside = new Outside(holder);
    const { sandbox } = engine;
    await sandbox.ok(['ip', 'link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pid]);
    await sandbox.ok(['ip', 'address', 'add', `${HOST_ADDRESS}/24`, 'dev', 'uplink']);
    await sandbox.ok(['ip', 'link', 'set', 'uplink', 'up']);
    await sandbox.ok(['ip', 'route', 'add', 'default', 'via', OUTSIDE_ADDRESS]);
    await outside.ok(['ip', 'link', 'set', 'lo', 'up']);
    await outside.ok(['ip', 'address', 'add', `${OUTSIDE_ADDRESS}/24`, 'dev', 'eth0']);
    await outside.ok(['ip', 'link', 'set', 'eth0', 'up']);
    return outside;
  }

  inside(argv: readonly string[]): string[] {
    return ['nsenter', '-t', String(this.#holder.child.pid), '--net', '--', ...argv];
  }

  /** The body of `url` as fetched from there. */
  fetch(url: string): Promise<string> {
    return this.ok(fetcher(url));
  }

  ok(argv: readonly string[]): Promise<string> {
    return ok(this.inside(argv), { timeout: 10_000 });
  }
}
