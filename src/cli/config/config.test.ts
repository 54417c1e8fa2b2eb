import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ConfigFile } from './config-file.ts';
import {
  authKey,
  encodeAuth,
  eraseCredentials,
  INDEX_SERVER,
  loadCredentials,
  storeCredentials,
} from './credentials.ts';

const directory = mkdtempSync(join(tmpdir(), 'wharf-config-'));
after(() => rmSync(directory, { recursive: true }));

test('credentials live in the file docker keeps them in, and other keys survive', () => {
  const path = join(directory, 'config.json');
  writeFileSync(
    path,
    JSON.stringify({ auths: { 'https://old.example/v1/': { auth: btoa('u:p:q') } }, unknown: [1] }),
  );
  chmodSync(path, 0o600);
  const config = new ConfigFile(directory);
  assert.deepEqual(loadCredentials(config, 'old.example'), {
    username: 'u',
    password: 'p:q',
    serveraddress: 'old.example',
  });
  assert.deepEqual(loadCredentials(config, 'none.example'), {});
  assert.equal(storeCredentials(config, 'r:5000', { username: 'a', password: 'ü' }), 'plain');
  const kept = JSON.parse(readFileSync(path, 'utf8')) as {
    auths: Record<string, { auth: string }>;
    unknown: unknown;
  };
  assert.equal(Buffer.from(kept.auths['r:5000']?.auth ?? '', 'base64').toString(), 'a:ü');
  assert.deepEqual(kept.unknown, [1]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(eraseCredentials(new ConfigFile(directory), 'r:5000'), true);
  assert.deepEqual(loadCredentials(new ConfigFile(directory), 'r:5000'), {});
});

test('a token that the registry gave is kept instead of the password', () => {
  const own = mkdtempSync(join(directory, 'token-'));
  storeCredentials(new ConfigFile(own), 'r', { username: 'a', password: 'secret', identitytoken: 'tok' });
  assert.deepEqual(loadCredentials(new ConfigFile(own), 'r'), {
    username: 'a',
    password: '',
    identitytoken: 'tok',
    serveraddress: 'r',
  });
  assert.doesNotMatch(readFileSync(join(own, 'config.json'), 'utf8'), /secret/);
});

test('helpers keep credentials when the file names one', () => {
  const own = mkdtempSync(join(directory, 'helper-'));
  writeFileSync(join(own, 'config.json'), '{"credHelpers":{"r":"wharftest"}}');
  const program = join(own, 'docker-credential-wharftest');
  writeFileSync(
    program,
    `#!/bin/sh
case $1 in
  store) cat > ${own}/kept ;;
  get) [ -f ${own}/kept ] && cat ${own}/kept || { echo "credentials not found in native keychain"; exit 1; } ;;
  erase) rm -f ${own}/kept ;;
esac
`,
    { mode: 0o755 },
  );
  const path = process.env.PATH;
  process.env.PATH = `${own}:${path}`;
  try {
    assert.deepEqual(loadCredentials(new ConfigFile(own), 'r'), {});
    assert.equal(storeCredentials(new ConfigFile(own), 'r', { username: 'a', password: 'b' }), 'helper');
    assert.doesNotMatch(readFileSync(join(own, 'config.json'), 'utf8'), /"auth"/);
    assert.deepEqual(loadCredentials(new ConfigFile(own), 'r'), {
      username: 'a',
      password: 'b',
      serveraddress: 'r',
    });
    eraseCredentials(new ConfigFile(own), 'r');
    assert.deepEqual(loadCredentials(new ConfigFile(own), 'r'), {});
  } finally {
    process.env.PATH = path;
  }
});

test('a broken file is told of and never written over', () => {
  const own = mkdtempSync(join(directory, 'broken-'));
  writeFileSync(join(own, 'config.json'), '{ broken');
  const config = new ConfigFile(own);
  assert.ok(config.problem);
  assert.throws(() => storeCredentials(config, 'r', { username: 'a', password: 'b' }), /could not be read/);
  assert.equal(readFileSync(join(own, 'config.json'), 'utf8'), '{ broken');
});

test('names of registries', () => {
  for (const hub of ['', 'docker.io', 'https://index.docker.io/v1/', 'registry-1.docker.io'])
    assert.equal(authKey(hub), INDEX_SERVER);
  assert.equal(authKey('https://r:5000/v2/'), 'r:5000');
  assert.deepEqual(JSON.parse(Buffer.from(encodeAuth({ username: 'ü?>' }), 'base64url').toString()), {
    username: 'ü?>',
  });
});
