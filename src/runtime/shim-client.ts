/** Starts shims and finds them again. */
import fs from 'node:fs';
import { Socket } from 'node:net';
import { basename } from 'node:path';
import { deadline, notFound } from '../errdefs/index.ts';
import {
  Cgroup,
  closeFd,
  connectUnix,
  isErrno,
  listenUnix,
  posixSpawn,
  reap,
  socketPair,
} from '../linux/index.ts';
import { sealedProgram, sealedRuntime } from './sealed-program.ts';
import { Shim } from './shim-handle.ts';
import { parseControl, type StateMessage } from './shim-messages.ts';
import type { ShimHandle, ShimOptions } from './shim-types.ts';

export { readExit } from './exit-record.ts';

/** Descriptors as shim/options.h has them. */
const LISTEN_FD = 3;
const CONTROL_FD = 4;
const RUNTIME_FD = 5;
/** How long a shim that is there may take to say its state; a start under way is waited for. */
const STATE_MS = 30_000;

function shimArguments(o: ShimOptions, sealed: boolean): string[] {
  const args = ['wharf-shim', '--id', o.id, '--bundle', o.bundle];
  args.push('--runtime', o.runtimePath, '--runtime-root', o.runtimeRoot);
  for (const arg of o.runtimeArgs ?? []) args.push(`--runtime-arg=${arg}`);
  if (sealed) args.push('--runtime-fd');
  args.push('--socket', o.socketPath, '--exit', o.exitPath);
  if (o.logPath !== null) {
    args.push('--log', o.logPath, `--log-max-size=${o.logMaxSize}`, `--log-max-files=${o.logMaxFiles}`);
    if (o.logAttrs !== undefined && Object.keys(o.logAttrs).length > 0)
      args.push('--log-attrs', JSON.stringify(o.logAttrs));
    if (o.logExact) args.push('--log-exact');
    if (o.logHold !== undefined) args.push('--log-hold', o.logHold);
  }
  if (o.tty) args.push('--tty');
  if (o.openStdin) args.push('--stdin');
  if (o.stdinOnce) args.push('--stdin-once');
  if (o.stdioOwner) args.push(`--stdio-uid=${o.stdioOwner.uid}`, `--stdio-gid=${o.stdioOwner.gid}`);
  const cgroups = o.cgroupPaths ?? [];
  for (const path of cgroups) args.push('--cgroup', path);
  // With systemd the runtime must take back the scope, too.
  const byItself = cgroups.length > 0 && !o.runtimeArgs?.includes('--systemd-cgroup');
  if (byItself && basename(o.runtimePath) === 'crun') args.push('--fast-delete');
  return args;
}

/** The shim's environment, which is the runtime's: nothing of the daemon's own (a notify socket, listening sockets). */
function shimEnvironment(): string[] {
  return [`PATH=${process.env.PATH ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'}`];
}

/** Starts a shim. Synchronous: the handle is usable at once. @throws SyscallError */
export function startShim(o: ShimOptions): ShimHandle {
  fs.rmSync(o.socketPath, { force: true });
  const listener = listenUnix(o.socketPath);
  fs.chmodSync(o.socketPath, 0o600); // whoever connects may run programs in the container
  const [ours, theirs] = socketPair();
  const runtime = sealedRuntime(o.runtimePath);
  const fds = [
    { from: listener, to: LISTEN_FD },
    { from: theirs, to: CONTROL_FD },
  ];
  if (runtime !== undefined) fds.push({ from: runtime, to: RUNTIME_FD });
  try {
    const argv = shimArguments(o, runtime !== undefined);
    const shim = sealedProgram(o.shimPath);
    // By the daemon's table: the child closes its own before it executes.
    const path = shim === undefined ? o.shimPath : `/proc/${process.pid}/fd/${shim}`;
    const pid = posixSpawn({ path, argv, env: shimEnvironment(), fds, setsid: true });
    reap(pid, () => {}); // its control connection tells its end
    if (o.shimCgroup !== undefined) new Cgroup(o.shimCgroup).adopt(pid);
    return new Shim({ ...o, pid }, new Socket({ fd: ours }));
  } catch (err) {
    closeFd(ours);
    fs.rmSync(o.socketPath, { force: true });
    throw err;
  } finally {
    closeFd(listener);
    closeFd(theirs);
  }
}

/** Finds the shim that serves at `socketPath`, after a restart of the daemon. @throws notFound when it is gone */
export async function connectShim(socketPath: string): Promise<ShimHandle> {
  const gone = (cause?: unknown) => notFound(`no shim serves at ${socketPath}`, { cause });
  let fd: number;
  try {
    fd = connectUnix(socketPath);
  } catch (err) {
    if (isErrno(err, 'ECONNREFUSED')) fs.rmSync(socketPath, { force: true }); // it was killed
    throw isErrno(err, 'ENOENT', 'ECONNREFUSED') ? gone(err) : err;
  }
  const socket = new Socket({ fd });
  socket.write('control\n');
  const { state, rest } = await readState(socket, gone);
  const identity = {
    id: state.id,
    pid: state.shim,
    bundle: state.bundle,
    exitPath: state.exitPath,
    runtimePath: state.runtime,
    runtimeRoot: state.runtimeRoot,
    runtimeArgs: state.runtimeArgs,
    socketPath,
  };
  const shim = new Shim(identity, socket, state);
  if (rest !== '') socket.unshift(rest, 'latin1');
  socket.resume();
  return shim;
}

function readState(socket: Socket, gone: () => Error): Promise<{ state: StateMessage; rest: string }> {
  return new Promise((resolve, reject) => {
    let text = '';
    const settle = (): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('close', onClose).off('error', onError);
    };
    const fail = (err: unknown): void => {
      settle();
      socket.on('error', () => {}).destroy();
      reject(err);
    };
    const timer = setTimeout(() => fail(deadline('the shim does not say its state')), STATE_MS);
    const onError = (): void => {}; // 'close' follows
    const onClose = (): void => fail(gone());
    const onData = (chunk: Buffer | string): void => {
      text += chunk.toString('latin1');
      const feed = text.indexOf('\n');
      if (feed === -1) return;
      try {
        const message = parseControl(text.slice(0, feed));
        if (message.type !== 'state') {
          fail(gone());
          return;
        }
        settle();
        socket.pause();
        resolve({ state: message, rest: text.slice(feed + 1) });
      } catch (err) {
        fail(err);
      }
    };
    socket.on('data', onData).on('close', onClose).on('error', onError);
  });
}
