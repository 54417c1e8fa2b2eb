import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSysctls } from './sysctls.ts';

const problem = (name: string, modes = {}): string | undefined => {
  try {
    checkSysctls({ [name]: '1' }, modes);
    return undefined;
  } catch (err) {
    return (err as Error).message;
  }
};

test('what belongs to a namespace of the container’s may be set, however it is written', () => {
  for (const name of [
    'net.ipv4.ip_forward',
    'net/ipv4/conf/eth0.1/forwarding',
    'kernel.shmmax',
    'kernel/sem',
    'fs.mqueue.msg_max',
    'kernel.domainname',
  ]) {
    assert.equal(problem(name), undefined, name);
  }
  assert.equal(problem('net.ipv4.ip_forward', { NetworkMode: 'container:x', IpcMode: 'host' }), undefined);
});

test('what is the machine’s may not, in runc’s words', () => {
  assert.equal(problem('vm.swappiness'), 'sysctl "vm.swappiness" is not in a separate kernel namespace');
  assert.equal(problem('kernel/panic'), 'sysctl "kernel/panic" is not in a separate kernel namespace');
  assert.equal(problem('netfoo'), 'sysctl "netfoo" is not in a separate kernel namespace');
  assert.equal(
    problem('net.core.somaxconn', { NetworkMode: 'host' }),
    'sysctl "net.core.somaxconn" not allowed in host network namespace',
  );
  assert.equal(
    problem('kernel.shmmax', { IpcMode: 'host' }),
    'sysctl "kernel.shmmax" is not allowed in the hosts ipc namespace',
  );
  assert.equal(
    problem('kernel.domainname', { UTSMode: 'host' }),
    'sysctl "kernel.domainname" is not in a separate kernel namespace',
  );
  assert.match(problem('kernel.hostname') ?? '', /conflicts with the OCI "hostname" field/);
});
