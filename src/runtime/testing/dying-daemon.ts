/** A daemon to be killed: starts the bundle `orphan` below the given directory, two execs, attaches, then waits for its end. */
import { startShim } from '../index.ts';

const root = process.argv[2] ?? '';
const bundle = `${root}/orphan`;
const shim = startShim({
  shimPath: new URL('../../../.build/wharf-shim', import.meta.url).pathname,
  id: 'orphan',
  bundle,
  runtimePath: '/usr/bin/crun',
  runtimeRoot: `${root}/runtime`,
  socketPath: `${bundle}/sock`,
  logPath: `${bundle}/log`,
  logMaxSize: 0,
  logMaxFiles: 1,
  exitPath: `${bundle}/exit.json`,
  tty: false,
  openStdin: true,
  stdinOnce: true,
});
const attached = await shim.attach({ stdin: true, stdout: true, stderr: true });
attached.resume();
await shim.start();
const exec = (execId: string, script: string) =>
  shim.exec({
    execId,
    process: { args: ['sh', '-c', script], cwd: '/', env: ['PATH=/bin'], user: { uid: 0, gid: 0 } },
    tty: false,
    stdin: false,
  });
await exec('long', 'sleep 100');
await exec('short', 'sleep 0.1; exit 6');
process.stdout.write('ready\n');
setInterval(() => {}, 1000);
