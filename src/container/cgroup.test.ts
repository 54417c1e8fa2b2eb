import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cgroupPath, checkCgroupParent, pathOfContainer, runtimeCgroupsPath } from './cgroup.ts';
import type { ContainerRecord } from './types.ts';

const record = (CgroupParent?: string) =>
  ({ id: 'abc', hostConfig: { CgroupParent } }) as unknown as ContainerRecord;

const runtimes = { runtimes: { runc: { path: '/usr/bin/runc', args: [] } }, defaultRuntime: 'runc' };

test('with cgroupfs a container’s group is its parent’s child', () => {
  const deps = { ...runtimes, cgroupDriver: 'cgroupfs', cgroupParent: '/wharf' } as const;
  assert.equal(cgroupPath(deps, record()), '/wharf/abc');
  assert.equal(runtimeCgroupsPath(deps, record('mine')), '/mine/abc');
});

test('with systemd it is a scope, in the directory that the dashes of the slice’s name tell', () => {
  const deps = { ...runtimes, cgroupDriver: 'systemd', cgroupParent: 'system.slice' } as const;
  assert.equal(cgroupPath(deps, record()), '/system.slice/wharf-abc.scope');
  assert.equal(runtimeCgroupsPath(deps, record()), 'system.slice:wharf:abc');
  assert.equal(cgroupPath(deps, record('a-b-c.slice')), '/a.slice/a-b.slice/a-b-c.slice/wharf-abc.scope');
  assert.equal(runtimeCgroupsPath(deps, record('a-b-c.slice')), 'a-b-c.slice:wharf:abc');
  assert.equal(cgroupPath(deps, record('-.slice')), '/wharf-abc.scope');
});

test('systemd takes only slices as parents', () => {
  const words = /cgroup-parent for systemd cgroup should be a valid slice named as "xxx.slice"/;
  for (const parent of [
    '/wharf',
    'wharf',
    '.slice',
    'a/b.slice',
    '-a.slice',
    'a--b.slice',
    'a-.slice',
    'a:b.slice',
  ])
    assert.throws(() => checkCgroupParent('systemd', parent), words, parent);
  checkCgroupParent('systemd', '');
  checkCgroupParent('cgroupfs', '/anything');
});

test('the group of a running container is told by the kernel, whatever it made below', () => {
  for (const [line, path] of [
    ['10:memory:/wharf/abc', '/wharf/abc'],
    ['0::/wharf/abc/init.scope', '/wharf/abc'],
    ['0::/system.slice/wharf-abc.scope', '/system.slice/wharf-abc.scope'],
    ['0::/system.slice/wharf-abc.scope/container', '/system.slice/wharf-abc.scope/container'],
    ['0::/system.slice/wharf-abc.scope/container/init', '/system.slice/wharf-abc.scope/container'],
    ['0::/system.slice/wharf-abc.scope/other', '/system.slice/wharf-abc.scope'],
  ])
    assert.equal(pathOfContainer(`1:name=systemd:/\n${line}\n`, 'abc'), path);
  assert.equal(pathOfContainer('0::/\n', 'abc'), undefined);
});
