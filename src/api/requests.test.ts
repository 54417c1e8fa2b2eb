import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorKind } from '../errdefs/index.ts';
import { WharfError } from '../errdefs/index.ts';
import { parseFilters } from './filters.ts';
import { STATUS_OF_KIND } from './http-errors.ts';
import { Query } from './query.ts';
import { type Fake, fakeBackends, serve } from './testing/fake-backends.ts';
import { exchange, request } from './testing/raw-client.ts';

/** Sends one request to fresh fake backends. */
async function ask(method: string, path: string, body?: unknown, backends: Fake = fakeBackends()) {
  await using api = await serve(backends);
  const options = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
  const answer = await exchange(api.path, request(method, path, options));
  return { ...answer, calls: backends.calls, json: () => JSON.parse(answer.body) };
}

const messageOf = async (method: string, path: string, body?: unknown): Promise<[number, string]> => {
  const answer = await ask(method, path, body);
  return [answer.status, answer.json().message];
};

test("each kind of error has its status and Docker's body", async () => {
  const expected: Record<ErrorKind, number> = {
    InvalidParameter: 400,
    Unauthorized: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    NotModified: 304,
    NotImplemented: 501,
    Unavailable: 503,
    Cancelled: 500,
    Deadline: 500,
    DataLoss: 500,
    System: 500,
  };
  assert.deepEqual(STATUS_OF_KIND, expected);
  for (const [kind, status] of Object.entries(expected) as [ErrorKind, number][]) {
    const backends = fakeBackends();
    backends.system.info = () => {
      throw new WharfError(kind, 'why');
    };
    const answer = await ask('GET', '/info', undefined, backends);
    assert.equal(answer.status, status);
    assert.equal(answer.body, kind === 'NotModified' ? '' : '{"message":"why"}\n');
  }
});

test('statuses of the simple operations', async () => {
  for (const [method, path, status] of [
    ['POST', '/containers/c1/start', 204],
    ['POST', '/containers/tty/start', 304],
    ['POST', '/containers/c1/stop?t=3', 204],
    ['POST', '/containers/c1/kill?signal=TERM', 204],
    ['POST', '/containers/c1/rename?name=x', 204],
    ['DELETE', '/containers/c1?force=1&v=True', 204],
    ['POST', '/containers/c1/resize?h=24&w=80', 200],
    ['POST', '/containers/nope/start', 404],
    ['POST', '/images/create', 400],
    ['POST', '/images/create?fromImage=scratch&tag=x', 403],
    ['POST', '/images/create?fromImage=docker.io/library/scratch:latest', 403],
    ['GET', '/swarm', 503],
    ['POST', '/swarm/leave', 503],
    ['POST', '/swarm/init', 501],
    ['GET', '/plugins', 200],
    ['GET', '/plugins/x/json', 404],
    ['GET', '/containers/c1/checkpoints', 501],
    ['PUT', '/volumes/v', 503],
  ] as const) {
    assert.equal((await ask(method, path)).status, status, `${method} ${path}`);
  }
});

test('a container name may be anything between the slashes, encoded or not', async () => {
  const { calls } = await ask('GET', '/images/registry:5000/team/app%3Av1/json');
  assert.equal(calls[0]?.[1], 'registry:5000/team/app:v1');
});

test('query values are read as Docker reads them', () => {
  const query = new Query('a=1&b=true&c=True&d=0&e=no&f=none&g=&h=yes&n=-5&t=1700000000.5&names=x&names=y');
  const truths = ['a', 'b', 'c', 'h'];
  for (const name of 'abcdefghz') assert.equal(query.bool(name), truths.includes(name), name);
  assert.equal(query.bool('z', true), true);
  assert.equal(query.bool('g', true), false);
  assert.equal(query.int('n'), -5);
  assert.equal(query.timestamp('t'), 1_700_000_000_500_000_000n);
  assert.equal(new Query('t=1.0000000019').timestamp('t'), 1_000_000_001n);
  assert.deepEqual(query.all('names'), ['x', 'y']);
  assert.throws(() => new Query('t=yesterday').timestamp('t'), { kind: 'InvalidParameter' });
  assert.deepEqual(new Query('p={"os":"linux","architecture":"arm64","variant":"v8"}').platforms('p'), [
    { os: 'linux', architecture: 'arm64', variant: 'v8' },
  ]);
  assert.throws(() => new Query('p={"os":"linux"}').platforms('p'), {
    message: 'both OS and Architecture must be provided',
  });
});

test("wrong numbers are refused with Go's words", async () => {
  assert.deepEqual(await messageOf('GET', '/containers/json?limit=x'), [
    400,
    'strconv.Atoi: parsing "x": invalid syntax',
  ]);
  assert.deepEqual(await messageOf('POST', '/containers/c1/resize?h=-1&w=2'), [
    400,
    'invalid resize height "-1": value out of range',
  ]);
  assert.deepEqual(await messageOf('POST', '/containers/c1/wait?condition=soon'), [
    400,
    'invalid condition: "soon"',
  ]);
});

