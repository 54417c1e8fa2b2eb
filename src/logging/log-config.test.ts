import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeLogConfig, planLog, validateLogConfig } from './log-config.ts';
import type { LogInfo } from './log-info.ts';
import { extraAttributes, logTag } from './log-info.ts';
import { humanSize, parseAddress, parseBool, parseDuration, ramSize } from './values.ts';

const info = (config: Record<string, string>): LogInfo => ({
  config,
  containerId: 'abcdef0123456789'.repeat(4),
  containerName: 'web',
  path: '/bin/app',
  args: ['-v', 'x'],
  imageId: `sha256:${'12'.repeat(32)}`,
  imageName: 'nginx:1',
  created: '2026-11-24T01:00:00.5Z',
  env: ['A=1', 'AB=2=3', 'C='],
  labels: { 'com.a': 'x', other: 'y' },
});
const paths = { jsonFile: '/json', local: '/local', cache: '/cache' };
const plan = (driver: string, config: Record<string, string> = {}) => planLog(driver, info(config), paths);

test('what each driver keeps here', () => {
  const json = plan('json-file');
  assert.deepEqual(
    [json.path, json.maxSize, json.maxFiles, json.compress, json.exact, json.delivery],
    ['/json', 20_000_000, 5, false, false, undefined],
  );
  const local = plan('local');
  assert.deepEqual(
    [local.path, local.maxSize, local.maxFiles, local.compress, local.exact],
    ['/local', 20 * 1024 * 1024, 5, true, true],
  );
  assert.deepEqual([plan('none').path, plan('none').readable], [null, false]);
  const syslog = plan('syslog', { 'cache-max-size': '1m', 'cache-max-file': '1', 'cache-compress': 'false' });
  assert.deepEqual(
    [syslog.path, syslog.maxSize, syslog.maxFiles, syslog.readable, syslog.delivery],
    ['/cache', 1_000_000, 2, true, 'blocking'],
  );
  const blind = plan('gelf', { 'cache-disabled': 'true', mode: 'non-blocking', 'max-buffer-size': '4m' });
  assert.deepEqual(
    [blind.readable, blind.maxSize, blind.maxFiles, blind.delivery],
    [false, 2 * 1024 * 1024, 2, 'non-blocking'],
  );
  assert.equal(plan('json-file', { 'max-size': '-1' }).maxSize, 0);
  assert.equal(plan('json-file', { 'max-size': '1.5k' }).maxSize, 1500);
});

test('attributes: labels and variables by name and by pattern, and the tag where it is asked for', () => {
  const config = {
    labels: 'other,none',
    'labels-regex': '^com\\.',
    env: 'C',
    'env-regex': '(?i)^a',
    tag: '{{.Name}}',
  };
  const expected = { 'com.a': 'x', other: 'y', A: '1', AB: '2=3', C: '' };
  assert.deepEqual(extraAttributes(info(config)), expected);
  assert.deepEqual(plan('json-file', config).attributes, { ...expected, tag: 'web' });
  assert.deepEqual(plan('syslog', config).attributes, {}, 'not of the cache');
  assert.deepEqual(plan('syslog', { 'cache-labels': 'other' }).attributes, { other: 'y' });
  assert.throws(() => plan('json-file', { 'env-regex': '(' }), /error parsing regexp/);
});

test('tags', () => {
  const tags: [string, string][] = [
    ['', 'abcdef012345'],
    ['plain', 'plain'],
    ['{{.ID}} {{.FullID}}', `abcdef012345 ${'abcdef0123456789'.repeat(4)}`],
    ['{{.Name}}/{{.ImageName}}/{{.ImageID}}', 'web/nginx:1/121212121212'],
    ['{{.ImageFullID}}', `sha256:${'12'.repeat(32)}`],
    ['{{.Command}} {{.DaemonName}}', '/bin/app -v x docker'],
    ['{{upper .Name}} {{index .ContainerLabels "other"}}', 'WEB y'],
    ['{{ (.ExtraAttributes nil).A }}', '1'],
  ];
  for (const [tag, expected] of tags) assert.equal(logTag(info({ tag, env: 'A' }), '{{.ID}}'), expected);
});

test('the daemon’s defaults: options of its driver only, those of the cache for all', () => {
  const defaults = { Type: 'syslog', Config: { 'syslog-facility': 'user', 'cache-max-size': '1m' } };
  assert.deepEqual(mergeLogConfig(undefined, defaults), { ...defaults });
  assert.deepEqual(mergeLogConfig({ Type: '', Config: { 'syslog-facility': 'mail' } }, defaults).Config, {
    'syslog-facility': 'mail',
    'cache-max-size': '1m',
  });
  assert.deepEqual(mergeLogConfig({ Type: 'local' }, defaults), {
    Type: 'local',
    Config: { 'cache-max-size': '1m' },
  });
  assert.deepEqual(mergeLogConfig(undefined, {}), { Type: 'json-file', Config: {} });
});

