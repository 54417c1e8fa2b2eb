import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  digestOf,
  familiarName,
  familiarString,
  parseDigest,
  parseReference,
  referenceString,
  withDefaultTag,
  withTag,
} from './index.ts';

const HEX = 'f'.repeat(64);

test('names are normalised as Docker does, and shown as users write them', () => {
  const cases: [string, string, string][] = [
    ['busybox', 'docker.io/library/busybox', 'busybox'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['docker.io/busybox', 'docker.io/library/busybox', 'busybox'],
    ['index.docker.io/library/busybox', 'docker.io/library/busybox', 'busybox'],
    ['user/app', 'docker.io/user/app', 'user/app'],
    ['library/a/b', 'docker.io/library/a/b', 'library/a/b'],
    ['localhost/app', 'localhost/app', 'localhost/app'],
    ['localhost:5000/app:x', 'localhost:5000/app:x', 'localhost:5000/app:x'],
    ['reg.example.com/a/b/c', 'reg.example.com/a/b/c', 'reg.example.com/a/b/c'],
    ['Reg/app', 'Reg/app', 'Reg/app'],
    ['[::1]:5000/app', '[::1]:5000/app', '[::1]:5000/app'],
    ['host:80/a__b/c-d--e.f:T_1.2-x', 'host:80/a__b/c-d--e.f:T_1.2-x', 'host:80/a__b/c-d--e.f:T_1.2-x'],
    [`app@sha256:${HEX}`, `docker.io/library/app@sha256:${HEX}`, `app@sha256:${HEX}`],
    [`app:v1@sha256:${HEX}`, `docker.io/library/app:v1@sha256:${HEX}`, `app:v1@sha256:${HEX}`],
    ['xn--n3h.com/app', 'xn--n3h.com/app', 'xn--n3h.com/app'],
    ['sha256:abcdef', 'docker.io/library/sha256:abcdef', 'sha256:abcdef'],
  ];
  for (const [text, canonical, familiar] of cases) {
    const ref = parseReference(text);
    assert.equal(referenceString(ref), canonical, text);
    assert.equal(familiarString(ref), familiar, text);
    assert.equal(ref.name, `${ref.domain}/${ref.path}`);
    // What is shown means the same again.
    assert.deepEqual(parseReference(familiarString(ref)), ref, text);
  }
});

test('what is no reference is refused in the words of docker', () => {
  const cases: [string, RegExp][] = [
    ['', /^invalid reference format$/],
    [':tag', /^invalid reference format$/],
    ['app:', /^invalid reference format$/],
    ['app:a b', /^invalid reference format$/],
    ['app@sha256:short', /^invalid reference format$/],
    [`app@md5:${HEX}`, /^unsupported digest algorithm/],
    ['-app', /^invalid reference format$/],
    ['a//b', /^invalid reference format$/],
    ['a/', /^invalid reference format$/],
    ['/a', /^invalid reference format$/],
    ['a_-b', /^invalid reference format$/],
    ['a...b', /^invalid reference format$/],
    ['https://host/app', /^invalid reference format$/],
    ['localhost:port/app', /^invalid reference format$/],
    [`app:${'t'.repeat(129)}`, /^invalid reference format$/],
    ['App', /^invalid reference format: repository name \(library\/App\) must be lowercase$/],
    ['host.com/App', /^invalid reference format: repository name \(App\) must be lowercase$/],
    [HEX, /^invalid repository name \(f{64}\), cannot specify 64-byte hexadecimal strings$/],
    [`a/${'b'.repeat(256)}`, /^repository name must not be more than 255 characters$/],
    ['a'.repeat(100_000), /./],
    [`${'a/'.repeat(50_000)}b!`, /./],
  ];
  for (const [text, pattern] of cases)
    assert.throws(
      () => parseReference(text),
      { message: pattern, kind: 'InvalidParameter' },
      text.slice(0, 80),
    );
});

test('a hostile name does not take long', () => {
  const start = performance.now();
  for (const text of [`${'a-'.repeat(250)}!`, `${'a.'.repeat(250)}/`, `${'a'.repeat(500)}!`]) {
    assert.throws(() => parseReference(text));
  }
  assert.ok(performance.now() - start < 200);
});

test('tags and digests', () => {
  assert.equal(withDefaultTag(parseReference('app')).tag, 'latest');
  assert.equal(withDefaultTag(parseReference(`app@sha256:${HEX}`)).tag, undefined);
  assert.equal(
    referenceString(withTag(parseReference(`app:1@sha256:${HEX}`), '2')),
    'docker.io/library/app:2',
  );
  assert.throws(() => withTag(parseReference('app'), '-x'), { message: 'invalid tag format' });
  assert.equal(familiarName('docker.io/library/a'), 'a');
  assert.equal(parseDigest(digestOf('x')), digestOf('x'));
  assert.throws(() => parseDigest('x'), { message: 'invalid checksum digest format' });
  assert.throws(() => parseDigest('sha256:abc'), { message: 'invalid checksum digest length' });
});
