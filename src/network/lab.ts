/**
 * A small internet for this room's tests, in a mount and network namespace of its own: this host
 * (`lan` 192.0.2.1) and a neighbour beside it (192.0.2.9) that knows no way to containers but could be given one.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  createNetns,
  deleteLink,
  deleteNetns,
  newAddress,
  newRoute,
  newVeth,
  Rtnetlink,
  setLink,
  withNetns,
} from '../linux/index.ts';
import { Store } from '../store/index.ts';
import type { NetworkServiceOptions } from './network-service.ts';
import { NetworkService } from './network-service.ts';
import type { AllocateRequest, NetworkEvent } from './types.ts';

export const HOST_ADDRESS = '192.0.2.1';
export const NEIGHBOUR_ADDRESS = '192.0.2.9';

/**
 * Runs the tests of file `url` in namespaces of their own: registers one test that runs the file again under
 * `unshare`, and returns false; in that second run it returns true.
 */
export function inNamespaces(url: string): boolean {
  if (process.env.WHARF_LAB === '1') return true;
  test('in namespaces of its own', () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const run = spawnSync(
      'unshare',
      ['-mn', '--propagation', 'private', process.execPath, fileURLToPath(url)],
      {
        env: { ...env, WHARF_LAB: '1' },
        encoding: 'utf8',
      },
    );
    if (run.status !== 0) throw new Error(`${run.stdout}\n${run.stderr}`);
  });
  return false;
}

const SERVER = `
  const [port, text] = process.argv.slice(1);
  const udp = require('node:dgram').createSocket('udp4');
  udp.on('message', (_, from) => udp.send(text + ' ' + from.address, from.port, from.address));
  udp.bind(Number(port), () =>
    require('node:net')
      .createServer((socket) => socket.on('error', () => {}).end(text + ' ' + socket.remoteAddress))
      .listen(Number(port), '0.0.0.0', () => console.log('ready')));
`;

const UDP_CLIENT = `
  const [address, port] = process.argv.slice(1);
  const udp = require('node:dgram').createSocket('udp4');
  const end = (text) => { process.stdout.write(text); process.exit(); };
  setTimeout(end, 1000, 'refused');
  udp.on('message', (message) => end(message.toString()));
  udp.on('error', () => end('refused'));
  udp.connect(Number(port), address, () => udp.send('?'));
`;

const UDP_TALKER = `
  const [address, port] = process.argv.slice(1);
  const udp = require('node:dgram').createSocket('udp4');
  let timer;
  const end = (text) => { clearTimeout(timer); process.stdout.write(text); };
  udp.on('message', (message) => end(message.toString()));
  udp.on('error', () => {});
  process.stdin.on('data', () => {
    timer = setTimeout(end, 500, 'silence');
    udp.send('?', Number(port), address);
  });
`;

const inNetns = (netns: string | undefined, command: string[]): string[] =>
  netns === undefined ? command : ['nsenter', `--net=${netns}`, ...command];

export class Lab {
  readonly dir: string;
  readonly neighbour: string;
  readonly events: NetworkEvent[] = [];
  readonly messages: string[] = [];
  readonly #children: ChildProcess[] = [];

  constructor() {
    mkdirSync('/tmp/wharf/network', { recursive: true });
    this.dir = mkdtempSync('/tmp/wharf/network/lab-');
    this.neighbour = join(this.dir, 'neighbour');
    createNetns(this.neighbour);
    const host = Rtnetlink.open();
    const fd = openSync(this.neighbour, 'r');
    host.run(setLink(1, { up: true }), newVeth('lan', { name: 'lan', netns: { fd } }, { up: true }));
    host.run(newAddress({ index: host.link('lan')?.index ?? 0, address: `${HOST_ADDRESS}/24` }));
    host.run(newRoute({ to: 'default', via: NEIGHBOUR_ADDRESS }));
    closeSync(fd);
    host.close();
    withNetns(this.neighbour, () => {
      const rtnetlink = Rtnetlink.open();
      const index = rtnetlink.link('lan')?.index ?? 0;
      rtnetlink.run(
        setLink(1, { up: true }),
        setLink(index, { up: true }),
        newAddress({ index, address: `${NEIGHBOUR_ADDRESS}/24` }),
      );
      rtnetlink.close();
    });
  }

