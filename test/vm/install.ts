/** The package: what it puts where, who may use it, and that it goes again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Machine } from './machine.ts';

export function installTests(vm: () => Machine): void {
  test('the units run, and are there after the next boot', async () => {
    const units = 'wharf.socket wharf.service';
    assert.equal(await vm().sh(`systemctl is-active ${units} wharf-shims`), 'active\nactive\nactive');
    assert.equal(await vm().sh(`systemctl is-enabled ${units}`), 'enabled\nenabled');
    assert.match(await vm().sh('systemctl show -P StatusText wharf'), /Serving/);
  });

  test('the socket is for root and the group wharf', async () => {
    assert.equal(await vm().sh('stat -c "%a %U %G" /run/wharf/wharf.sock'), '660 root wharf');
    assert.equal(await vm().sh('setpriv --reuid 65534 --regid wharf --clear-groups docker ps -q'), '');
    assert.match(
      await vm().fails('setpriv --reuid 65534 --regid 65534 --clear-groups docker ps'),
      /permission denied/,
    );
  });

  test('info tells systemd, version 2, and the confinement of containers', async () => {
    const info = await vm().sh(
      'docker info -f "{{.CgroupDriver}} {{.CgroupVersion}} {{.SecurityOptions}} {{.LiveRestoreEnabled}} {{json .Warnings}}"',
    );
    assert.match(info, /^systemd 2 \[.*name=cgroupns.*\] true \[\]$/);
  });

  test('our own command and its completion are in their places', async () => {
    assert.match(await vm().sh('wharf version'), /Server:/);
    const complete = `. /usr/share/bash-completion/bash_completion; _completion_loader wharf || true; complete -p wharf`;
    assert.match(await vm().sh(`bash -c '${complete}'`), /__wharf_complete wharf/);
  });

  test('a published port answers', async () => {
    await vm().sh(
      `docker run -d --init --name web -p 8080:80 busybox sh -c 'mkdir /srv; echo served >/srv/index.html; exec httpd -f -p 80 -h /srv'`,
    );
    const fetch = `exec 3<>/dev/tcp/127.0.0.1/8080; printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; grep served <&3`;
    await vm().until('the page', `bash -c '${fetch}'`);
    await vm().sh('docker rm -f web');
  });
}

/** The last suite: nothing is there any more afterwards. */
export function removalTests(vm: () => Machine): void {
  test('removing the package stops containers, daemon and monitors, and keeps the data', async () => {
    await vm().sh('docker run -d --name left --init busybox sleep 1000');
    await vm().sh('dpkg -r wharf');
    assert.equal(await vm().sh('pgrep -f "wharf-shim|wharfd|sleep 1000" || true'), '');
    assert.equal(await vm().sh('ls -d /sys/fs/cgroup/system.slice/wharf* 2>/dev/null || true'), '');
    assert.equal(await vm().sh('ls /run/systemd/transient'), '');
    assert.match(await vm().sh('ls /var/lib/wharf'), /wharf\.db/);
  });
}
