/**
 * A virtual machine with Wharf's package in it, and a shell on its console: `npm run vm`. `poweroff` ends it, Ctrl-A X
 * cuts it off; nothing of it is kept.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machineImage } from './image.ts';
import { machineArguments } from './machine.ts';
import { makePayload, PAYLOAD } from './payload.ts';

const say = (line: string): void => void process.stderr.write(`vm: ${line}\n`);
const directory = mkdtempSync(join(tmpdir(), 'wharf-vm-'));
const payload = join(directory, 'payload.tar');
const image = await machineImage(say);
say('packing Wharf');
await makePayload(payload);
say(`booting; then: mkdir ${PAYLOAD} && tar -xf /dev/vdb -C ${PAYLOAD} && dpkg -i ${PAYLOAD}/wharf.deb`);
const qemu = spawn(
  'qemu-system-x86_64',
  [
    ...machineArguments({ image, payload }),
    '-chardev',
    'stdio,id=console,mux=on,signal=off',
    '-serial',
    'chardev:console',
  ],
  { stdio: 'inherit', env: { ...process.env, TMPDIR: directory } },
);
qemu.once('exit', (code) => {
  rmSync(directory, { recursive: true, force: true });
  process.exitCode = code ?? 1;
});
