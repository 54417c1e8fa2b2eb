/** The daemon's end of a shim. See shim-types.ts for what its methods promise. */
import fs from 'node:fs';
import type { Socket } from 'node:net';
import { conflict, isKind, notFound, WharfError } from '../errdefs/index.ts';
import { isErrno } from '../linux/index.ts';
import { readExit } from './exit-record.ts';
import { deleteRuntimeState, type RuntimeContainer } from './runtime-delete.ts';
import { ControlConnection } from './shim-control.ts';
import type { ControlMessage, StateMessage } from './shim-messages.ts';
import { request, type ShimConnection } from './shim-stream.ts';
import type {
  AttachOptions,
  ExecOptions,
  ExecResult,
  ExitRecord,
  LogPosition,
  OomFacts,
  ProbeEnd,
  ProcessStream,
  ShimHandle,
  ShimState,
} from './shim-types.ts';

/** How the shim's commands name the container's init. */
const INIT = '-';

/** Something that happens once; who asks later is told at once. */
class Once<T extends unknown[]> {
  #args: T | undefined;
  #listeners: ((...args: T) => void)[] = [];

  get happened(): boolean {
    return this.#args !== undefined;
  }

  on(cb: (...args: T) => void): void {
    if (this.#args === undefined) this.#listeners.push(cb);
    else cb(...this.#args);
  }

  happen(...args: T): void {
    if (this.#args !== undefined) return;
    this.#args = args;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const cb of listeners) cb(...args);
  }
}

/** What a handle knows when it is made. */
export interface ShimIdentity extends RuntimeContainer {
  pid: number;
  bundle: string;
  socketPath: string;
  exitPath: string;
}

export class Shim implements ShimHandle {
  readonly id: string;
  readonly pid: number;
  readonly #identity: ShimIdentity;
  readonly #control: ControlConnection;
  readonly #execs = new Map<string, number>();
  readonly #exit = new Once<[ExitRecord]>();
  readonly #gone = new Once<[]>();
  readonly #oom: ((facts: OomFacts, earlier: boolean) => void)[] = [];
  /** Told to nobody yet. */
  #oomBefore: { facts: OomFacts; earlier: boolean } | undefined;
  readonly #execExit: ((execId: string, exitCode: number) => void)[] = [];
  /** Ends of execs nobody has listened to yet. */
  readonly #untold = new Map<string, number>();
  /** Released when the exec's end was told: its stream ends after that. */
  readonly #held = new Map<string, () => void>();
  readonly #onLogRotated: (() => void)[] = [];
  readonly #onWarning: ((message: string) => void)[] = [];
  #state: ShimState = 'idle';
  #initPid: number | undefined;
  #startedAt = '';
  #letGo = false;

  constructor(identity: ShimIdentity, control: Socket, state?: StateMessage) {
    this.#identity = identity;
    this.id = identity.id;
    this.pid = identity.pid;
    this.#control = new ControlConnection(
      control,
      (message) => this.#onEvent(message),
      () => this.#onClose(),
    );
    if (state !== undefined) this.#restore(state);
  }

  get state(): ShimState {
    return this.#state;
  }

  get initPid(): number | undefined {
    return this.#initPid;
  }

  get execs(): ReadonlyMap<string, number> {
    return this.#execs;
  }

  async start(): Promise<{ pid: number; startedAt: string }> {
    if (this.#state !== 'idle') throw conflict('the container was started already');
    const answer = await this.#control.call('start').catch(async (err: unknown) => {
      // The container may be started anew at once: what the failed start has left must be gone.
      await new Promise<void>((resolve) => this.#gone.on(resolve));
      throw err;
    });
    const { pid = 0, startedAt = '' } = answer;
    this.#startedAt = startedAt;
    // The end may have been told in the same read.
    if (this.#state === 'idle') {
      this.#state = 'running';
      this.#initPid = pid;
    }
    return { pid, startedAt };
  }

  async attach(o: AttachOptions): Promise<ProcessStream> {
    return (await this.#attach('h', o)).stream();
  }

  async attachToLog(o: AttachOptions): ReturnType<ShimHandle['attachToLog']> {
    const connection = await this.#attach('hl', o);
    const { log } = connection.answer;
    return {
      stream: connection.stream(),
      position: log && { inode: BigInt(log.inode), size: log.size },
    };
  }

  #attach(how: string, o: AttachOptions): Promise<ShimConnection> {
    const flags = `${how}${o.stdin ? 'i' : ''}${o.stdout ? 'o' : ''}${o.stderr ? 'e' : ''}`;
    return this.#request(`attach\t${flags}`);
  }

  async exec(o: ExecOptions): Promise<ExecResult> {
    if (this.#state !== 'running') throw conflict(`Container ${this.id} is not running`);
    const path = `${this.#identity.bundle}/exec-${o.execId}.json`;
    const [rows, cols] = o.consoleSize ?? [0, 0];
    const size = rows > 0 && cols > 0 ? { consoleSize: { height: rows, width: cols } } : {};
    fs.writeFileSync(path, JSON.stringify({ ...o.process, ...size, terminal: o.tty }), { mode: 0o600 });
    const detach = o.detach === true;
    const flags = [
      o.tty ? 't' : '',
      detach ? 'd' : 'h',
      o.stdin && !detach ? 'i' : '',
      o.stdout !== false ? 'o' : '',
      o.stderr !== false ? 'e' : '',
    ].join('');
    const planPath = `${this.#identity.bundle}/exec-${o.execId}.plan`;
    if (o.plan) fs.writeFileSync(planPath, o.plan, { mode: 0o600 });
    const told = new Promise<void>((resolve) => this.#held.set(o.execId, resolve));
    try {
      const words = ['exec', o.execId, flags, path, rows, cols, ...(o.plan ? [planPath] : [])];
      const connection = await this.#request(words.join('\t'));
      const pid = connection.answer.pid ?? 0;
      // Its end may have been told already.
      if (this.#held.has(o.execId)) this.#execs.set(o.execId, pid);
      if (!detach) return { pid, stream: connection.stream(told) };
      connection.close();
      return { pid, stream: null };
    } catch (err) {
      this.#held.delete(o.execId);
      fs.rmSync(path, { force: true });
      fs.rmSync(planPath, { force: true });
      throw err;
    }
  }

  /** @throws conflict when the shim has gone, which it does with its container */
  async #request(line: string): Promise<ShimConnection> {
    try {
      return await request(this.#identity.socketPath, line);
    } catch (err) {
      if (!isErrno(err, 'ENOENT', 'ECONNREFUSED', 'shim_gone')) throw err;
      throw conflict(`Container ${this.id} is not running`, { cause: err });
    }
  }

  async resize(execId: string | null, rows: number, cols: number): Promise<void> {
    await this.#callProcess('resize', execId ?? INIT, rows, cols);
  }

  get runtime(): { path: string; stateDirectory: string; bundle: string } {
    const { runtimePath, runtimeRoot, bundle } = this.#identity;
    return { path: runtimePath, stateDirectory: `${runtimeRoot}/${this.id}`, bundle };
  }

  async probe(plan: string, timeoutMs: number): Promise<ProbeEnd> {
    if (this.#state !== 'running') throw conflict(`Container ${this.id} is not running`);
    const { probe = {} } = await this.#control.call('probe', plan, Math.ceil(timeoutMs));
    if (probe.error !== undefined) return { error: probe.error };
    const { code = -1, timedOut = false, output = '' } = probe;
    return { code, timedOut, output: Buffer.from(output, 'latin1') };
  }

  async signal(execId: string | null, signal: number): Promise<void> {
    if (execId === null && this.#state !== 'running') throw notFound(`Container ${this.id} is not running`);
    await this.#callProcess('signal', execId ?? INIT, signal);
  }

  /** A shim that has gone meanwhile means that the process has ended. */
  async #callProcess(...words: (string | number)[]): Promise<void> {
    try {
      await this.#control.call(...words);
    } catch (err) {
      const isOver = isKind(err, 'NotFound') && words[1] === INIT && this.#state === 'running';
      const isGone = err instanceof WharfError && err.code === 'shim_gone';
      // Whoever is told that it does not run finds it so.
      if (isOver) await new Promise<void>((resolve) => this.#exit.on(() => resolve()));
      if (!isGone) throw err;
      if (!this.#letGo) await new Promise<void>((resolve) => this.#gone.on(resolve));
      throw notFound(`Container ${this.id} is not running`, { cause: err });
    }
  }

  onExit(cb: (e: ExitRecord) => void): void {
    this.#exit.on(cb);
  }

  onOom(cb: (facts: OomFacts, earlier: boolean) => void): void {
    this.#oom.push(cb);
    const before = this.#oomBefore;
    this.#oomBefore = undefined;
    if (before) cb(before.facts, before.earlier);
  }

  #tellOom(facts: OomFacts, earlier: boolean): void {
    if (this.#oom.length === 0) this.#oomBefore = { facts, earlier };
    for (const cb of this.#oom) cb(facts, earlier);
  }

  onExecExit(cb: (execId: string, exitCode: number) => void): void {
    this.#execExit.push(cb);
    const untold = [...this.#untold];
    this.#untold.clear();
    for (const [id, code] of untold) this.#tellExecExit(id, code);
  }

  onGone(cb: () => void): void {
    this.#gone.on(cb);
  }

  async logGrown({ inode, size }: LogPosition): Promise<void> {
    await this.#control.call('log-await', String(inode), size);
  }

  logDelivered(inode: bigint): void {
    this.#control.send('log-delivered', String(inode));
  }

  async logCompressed(inode: bigint): Promise<void> {
    await this.#control.call('log-compressed', String(inode));
  }

  onLogRotated(cb: () => void): void {
    this.#onLogRotated.push(cb);
  }

  onWarning(cb: (message: string) => void): void {
    this.#onWarning.push(cb);
  }

  close(): void {
    this.#letGo = true;
    this.#control.close();
  }

  #restore(state: StateMessage): void {
    this.#state = state.gone ? 'gone' : state.state;
    this.#initPid = state.pid;
    this.#startedAt = state.startedAt ?? '';
    for (const { id, pid } of state.execs) {
      this.#execs.set(id, pid);
      this.#held.set(id, () => {});
    }
    for (const { id, code } of state.execExits) this.#untold.set(id, code);
    if (state.oom !== undefined) this.#tellOom(state.oom, true);
    if (state.exit !== undefined) this.#exit.happen(state.exit);
    if (state.gone) this.#gone.happen();
  }

  #onEvent(message: ControlMessage): void {
    switch (message.type) {
      case 'exec-exit':
        this.#execs.delete(message.id);
        if (this.#execExit.length === 0) this.#untold.set(message.id, message.code);
        else this.#tellExecExit(message.id, message.code);
        this.#release(message.id);
        break;
      case 'oom':
        this.#tellOom(message.facts, false);
        break;
      case 'exit':
        this.#ended(message.record);
        break;
      case 'gone':
        this.#state = 'gone';
        this.#gone.happen();
        break;
      case 'log-rotated':
        for (const cb of this.#onLogRotated) cb();
        break;
      case 'warning':
        for (const cb of this.#onWarning) cb(message.message);
        break;
      default: // the first state is of no news
        break;
    }
  }

  #tellExecExit(id: string, code: number): void {
    for (const cb of this.#execExit) cb(id, code);
    this.#control.send('ack', id);
  }

  #release(execId: string): void {
    const release = this.#held.get(execId);
    this.#held.delete(execId);
    release?.();
  }

  #ended(record: ExitRecord): void {
    this.#state = 'exited';
    this.#initPid = undefined;
    this.#exit.happen(record);
  }

  #onClose(): void {
    if (this.#letGo) return;
    if (this.#state === 'running') void this.#died();
    else this.#vanish();
  }

  /**
   * The shim has died before its time; or has ended, and what it said last was lost, because a command written
   * to it failed before that was read.
   */
  async #died(): Promise<void> {
    const record = this.#record();
    if (record !== undefined) this.#ended(record);
    // Without its shim the container has no streams: it is ended, too.
    const { runtimeRoot, id } = this.#identity;
    if (fs.existsSync(`${runtimeRoot}/${id}`)) await deleteRuntimeState(this.#identity).catch(() => false);
    if (record === undefined) this.#ended(this.#unknownEnd());
    this.#vanish();
  }

  #vanish(): void {
    for (const id of [...this.#held.keys()]) this.#release(id);
    this.#execs.clear();
    this.#state = 'gone';
    this.#gone.happen();
  }

  /** The record of this run; undefined when there is none. */
  #record(): ExitRecord | undefined {
    try {
      const record = readExit(this.#identity.exitPath);
      return record?.pid === this.#initPid ? record : undefined;
    } catch {
      return undefined; // damaged: as good as none
    }
  }

  #unknownEnd(): ExitRecord {
    return {
      id: this.id,
      pid: this.#initPid ?? 0,
      exitCode: 255,
      oomKilled: false,
      startedAt: this.#startedAt,
      exitedAt: new Date().toISOString(),
      unknown: true,
    };
  }
}