test('what cannot be met is refused in moby’s words', () => {
  const cases: [string, Record<string, string>, RegExp][] = [
    ['json-file', { 'max-size': 'x' }, /^invalid size: 'x'$/],
    ['json-file', { 'max-size': '0' }, /^max-size must be a positive number$/],
    ['json-file', { 'max-file': '0' }, /^max-file cannot be less than 1$/],
    ['json-file', { 'max-file': 'x' }, /^strconv.Atoi: parsing "x": invalid syntax$/],
    ['json-file', { compress: 'x' }, /^strconv.ParseBool: parsing "x": invalid syntax$/],
    [
      'json-file',
      { compress: 'true', 'max-file': '1' },
      /^compress cannot be true when max-file is less than 2/,
    ],
    ['local', { 'max-size': 'x' }, /^invalid value for max-size: x: invalid size: 'x'$/],
    ['local', { 'max-file': '1' }, /^compression cannot be enabled when max file count is 1$/],
    [
      'local',
      { mode: 'non-blocking', 'max-buffer-size': 'x' },
      /^error parsing option max-buffer-size: invalid size/,
    ],
    ['syslog', { 'cache-disabled': 'x' }, /^invalid value for option cache-disabled: x$/],
    ['syslog', { 'syslog-address': 'unix:///no/such' }, /^stat \/no\/such: no such file or directory$/],
    ['syslog', { 'syslog-facility': '24' }, /^invalid syslog facility$/],
    ['gelf', { 'gelf-address': 'tcp://x' }, /^gelf: please provide gelf-address as proto:\/\/host:port$/],
    ['gelf', { 'gelf-address': 'http://x:1' }, /^gelf: endpoint needs to be TCP or UDP$/],
    [
      'gelf',
      { 'gelf-address': 'udp://x:1', 'gelf-compression-level': '10' },
      /^unknown value "10" for log opt/,
    ],
    [
      'gelf',
      { 'gelf-address': 'udp://x:1', 'gelf-tcp-max-reconnect': '1' },
      /^"gelf-tcp-max-reconnect" is only/,
    ],
    [
      'gelf',
      { 'gelf-address': 'tcp://x:1', 'gelf-tcp-reconnect-delay': '-1' },
      /must be a positive integer$/,
    ],
    ['gelf', { nope: '' }, /^gelf-address is a required parameter$/],
    ['fluentd', { 'fluentd-address': 'unix://' }, /^invalid fluentd-address \(unix:\/\/\): path is empty$/],
    ['fluentd', { 'fluentd-address': 'tcp://x/y' }, /should not contain a path element$/],
    ['fluentd', { 'fluentd-async-reconnect-interval': '1m' }, /must be between 100ms and 10s$/],
    ['fluentd', { 'fluentd-write-timeout': '-1s' }, /must be a duration that is non-negative$/],
    ['fluentd', { 'fluentd-retry-wait': 'x' }, /^time: invalid duration "x"$/],
  ];
  for (const [Type, Config, message] of cases)
    assert.throws(() => validateLogConfig({ Type, Config }), { message }, JSON.stringify([Type, Config]));
  validateLogConfig({ Type: 'none', Config: { anything: 'goes' } });
  validateLogConfig({
    Type: 'fluentd',
    Config: { 'fluentd-address': '[::1]:24224', 'fluentd-retry-wait': '1.5s' },
  });
  validateLogConfig({
    Type: 'syslog',
    Config: { 'syslog-address': 'udp://1.2.3.4', 'syslog-facility': '23' },
  });
});

test('values as Go reads them', () => {
  assert.deepEqual(['10', '1k', '1.5MB', '2 GiB'].map(humanSize), [10, 1000, 1_500_000, 2_000_000_000]);
  assert.deepEqual(['10b', '1k', '4m'].map(ramSize), [10, 1024, 4 * 1024 ** 2]);
  assert.deepEqual(['1h2m3.5s', '250ms', '0', '-1s'].map(parseDuration), [3_723_500, 250, 0, -1000]);
  assert.throws(() => parseDuration('5'), /missing unit in duration "5"/);
  assert.deepEqual(['1', 'T', 'true', 'False'].map(parseBool), [true, true, true, false]);
  assert.deepEqual(parseAddress('tcp+tls://[::1]:6514'), {
    scheme: 'tcp+tls',
    host: '::1',
    port: 6514,
    path: '',
  });
  assert.throws(() => parseAddress('a:b:c'), /first path segment in URL cannot contain colon/);
  assert.throws(() => parseAddress('udp://a:b:c'), /too many colons in address/);
});
