/** Runs one probe of a container's health: in the shim where its confinement can be had there, else by the runtime's exec. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errdefs/index.ts';
import { execPlan, type ShimHandle } from '../runtime/index.ts';
import type { Container, ExecRequest } from './container.ts';
import type { ContainerDeps } from './deps.ts';
import { commandText, type ExecService } from './exec.ts';
import { goDuration, type HealthCheck } from './health-config.ts';
import { boundOutput, type ProbeResult } from './health-state.ts';
import { containerPaths } from './paths.ts';
import { unframe } from './session-stream.ts';
import { execSpec, runSpec } from './spec-input.ts';
import { timestamp } from './time.ts';
import { within } from './within.ts';

/** More than Docker keeps, to know that there was more. */
const READ_BOUND = 4097;
/** Milliseconds that the output of a probe that has ended may still take. */
const DRAIN = 250;

type Outcome = Pick<ProbeResult, 'ExitCode' | 'Output'>;

/** The probes of one run of a container. */
export class ProbeRunner {
  readonly #deps: ContainerDeps;
  readonly #execs: ExecService;
  readonly #container: Container;
  readonly #check: HealthCheck;
  /** The shim's plan; null: it is the runtime's to do. */
  #plan: string | null | undefined;

  constructor(deps: ContainerDeps, execs: ExecService, container: Container, check: HealthCheck) {
    this.#deps = deps;
    this.#execs = execs;
    this.#container = container;
    this.#check = check;
  }

  /** Never throws: what goes wrong is the result's output, with exit code -1. */
  async run(): Promise<ProbeResult> {
    const Start = timestamp();
    const outcome = await this.#probe().catch((err: unknown) => ({ ExitCode: -1, Output: messageOf(err) }));
    return { Start, End: timestamp(), ...outcome };
  }

  async #probe(): Promise<Outcome> {
    const { shim } = this.#container;
    if (!shim) throw new Error(`container ${this.#container.id} is not running`);
    if (this.#plan === undefined) this.#plan = this.#makePlan(shim);
    return (this.#plan === null ? undefined : await this.#inShim(shim, this.#plan)) ?? this.#byRuntime();
  }

  get #request(): ExecRequest {
    const { User = '', WorkingDir = '' } = this.#container.record.config;
    return {
      argv: [...this.#check.argv],
      env: [],
      user: User,
      workingDir: WorkingDir,
      privileged: false,
      tty: false,
      stdin: false,
      stdout: true,
      stderr: true,
    };
  }

  #makePlan(shim: ShimHandle): string | null {
    const { config } = containerPaths(this.#deps.dataRoot, this.#deps.execRoot, this.#container.id);
    const process = execSpec(this.#container, config, this.#request);
    const plan = execPlan(runSpec(this.#container, config), process, shim.runtime);
    if (!plan) return null;
    const file = join(shim.runtime.bundle, 'probe.plan');
    writeFileSync(file, plan, { mode: 0o600 });
    return file;
  }

  /** Undefined when it could not be executed so: the runtime does it, or says why not. */
  async #inShim(shim: ShimHandle, plan: string): Promise<Outcome | undefined> {
    const { argv } = this.#check;
    const attributes = { execID: randomBytes(32).toString('hex') };
    this.#tell(`exec_create: ${commandText(argv)}`, attributes);
    this.#tell(`exec_start: ${commandText(argv)}`, attributes);
    const end = await shim.probe(plan, this.#check.timeout);
    if ('error' in end) {
      this.#deps.log.debug(`container ${this.#container.id}: probes left to the runtime: ${end.error}`);
      this.#plan = null;
      return undefined;
    }
    this.#tell('exec_die', { ...attributes, exitCode: String(end.code) });
    return end.timedOut
      ? this.#timedOut(end.output)
      : { ExitCode: end.code, Output: boundOutput(end.output) };
  }

  #tell(action: string, attributes: Record<string, string>): void {
    this.#deps.onEvent(action, this.#container.record, attributes);
  }

  async #byRuntime(): Promise<Outcome> {
    const { argv, user, workingDir } = this.#request;
    const id = this.#execs.create(this.#container.id, {
      Cmd: argv,
      User: user,
      WorkingDir: workingDir,
      AttachStdout: true,
      AttachStderr: true,
    });
    const exec = this.#container.execs.get(id)!;
    const chunks: Buffer[] = [];
    let length = 0;
    const session = await this.#execs.start(id, {
      detach: false,
      tty: false,
      signal: new AbortController().signal,
    });
    const decode = unframe();
    const ended = new Promise<void>((resolve) => {
      session!.stream.on('data', (chunk: Buffer) => {
        const data = decode(chunk).subarray(0, READ_BOUND - length);
        length += data.length;
        chunks.push(data);
      });
      session!.stream.once('close', resolve).once('error', () => resolve());
    });
    const inTime = await within(exec.exited, this.#check.timeout);
    if (!inTime) {
      await this.#container.shim?.signal(id, 9).catch(() => undefined); // it has ended meanwhile
      await exec.exited;
    }
    await within(ended, DRAIN);
    session!.stream.destroy();
    const output = Buffer.concat(chunks);
    return inTime ? { ExitCode: exec.exitCode ?? -1, Output: boundOutput(output) } : this.#timedOut(output);
  }

  #timedOut(output: Buffer): Outcome {
    const said = output.length > 0 ? `: ${boundOutput(output)}` : '';
    return {
      ExitCode: -1,
      Output: `Health check exceeded timeout (${goDuration(this.#check.timeout)})${said}`,
    };
  }
}
