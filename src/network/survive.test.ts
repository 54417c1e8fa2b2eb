/** Killed at any moment, the room leaves nothing that the next start does not find. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Rtnetlink } from '../linux/index.ts';
import { inNamespaces, Lab } from './lab.ts';

const KILLS = 12;

/** Starts and releases containers without end, on two networks, with published ports. */
const BUSY = `
  const [service, store, dir] = process.argv.slice(1);
  const { NetworkService } = await import(service);
  const { Store } = await import(store);
  const s = new NetworkService({ store: Store.open(dir + '/wharf.db'), root: dir + '/network', execRoot: dir + '/run' });
  s.init(new Set());
  if (!s.list({ name: ['mine'] }).length) s.create({ Name: 'mine' });
  console.log('busy');
  for (let n = 0; ; n++) {
    const ids = [0, 1, 2].map((i) => (n * 3 + i).toString(16).padStart(64, '0'));
    for (const [i, id] of ids.entries()) {
      s.allocate(id, {
        name: 'c' + i,
        networkMode: i === 1 ? 'mine' : 'bridge',
        portBindings: i === 2 ? {} : { '80/tcp': [{ HostPort: String(8000 + i) }] },
      });
      s.setup(id);
    }
    for (const id of ids) s.release(id);
    await new Promise(setImmediate);
  }
`;

if (inNamespaces(import.meta.url)) {
  let lab: Lab;
  before(() => {
    lab = new Lab();
  });
  after(() => lab.close());

  const hostEnds = (): string[] => {
    const rtnetlink = Rtnetlink.open();
    const names = rtnetlink.links().map(({ name }) => name);
    rtnetlink.close();
    return names.filter((name) => name.startsWith('wh') && name !== 'wharf0');
  };

  test(`killed at ${KILLS} random moments`, async () => {
    const modules = ['./network-service.ts', '../store/index.ts'].map((path) => import.meta.resolve(path));
    for (let kill = 0; kill < KILLS; kill++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', BUSY, ...modules, lab.dir], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      await sleep(Math.random() * 60);
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    const { service, store } = lab.service();
    service.init(new Set());
    for (const deadline = Date.now() + 5000; hostEnds().length > 0 && Date.now() < deadline; )
      await sleep(20);
    assert.deepEqual(hostEnds(), []);
    assert.deepEqual(readdirSync(join(lab.dir, 'run/netns')), []);
    assert.equal(store.query('SELECT * FROM network_sandboxes').all().length, 0);
    assert.doesNotMatch(lab.run(undefined, 'nft list table ip wharf').output, /(tcp|udp) \. 80/);
    // All addresses and ports are free again, and the networks are there.
    const id = 'f'.repeat(64);
    lab.start(service, id, { networkMode: 'mine', portBindings: { '80/tcp': [{ HostPort: '8000' }] } });
    assert.equal(service.settings(id)?.Networks?.mine?.IPAddress, '172.18.0.2');
    service.release(id);
    await service.remove('mine');
    await service.destroy();
    store.close();
    assert.equal(lab.run(undefined, 'ip -o link | grep -cE "br-|wharf0"; nft list tables').output, '0');
  });
}
