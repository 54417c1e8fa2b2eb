/** An engine that is compared: asked in one version of the API, its answers kept under names. */
import { waitFor } from '../../scripts/engine-client.ts';
import type { TestEngine } from '../harness/engine.ts';
import { Normalizer } from './normalize.ts';

export interface Answer {
  status: number;
  /** Parsed where it is JSON; the lines of it where it is a stream of JSON. */
  body: unknown;
}

export interface ContainerRequest {
  Image?: string;
  Cmd?: string[];
  HostConfig?: object;
  [field: string]: unknown;
}

/** Payloads by name, in the order of their recording. */
export type Payloads = Map<string, unknown>;

export class Subject {
  readonly engine: TestEngine;
  readonly payloads: Payloads = new Map();
  readonly #prefix: string;
  readonly #normalizer: Normalizer;

  /** @param version of the API, e.g. `1.41` */
  constructor(engine: TestEngine, version: string) {
    this.engine = engine;
    this.#prefix = `/v${version}`;
    this.#normalizer = new Normalizer(engine.sandbox.directory);
  }

  async ask(method: string, path: string, body?: object): Promise<Answer> {
    const request = this.engine.client.request(method, `${this.#prefix}${path}`, {
      ...(body === undefined ? {} : { body }),
      signal: AbortSignal.timeout(15_000),
    });
    const answer = await request.catch((err: Error) => ({ status: 0, body: `no answer: ${err.name}` }));
    return { status: answer.status, body: parse(answer.body) };
  }

  get(path: string): Promise<Answer> {
    return this.ask('GET', path);
  }

  post(path: string, body?: object): Promise<Answer> {
    return this.ask('POST', path, body);
  }

  remove(path: string): Promise<Answer> {
    return this.ask('DELETE', path);
  }

  /** Keeps a payload for the comparison. */
  record(name: string, payload: unknown): void {
    if (this.payloads.has(name)) throw new Error(`two payloads are called ${name}`);
    this.payloads.set(name, this.#normalizer.normalize(payload));
  }

  /** Creates a container and gives its id; the name must be free. */
  async create(name: string, request: ContainerRequest): Promise<string> {
    const answer = await this.post(`/containers/create?name=${name}`, { Image: 'busybox', ...request });
    const { Id } = answer.body as { Id?: string };
    if (Id === undefined) throw new Error(`${name}: ${JSON.stringify(answer)}`);
    return Id;
  }

  /** Creates and starts a container that sleeps unless told otherwise. */
  async run(name: string, request: ContainerRequest = {}): Promise<string> {
    const id = await this.create(name, { Cmd: ['sleep', '1000'], ...request });
    const { status, body } = await this.post(`/containers/${name}/start`);
    if (status !== 204) throw new Error(`${name}: ${JSON.stringify(body)}`);
    return id;
  }

  async inspect(name: string): Promise<{ State: { Status: string; Health?: { Status: string } } }> {
    return (await this.get(`/containers/${name}/json`)).body as {
      State: { Status: string; Health?: { Status: string } };
    };
  }

  /** Waits until a container is in a state. */
  async until(name: string, status: string): Promise<void> {
    await waitFor(`${name} to be ${status}`, async () => {
      const { State } = await this.inspect(name);
      return State.Status === status || State.Health?.Status === status;
    });
  }

  async discard(...names: string[]): Promise<void> {
    for (const name of names) await this.remove(`/containers/${name}?force=1&v=1`);
  }
}

function parse(text: string): unknown {
  const lines = text.trim().split('\n');
  try {
    if (lines.length > 1) return lines.map((line) => JSON.parse(line) as unknown);
    return text === '' ? '' : (JSON.parse(text) as unknown);
  } catch {
    return text;
  }
}
