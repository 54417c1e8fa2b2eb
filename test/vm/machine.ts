/**
 * A virtual machine of {@link machineImage}, started by qemu without hardware help, and what runs in it for the host:
 * scripts sent to its agent. It dies with this process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { waitFor } from '../../scripts/engine-client.ts';
import type { MachineImage } from './image.ts';

export interface MachineOptions {
  image: MachineImage;
  /** A file that the machine has as its second disk, `/dev/vdb`. */
  payload: string;
  /** Where the console's output goes. */
  log: string;
}

export interface ScriptResult {
  status: number;
  stdout: string;
  stderr: string;
}

/** A system of processes emulated: what takes a second on this machine may take twenty there. */
const BOOT_SECONDS = 180;

/** qemu's arguments for `image`; more are added by the caller. */
export function machineArguments({ image, payload }: Pick<MachineOptions, 'image' | 'payload'>): string[] {
  return [
    ...[
      '-accel',
      'tcg,thread=multi',
      '-cpu',
      'max',
      '-m',
      '2048',
      '-smp',
      '2',
      '-nodefaults',
      '-display',
      'none',
    ],
    ...['-kernel', image.kernel, '-initrd', image.initrd],
    // A panic ends the machine instead of leaving it there.
    ...['-append', 'console=ttyS0 quiet panic=-1 systemd.show_status=false net.ifnames=0'],
    ...['-drive', `file=${image.disk},if=virtio,format=raw,cache=unsafe,snapshot=on`],
    ...['-drive', `file=${payload},if=virtio,format=raw,readonly=on`],
    ...['-object', 'rng-random,id=rng,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=rng'],
  ];
}

export class Machine {
  readonly #qemu: ChildProcess;
  readonly #agent: Socket;
  readonly #directory: string;
  readonly #log: string;
  readonly #answers = new Map<number, (line: string) => void>();
  #boots = 0;
  #asked = 0;
  #ended: string | undefined;

  private constructor(qemu: ChildProcess, agent: Socket, directory: string, log: string) {
    this.#qemu = qemu;
    this.#agent = agent;
    this.#directory = directory;
    this.#log = log;
    qemu.once('exit', (code, signal) => {
      this.#ended = `qemu ended with ${signal ?? code}`;
    });
    process.once('exit', () => qemu.kill('SIGKILL'));
    let text = '';
    agent.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
      const lines = text.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) this.#take(line);
    });
    agent.on('error', () => {}); // its end is qemu's
  }

  /** Starts a machine and waits until its agent answers. */
  static async boot(options: MachineOptions): Promise<Machine> {
    const directory = mkdtempSync(join(tmpdir(), 'wharf-vm-'));
    mkdirSync(dirname(options.log), { recursive: true });
    const socket = join(directory, 'agent.sock');
    const qemu = spawn(
      'qemu-system-x86_64',
      [
        ...machineArguments(options),
        ...['-chardev', `file,id=console,path=${options.log}`, '-serial', 'chardev:console'],
        ...['-chardev', `socket,id=agent,path=${socket},server=on,wait=off`],
        ...['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=agent,name=agent'],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, TMPDIR: directory } },
    );
    qemu.stderr.pipe(createWriteStream(`${options.log}.qemu`));
    try {
      await waitFor('qemu', () => existsSync(socket) || qemu.exitCode !== null, { timeout: 20_000 });
      if (qemu.exitCode !== null) throw new Error(`qemu: ${readFileSync(`${options.log}.qemu`, 'utf8')}`);
      const machine = new Machine(qemu, connect(socket), directory, options.log);
      await machine.#booted(1);
      return machine;
    } catch (err) {
      qemu.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
      throw err;
    }
  }

  #take(line: string): void {
    if (line.startsWith('ready ')) {
      this.#boots++;
      return;
    }
    const number = Number.parseInt(line, 10);
    const settle = this.#answers.get(number);
    this.#answers.delete(number);
    settle?.(line);
  }

  async #booted(boots: number): Promise<void> {
    await waitFor('the machine to boot', () => this.#boots >= boots || this.#ended !== undefined, {
      timeout: BOOT_SECONDS * 1000,
    }).catch((err: unknown) => {
      throw new Error(`${String(err)}; its console says\n${this.console()}`);
    });
    if (this.#ended !== undefined) throw new Error(`${this.#ended}; the console says\n${this.console()}`);
  }

  /** The last lines of the console. */
  console(lines = 30): string {
    return readFileSync(this.#log, 'utf8').trim().split('\n').slice(-lines).join('\n');
  }

  /** Runs a bash script as root, one after the other; killed after `seconds`. */
  run(script: string, seconds = 120): Promise<ScriptResult> {
    const number = ++this.#asked;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the machine does not answer; its console says\n${this.console()}`)),
        (seconds + 60) * 1000,
      );
      const ended = (): void => reject(new Error(this.#ended ?? 'qemu ended'));
      this.#qemu.once('exit', ended);
      this.#answers.set(number, (line) => {
        clearTimeout(timer);
        this.#qemu.off('exit', ended);
        const [, status, stdout = '', stderr = ''] = line.split(' ');
        resolve({ status: Number(status), stdout: decode(stdout), stderr: decode(stderr) });
      });
      this.#agent.write(`${number} ${seconds} ${Buffer.from(script).toString('base64')}\n`);
    });
  }

  /** Standard output, trimmed, of a script that must succeed; it stops at the first command that fails. */
  async sh(script: string, seconds?: number): Promise<string> {
    const { status, stdout, stderr } = await this.run(`set -e -o pipefail\n${script}`, seconds);
    if (status !== 0) throw new Error(`status ${status} of\n${script}\n${stdout}${stderr}`);
    return stdout.trim();
  }

  /** What a script that must fail says on standard error. */
  async fails(script: string): Promise<string> {
    const { status, stdout, stderr } = await this.run(script);
    if (status === 0) throw new Error(`success of\n${script}\n${stdout}${stderr}`);
    return stderr.trim();
  }

  /** Runs `script` until it succeeds. */
  async until(what: string, script: string, seconds = 60): Promise<void> {
    const loop = `for i in $(seq ${seconds * 2}); do if (${script}) >/dev/null 2>&1; then exit 0; fi; sleep 0.5; done; exit 1`;
    const { status } = await this.run(loop, seconds * 2);
    if (status === 0) return;
    const { stdout, stderr } = await this.run(script);
    throw new Error(`waited ${seconds} s for ${what}\n${stdout}${stderr}`);
  }

  /** Has systemd restart the machine, and waits until it is up again. */
  reboot(): Promise<void> {
    return this.#restart('systemctl --no-block reboot');
  }

  /** Pulls the plug: nothing is written that was not, nobody is told. The machine is up again when this returns. */
  crash(): Promise<void> {
    return this.#restart('sync; echo 1 >/proc/sys/kernel/sysrq; echo b >/proc/sysrq-trigger');
  }

  /** The agent may end before it answers. */
  async #restart(script: string): Promise<void> {
    const boots = this.#boots;
    this.#asked++;
    this.#agent.write(`${this.#asked} 10 ${Buffer.from(script).toString('base64')}\n`);
    await this.#booted(boots + 1);
  }

  /** Ends the machine at once. */
  async stop(): Promise<void> {
    this.#agent.destroy();
    if (this.#ended === undefined) {
      const ended = new Promise((resolve) => this.#qemu.once('exit', resolve));
      this.#qemu.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** The agent ends each text with a `=`, so that none is empty. */
const decode = (text: string): string => Buffer.from(text.slice(0, -1), 'base64').toString('utf8');
