/** What the shim says (shim/control.h, shim/server.h): lines of JSON. They come from a process of ours, and are checked all the same. */
import { conflict, dataLoss, invalidParameter, notFound, system, type WharfError } from '../errdefs/index.ts';
import { type StartFailure, startError } from './runtime-error.ts';
import type { ExitRecord, OomFacts } from './shim-types.ts';

export interface StateMessage {
  type: 'state';
  shim: number;
  state: 'idle' | 'running' | 'exited';
  id: string;
  bundle: string;
  exitPath: string;
  runtime: string;
  runtimeRoot: string;
  runtimeArgs: string[];
  pid?: number;
  startedAt?: string;
  execs: { id: string; pid: number }[];
  execExits: { id: string; code: number }[];
  oom?: OomFacts;
  exit?: ExitRecord;
  gone: boolean;
}

/** An answer to a request; on a stream's connection it has no type and no number. */
export interface Answer {
  error?: { kind: string; message: string };
  start?: StartFailure;
  pid?: number;
  startedAt?: string;
  probe?: { error?: string; code?: number; timedOut?: boolean; output?: string };
  /** Of `attach` with the flag `l`. */
  log?: { inode: string; size: number };
}

export type ControlMessage =
  | StateMessage
  | ({ type: 'reply'; seq: number } & Answer)
  | { type: 'exec-exit'; id: string; code: number }
  | { type: 'oom'; facts: OomFacts }
  | { type: 'exit'; record: ExitRecord }
  | { type: 'gone' }
  | { type: 'log-rotated' }
  | { type: 'warning'; message: string };

/** Parses a line of a control connection. @throws dataLoss when it is none */
export function parseControl(line: string): ControlMessage {
  const message = parseObject(line);
  if (typeof message.type !== 'string') throw dataLoss(`message of the shim: ${line}`);
  return message as unknown as ControlMessage;
}

/** Parses the first line of a stream's connection. @throws dataLoss when it is none */
export function parseAnswer(line: string): Answer {
  return parseObject(line) as unknown as Answer;
}

function parseObject(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // said below
  }
  throw dataLoss(`message of the shim: ${line}`);
}

/** The error of an answer; undefined when it went well. */
export function answerError(answer: Answer): WharfError | undefined {
  if (answer.start !== undefined) return startError(answer.start);
  if (answer.error === undefined) return undefined;
  const { kind, message } = answer.error;
  if (kind === 'not-found') return notFound(message);
  if (kind === 'conflict') return conflict(message);
  if (kind === 'invalid') return invalidParameter(message);
  return system(message);
}

/** Checks an exit record. @throws dataLoss */
export function checkExitRecord(value: unknown): ExitRecord {
  const record = value as Partial<ExitRecord> | null;
  if (
    typeof record !== 'object' ||
    record === null ||
    typeof record.id !== 'string' ||
    typeof record.exitCode !== 'number' ||
    typeof record.exitedAt !== 'string'
  )
    throw dataLoss('damaged exit record');
  return record as ExitRecord;
}
