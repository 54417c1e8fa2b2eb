import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, linkSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DEFAULT_PATH, type Recipe, sourceDateEpoch } from '../recipe.ts';
import { run } from '../run.ts';

const PROGRAM = '/bin/busybox';

const PASSWD = `root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
sync:x:4:100:sync:/bin:/bin/sync
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
`;

const GROUP = `root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
mail:x:8:
wheel:x:10:root
www-data:x:33:
operator:x:37:
users:x:100:
nogroup:x:65534:
`;

const FILES: Record<string, { text: string; mode?: number }> = {
  'etc/passwd': { text: PASSWD },
  'etc/group': { text: GROUP },
  'etc/shadow': { text: PASSWD.replace(/^([^:]+):.*$/gm, '$1:*:::::::'), mode: 0o640 },
  'etc/nsswitch.conf': { text: 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n' },
  'etc/protocols': { text: 'ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6-icmp 58 IPv6-ICMP\n' },
};

/** name → mode of the directories that every program may count on. */
const DIRECTORIES: Record<string, number> = {
  bin: 0o755,
  dev: 0o755,
  etc: 0o755,
  home: 0o755,
  proc: 0o755,
  root: 0o700,
  sys: 0o755,
  tmp: 0o1777,
  'usr/bin': 0o755,
  'usr/sbin': 0o755,
  'var/spool/mail': 0o755,
  'var/www': 0o755,
};

const version = (): string => /v([\d.]+)/.exec(execFileSync(PROGRAM, { encoding: 'utf8' }))?.[1] ?? 'unknown';

/** Debian's static busybox with every applet as a hard link in /bin, accounts and the usual directories. */
export const busybox: Recipe = {
  name: 'busybox',
  inputs: () => `${version()} ${statSync(PROGRAM).size} ${statSync(PROGRAM).mtimeMs}`,
  async build({ rootfs, say }) {
    say(`laying out busybox ${version()} from ${PROGRAM}`);
    for (const [name, mode] of Object.entries(DIRECTORIES)) {
      mkdirSync(join(rootfs, name), { recursive: true });
      chmodSync(join(rootfs, name), mode);
    }
    const program = join(rootfs, 'bin/busybox');
    copyFileSync(PROGRAM, program);
    chmodSync(program, 0o755);
    const applets = (await run(PROGRAM, ['--list']))
      .split('\n')
      .filter((name) => name !== '' && name !== 'busybox');
    for (const applet of applets) linkSync(program, join(rootfs, 'bin', applet));
    // Scripts begin with #!/usr/bin/env.
    symlinkSync('../../bin/env', join(rootfs, 'usr/bin/env'));
    for (const [name, { text, mode = 0o644 }] of Object.entries(FILES)) {
      mkdirSync(dirname(join(rootfs, name)), { recursive: true });
      writeFileSync(join(rootfs, name), text);
      chmodSync(join(rootfs, name), mode);
    }
    const [major, minor] = version().split('.');
    return {
      tags: ['busybox:latest', `busybox:${version()}`, `busybox:${major}.${minor}`, 'busybox:stable'],
      config: { Cmd: ['sh'], Env: [DEFAULT_PATH] },
      epoch: sourceDateEpoch(Math.floor(statSync(PROGRAM).mtimeMs / 1000)),
      createdBy: `COPY rootfs / # Debian's busybox-static ${version()}`,
    };
  },
};