test('filters come in two forms and are checked', () => {
  assert.deepEqual(
    { ...parseFilters('{"label":["a","b=c","a"]}', 'ContainerList') },
    { label: ['a', 'b=c'] },
  );
  assert.deepEqual(
    { ...parseFilters('{"label":{"a":true,"b=c":true}}', 'ContainerList') },
    { label: ['a', 'b=c'] },
  );
  assert.deepEqual({ ...parseFilters('{"dangling":["true"]}', 'ImageList') }, { dangling: ['true'] });
  assert.deepEqual({ ...parseFilters('{"anything":["x"]}', 'SystemEvents') }, { anything: ['x'] });
  assert.deepEqual(parseFilters('', 'ImageList'), {});
  for (const [text, message] of [
    ['nonsense', 'invalid filter'],
    ['["label"]', 'invalid filter'],
    ['{"label":"a"}', 'invalid filter'],
    ['{"foo":["bar"]}', "invalid filter 'foo'"],
    ['{"dangling":["maybe"]}', "invalid filter 'dangling=[maybe]'"],
    ['{"dangling":["true","false"]}', "invalid filter 'dangling=[true false]'"],
  ] as const) {
    assert.throws(() => parseFilters(text, 'ImageList'), { kind: 'InvalidParameter', message }, text);
  }
});

test('a body is decoded as Go decodes it', async () => {
  const { calls, status } = await ask('POST', '/containers/create?name=web', {
    image: 'busybox',
    Cmd: 'true',
    Entrypoint: ['/bin/sh'],
    Env: null,
    Unknown: { x: 1 },
    HostConfig: { memory: 5, PortBindings: { '80/tcp': [{ HostPort: '8080' }], '81/tcp': null } },
  });
  assert.equal(status, 201);
  assert.deepEqual(calls[0]?.[1], {
    name: 'web',
    config: {
      Image: 'busybox',
      Cmd: ['true'],
      Entrypoint: ['/bin/sh'],
      HostConfig: {
        Memory: 5,
        NetworkMode: 'bridge',
        PortBindings: { '80/tcp': [{ HostPort: '8080' }], '81/tcp': [{}] },
      },
      NetworkingConfig: { EndpointsConfig: {} },
    },
  });
});

test("a broken body is refused with Docker's words", async () => {
  for (const [body, message] of [
    ['{', 'invalid JSON: unexpected EOF'],
    ['x', "invalid JSON: invalid character 'x' looking for beginning of value"],
    [
      '{"Tty":"x"}',
      'invalid JSON: json: cannot unmarshal string into Go struct field CreateRequest.Config.Tty of type bool',
    ],
    [
      '{"Image":"x","HostConfig":{"Memory":"1g"}}',
      'invalid JSON: json: cannot unmarshal string into Go struct field HostConfig.HostConfig.Resources.Memory of type int64',
    ],
    [
      '{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":80}]}}}',
      'invalid JSON: json: cannot unmarshal number into Go struct field PortBinding.HostConfig.PortBindings.HostPort of type string',
    ],
    ['{}', 'config cannot be empty in order to create a container'],
    ['null', 'config cannot be empty in order to create a container'],
    ['{"a":1}x', 'unexpected content after JSON'],
    ['[]', 'invalid JSON: json: cannot unmarshal array into Go value of type container.CreateRequest'],
    [
      '{"HostConfig":{"BlkioWeight":-1}}',
      'invalid JSON: json: cannot unmarshal number -1 into Go struct field HostConfig.HostConfig.Resources.BlkioWeight of type uint16',
    ],
    [
      '{"Cmd":5}',
      'invalid JSON: json: cannot unmarshal number into Go struct field CreateRequest.Config.Cmd of type string',
    ],
    [
      '{"Healthcheck":{"Interval":"1s"}}',
      'invalid JSON: json: cannot unmarshal string into Go struct field HealthcheckConfig.Config.Healthcheck.Interval of type time.Duration',
    ],
  ] as const) {
    const [status, said] = await messageOf('POST', '/containers/create', body);
    assert.equal(status, 400);
    assert.equal(said, message);
  }
  assert.deepEqual(await messageOf('POST', '/containers/c1/exec', '{"Cmd":[]}'), [
    400,
    'No exec command specified',
  ]);
});

