/**
 * The packet filter (man 8 nft), by libnftables in this process: `nft` scripts in, errors in words out.
 * A script is one transaction: all of it takes effect or nothing.
 *
 * The library is loaded when the first context is opened, since it costs memory. It keeps the network
 * namespace that the process is in at that moment.
 */
import { closeSync, fstatSync, openSync } from 'node:fs';
import koffi from 'koffi';
import { type ErrorKind, unavailable, WharfError } from '../errdefs/index.ts';

const NFT_CTX_OUTPUT_JSON = 1 << 4;

/**
 * libmnl waits for the kernel's answer with select(2), and glibc ends the whole process when the descriptor is 1024
 * (FD_SETSIZE) or more, as it would be in a daemon with some hundred containers. So a context takes the place of a descriptor
 * that was put aside while the numbers were low: one for the context that stays open, one for those that come and go.
 */
const RESERVED = 2;
const FD_SETSIZE = 1024;
const OPEN_ATTEMPTS = 5;
const reserved: number[] = [];

/** A refused nft script: `code` is the errno's name when the kernel refused it, e.g. `ENOENT`. */
export class NftablesError extends WharfError {
  readonly script: string;

  constructor(message: string, script: string) {
    const found = PATTERNS.find(({ pattern }) => pattern.test(message));
    super(found?.kind ?? 'System', `nftables: ${message.trim()}`, found && { code: found.code });
    this.name = 'NftablesError';
    this.script = script;
  }
}

// libnftables gives the errno only as strerror()'s text in its message.
const PATTERNS: readonly { pattern: RegExp; code: string; kind: ErrorKind }[] = [
  { pattern: /No such file or directory|does not exist/, code: 'ENOENT', kind: 'NotFound' },
  { pattern: /File exists/, code: 'EEXIST', kind: 'Conflict' },
  { pattern: /Operation not permitted/, code: 'EPERM', kind: 'Forbidden' },
  { pattern: /Device or resource busy/, code: 'EBUSY', kind: 'Conflict' },
  { pattern: /Operation not supported/, code: 'EOPNOTSUPP', kind: 'NotImplemented' },
];

type Context = { readonly context: unique symbol };

interface Library {
  create: (flags: number) => Context | null;
  free: (context: Context) => void;
  bufferOutput: (context: Context) => number;
  bufferError: (context: Context) => number;
  output: (context: Context) => string;
  error: (context: Context) => string;
  setOutputFlags: (context: Context, flags: number) => void;
  run: (context: Context, script: string) => number;
}

let loaded: Library | undefined;

function library(): Library {
  if (loaded !== undefined) return loaded;
  let lib: ReturnType<typeof koffi.load>;
  try {
    lib = koffi.load('libnftables.so.1');
  } catch (cause) {
    throw unavailable('libnftables.so.1 cannot be loaded', {
      cause,
      hint: 'install the package nftables (it brings libnftables1)',
    });
  }
  const declare = <F>(prototype: string): F => lib.func(prototype) as unknown as F;
  loaded = {
    create: declare('void *nft_ctx_new(uint32_t flags)'),
    free: declare('void nft_ctx_free(void *ctx)'),
    bufferOutput: declare('int nft_ctx_buffer_output(void *ctx)'),
    bufferError: declare('int nft_ctx_buffer_error(void *ctx)'),
    output: declare('const char *nft_ctx_get_output_buffer(void *ctx)'),
    error: declare('const char *nft_ctx_get_error_buffer(void *ctx)'),
    setOutputFlags: declare('void nft_ctx_output_set_flags(void *ctx, unsigned int flags)'),
    run: declare('int nft_run_cmd_from_buffer(void *ctx, const char *buf)'),
  };
  return loaded;
}

/** A context of libnftables. Synchronous; close it to give its memory back. */
export class Nftables {
  readonly #library: Library;
  #context: Context | undefined;

  private constructor(lib: Library, context: Context) {
    this.#library = lib;
    this.#context = context;
  }

  /** Puts descriptors aside for the contexts to come. For a process that will have many open: before it has. */
  static reserveDescriptors(): void {
    while (reserved.length < RESERVED) {
      const fd = openSync('/dev/null', 'r');
      if (fd >= FD_SETSIZE) {
        closeSync(fd);
        return;
      }
      reserved.push(fd);
    }
  }

  /** Throws Unavailable when the library is not installed, or too many files are open for it. */
  static open(): Nftables {
    const lib = library();
    Nftables.reserveDescriptors();
    for (let attempt = 0; attempt < OPEN_ATTEMPTS; attempt++) {
      const place = reserved.pop();
      if (place === undefined) break;
      closeSync(place);
      const context = lib.create(0);
      if (context === null) throw unavailable('nftables: no context');
      if (isSocket(place) || hasLowDescriptors()) {
        lib.bufferOutput(context);
        lib.bufferError(context);
        return new Nftables(lib, context);
      }
      // A file that another thread opened in between took the place.
      lib.free(context);
      Nftables.reserveDescriptors();
    }
    throw unavailable(`nftables: no file descriptor below ${FD_SETSIZE} is free for libnftables`);
  }

  /** Runs a script (in the language of `nft -f`) as one transaction. Returns what it printed. Throws {@link NftablesError}. */
  run(script: string): string {
    return this.#run(script, 0);
  }

  /** Runs a `list` command and returns the objects of its answer (man 5 libnftables-json). */
  list(command: string): NftablesObject[] {
    const answer: unknown = JSON.parse(this.#run(command, NFT_CTX_OUTPUT_JSON) || '{}');
    const objects =
      typeof answer === 'object' && answer !== null && 'nftables' in answer ? answer.nftables : undefined;
    return Array.isArray(objects) ? objects : [];
  }

  close(): void {
    if (this.#context === undefined) return;
    this.#library.free(this.#context);
    this.#context = undefined;
    Nftables.reserveDescriptors();
  }

  #run(script: string, outputFlags: number): string {
    const context = this.#context;
    if (context === undefined) throw unavailable('nftables: the context is closed');
    this.#library.setOutputFlags(context, outputFlags);
    const status = this.#library.run(context, script);
    const output = this.#library.output(context);
    if (status !== 0) throw new NftablesError(this.#library.error(context), script);
    return output;
  }
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    // Not open: the context's socket took a still lower number.
    return false;
  }
}

/** The kernel gives the lowest number that is free: what was opened just before has a lower one. */
function hasLowDescriptors(): boolean {
  const fd = openSync('/dev/null', 'r');
  closeSync(fd);
  return fd < FD_SETSIZE;
}

/** One object of a listing: a single key (`table`, `chain`, `rule`, `set`, `element`, …) and its description. */
export type NftablesObject = Record<string, Record<string, unknown>>;