  /** A service with the database of this lab; call it again after close() for a restart. */
  service(options: Partial<NetworkServiceOptions> = {}): { service: NetworkService; store: Store } {
    const store = Store.open(join(this.dir, 'wharf.db'));
    const say = (message: string): void => void this.messages.push(message);
    const service = new NetworkService({
      store,
      root: join(this.dir, 'network'),
      execRoot: join(this.dir, 'run'),
      hostResolvConf: this.resolvConf('nameserver 192.0.2.9\nsearch example.org\n'),
      onEvent: (event) => void this.events.push(event),
      log: { info: say, warn: say },
      ...options,
    });
    return { service, store };
  }

  resolvConf(text: string): string {
    const path = join(this.dir, 'resolv.conf');
    writeFileSync(path, text);
    return path;
  }

  /** Allocates and sets up a container without processes. Returns its namespace. */
  start(service: NetworkService, id: string, request: Partial<AllocateRequest> = {}): string {
    service.allocate(id, { name: `name-${id.slice(0, 4)}`, networkMode: 'default', ...request });
    service.setup(id);
    return service.netnsPath(id);
  }

  /** Runs a shell command in a namespace (`undefined`: the host's) and returns what it printed, trimmed. */
  run(netns: string | undefined, command: string): { status: number | null; output: string } {
    const [program = '', ...args] = inNetns(netns, [
      'busybox',
      'timeout',
      '8',
      'busybox',
      'sh',
      '-c',
      command,
    ]);
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    return { status, output: `${stdout}${stderr}`.trim() };
  }

  /** Starts a machine that answers on tcp and udp `port` with `name` and the address it was called from. */
  async serve(netns: string | undefined, port: number, name: string): Promise<void> {
    await this.launch(netns, SERVER, String(port), name);
  }

  /** Starts a program of JavaScript and waits for its first word. It ends with the lab. */
  async launch(netns: string | undefined, script: string, ...scriptArgs: string[]): Promise<void> {
    const [program = '', ...args] = inNetns(netns, [process.execPath, '-e', script, ...scriptArgs]);
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.push(child);
    await once(child.stdout, 'data');
  }

  /** What a machine started by `serve` says to a call from `netns`, or `refused` (also for silence). */
  async call(
    netns: string | undefined,
    address: string,
    port: number,
    protocol: 'tcp' | 'udp' = 'tcp',
  ): Promise<string> {
    const client =
      protocol === 'tcp'
        ? ['busybox', 'sh', '-c', `busybox nc -w 1 ${address} ${port} </dev/null`]
        : [process.execPath, '-e', UDP_CLIENT, address, String(port)];
    const [program = '', ...args] = inNetns(netns, client);
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const output = await text(child.stdout);
    return /^[\w-]+ [\d.]+$/.test(output) ? output : 'refused';
  }

  /** A client that sends its datagrams from one port, when told to, and hands over the answers. */
  converse(netns: string, address: string, port: number): { say: () => Promise<string> } {
    const [program = '', ...args] = inNetns(netns, [
      process.execPath,
      '-e',
      UDP_TALKER,
      address,
      String(port),
    ]);
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.push(child);
    return {
      say: async () => {
        child.stdin.write('?');
        const [answer] = await once(child.stdout, 'data');
        return String(answer);
      },
    };
  }

  /** From now on, what `netns` sends to 127.0.0.1 leaves by `link` towards `via`. */
  leadLoopback(netns: string, link: string, via: string): void {
    const commands = [
      `echo 1 >/proc/sys/net/ipv4/conf/${link}/route_localnet`,
      'ip addr del 127.0.0.1/8 dev lo',
      `ip route add 127.0.0.1 via ${via} dev ${link}`,
    ];
    const { status, output } = this.run(netns, commands.join(' && '));
    if (status !== 0) throw new Error(output);
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    const host = Rtnetlink.open();
    host.run(deleteLink('lan'));
    host.close();
    deleteNetns(this.neighbour);
    const netns = join(this.dir, 'run/netns');
    if (existsSync(netns)) for (const name of readdirSync(netns)) deleteNetns(join(netns, name));
    rmSync(this.dir, { recursive: true, force: true });
  }
}