test('a body needs the JSON type; none needs none', async () => {
  await using api = await serve(fakeBackends());
  const post = (headers: string[]) =>
    exchange(api.path, `${request('POST', '/networks/create', { headers })}{"Name":"n"}`);
  const form = await post(['Content-Type: application/x-www-form-urlencoded', 'Content-Length: 12']);
  assert.equal(form.status, 400);
  assert.match(
    form.body,
    /unsupported Content-Type header \(application\/x-www-form-urlencoded\): must be 'application\/json'/,
  );
  const untyped = await post(['Content-Length: 12']);
  assert.match(untyped.body, /malformed Content-Type header \(\): mime: no media type/);
  const typed = await post(['Content-Type: application/json; charset=utf-8', 'Content-Length: 12']);
  assert.equal(typed.status, 201);
  const withBody = await exchange(
    api.path,
    request('POST', '/containers/c1/start', { body: '{"Binds":[]}' }),
  );
  assert.match(withBody.body, /removed in v1.24/);
});

test('a chunked body is read whole', async () => {
  const backends = fakeBackends();
  await using api = await serve(backends);
  const chunked = request('POST', '/networks/create', {
    headers: ['Content-Type: application/json', 'Transfer-Encoding: chunked'],
  });
  const answer = await exchange(api.path, `${chunked}6\r\n{"Name\r\n8\r\n":"net"}\r\n0\r\n\r\n`);
  assert.equal(answer.status, 201);
  assert.deepEqual(backends.calls[0], ['networks.create', { Name: 'net' }]);
});

test('what old clients send is brought to the newest form', async () => {
  const create = async (version: string, body: object) => {
    const answer = await ask('POST', `/v${version}/containers/create`, { Image: 'x', ...body });
    const call = answer.calls[0]?.[1] as { config: Record<string, unknown> } | undefined;
    return { status: answer.status, json: answer.json(), config: call?.config };
  };
  const old = await create('1.43', {
    MacAddress: '02:42:ac:11:00:02',
    HostConfig: { NetworkMode: 'app', Annotations: { a: 'b' }, PidsLimit: -1 },
  });
  assert.deepEqual(old.config, {
    Image: 'x',
    HostConfig: { NetworkMode: 'app', Annotations: { a: 'b' } },
    NetworkingConfig: { EndpointsConfig: { app: { MacAddress: '02:42:ac:11:00:02' } } },
  });
  const current = await create('1.51', { MacAddress: '02:42:ac:11:00:02' });
  assert.match(current.json.Warnings[0], /container-wide MacAddress field is now deprecated/);
  const two = { NetworkingConfig: { EndpointsConfig: { a: {}, b: {} } } };
  assert.equal(
    (await create('1.43', two)).json.message,
    'Container cannot be created with multiple network endpoints: a, b',
  );
  assert.equal((await create('1.44', two)).status, 201);
  const mount = { HostConfig: { Mounts: [{ Type: 'bind', VolumeOptions: {} }] } };
  assert.equal((await create('1.41', mount)).status, 201);
  assert.equal(
    (await create('1.42', mount)).json.message,
    'VolumeOptions must not be specified on mount type "bind"',
  );
  const sysctl = { HostConfig: { Sysctls: { 'net.ipv4.conf.eth0.forwarding': '1' } } };
  assert.match((await create('1.47', sysctl)).json.Warnings[0], /Migrated sysctl/);
  assert.match((await create('1.48', sysctl)).json.message, /must be supplied using driver option/);
});

test('null in maps is what Go makes of it', async () => {
  const { calls, status } = await ask('POST', '/containers/create', {
    Image: 'x',
    Labels: JSON.parse('{"a":null,"__proto__":"kept"}'),
    NetworkingConfig: { EndpointsConfig: { app: null } },
  });
  assert.equal(status, 201);
  const [[, { config }]] = calls as [[string, { config: Record<string, unknown> }]];
  assert.deepEqual(Object.entries(config.Labels as object), [
    ['a', ''],
    ['__proto__', 'kept'],
  ]);
  assert.deepEqual(config.NetworkingConfig, { EndpointsConfig: { app: {} } });
});

test('credentials are decoded from either base64 alphabet, and broken ones are none', async () => {
  const secret = { username: 'joe', password: 'p?>~ü' };
  const encoded = Buffer.from(JSON.stringify(secret));
  for (const [header, expected] of [
    [encoded.toString('base64url'), secret],
    [encoded.toString('base64'), secret],
    ['%%%', undefined],
  ] as const) {
    const backends = fakeBackends();
    let auth: unknown = 'not called';
    backends.images.pull = async (options) => {
      auth = options.auth;
    };
    await using api = await serve(backends);
    const headers = [`X-Registry-Auth: ${header}`];
    const answer = await exchange(
      api.path,
      request('POST', '/images/create?fromImage=busybox&tag=latest', { headers }),
    );
    assert.equal(answer.status, 200);
    assert.deepEqual(auth, expected);
  }
});

test('login needs no content type', async () => {
  const { status, calls, body } = await ask('POST', '/auth', {
    username: 'u',
    password: 'p',
    serveraddress: 'r',
  });
  assert.equal(status, 200);
  assert.deepEqual(calls[0]?.[1], { username: 'u', password: 'p', serveraddress: 'r' });
  assert.equal(body, '{"Status":"Login Succeeded"}\n');
});
