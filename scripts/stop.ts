/** `npm run stop`: ends wharfd and its containers; images, volumes and stopped containers stay in the data root. */
import { daemonPid, engine, PID_FILE, SOCKET, stopDaemon } from './wharfd-process.ts';

try {
  const pid = daemonPid();
  if (pid === undefined && (await engine.ping())) {
    throw new Error(`an engine answers on ${SOCKET}, but ${PID_FILE} does not name it: end it yourself`);
  }
  if (pid !== undefined) process.stdout.write(`stop: ending wharfd (pid ${pid}) and its containers\n`);
  process.stdout.write(
    (await stopDaemon()) ? 'stop: done; the data is kept\n' : 'stop: wharfd is not running\n',
  );
} catch (err) {
  process.stderr.write(`stop: ${err instanceof Error ? err.message : String(err)}\n`);
  process.exitCode = 1;
}
