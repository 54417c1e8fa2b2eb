/** `HEAD`, `GET` and `PUT` of `/containers/{id}/archive`, and `export`, in a view. */
import fs from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { cancelled, invalidParameter } from '../errdefs/index.ts';
import {
  closeFd,
  type IdMap,
  isReadOnlyMount,
  O,
  openAt,
  ownFilesystemContext,
  type RootedDir,
} from '../linux/index.ts';
import { TarParser } from '../oci/index.ts';
import { createDecompressor, detectCompression, explainDecompression, peekSource } from './compression.ts';
import { TreeExtractor } from './extract.ts';
import { type Sink, TreePacker } from './pack.ts';
import { baseName, cleanPath, openParent, type PathStat, pathInView, statPath } from './path-stat.ts';
import { explainSystemError } from './system-error.ts';
import { asContainersRoot } from './view.ts';

const PACKING = { times: 'seconds', trustedXattrs: false } as const;

/** What is at `path`. @throws NotFound and System errors with the errno as code */
export function stat(root: RootedDir, path: Buffer): PathStat {
  return named(path, () => statPath(root, cleanPath(path)).stat);
}

/** Packs what is at `path` under its own name, as Docker names it; `head` is told what it is before the first byte. */
export async function get(
  root: RootedDir,
  path: Buffer,
  head: (stat: PathStat) => void,
  sink: Sink,
  ids?: IdMap,
): Promise<void> {
  const clean = cleanPath(path);
  const found = named(path, () => statPath(root, clean));
  const packer = new TreePacker(sink, { ...PACKING, ids });
  const name = baseName(clean);
  if (found.isDirectory) {
    const fd = named(path, () => root.open(clean, O.PATH | O.DIRECTORY));
    try {
      head(found.stat);
      await packer.directory(fd, name);
    } finally {
      closeFd(fd);
    }
  } else {
    const parent = named(path, () => openParent(root, clean));
    try {
      head(found.stat);
      await packer.entry(parent.fd, parent.name, name);
    } finally {
      closeFd(parent.fd);
    }
  }
  await packer.finish();
}

/** The whole tree, without an entry for its root. */
export async function exportTree(root: RootedDir, sink: Sink, ids?: IdMap): Promise<void> {
  const packer = new TreePacker(sink, { ...PACKING, ids });
  const fd = openAt(root.fd, '.', O.RDONLY | O.DIRECTORY);
  try {
    await packer.content(fd, Buffer.alloc(0));
  } finally {
    closeFd(fd);
  }
  await packer.finish();
}

export interface PutRequest {
  path: Buffer;
  noOverwriteDirNonDir: boolean;
  owner: { uid: number; gid: number } | undefined;
  ids?: IdMap | undefined;
}

/** Where an archive comes from: see `JobContext`. */
export interface PutInput {
  input(): AsyncIterable<Buffer>;
  recycle(chunk: Buffer): void;
  isCancelled(): boolean;
}

/** Extracts an archive, perhaps compressed, into the directory `path` leads to. */
export async function put(
  root: RootedDir,
  { path, noOverwriteDirNonDir, owner, ids }: PutRequest,
  input: PutInput,
): Promise<void> {
  ownFilesystemContext(); // and with it the umask
  const target = named(path, () => root.open(cleanPath(path), O.PATH));
  try {
    checkTarget(root, target);
    const extractor = new TreeExtractor(target, {
      root,
      path: pathInView(target),
      noOverwriteDirNonDir,
      owner,
      ids,
    });
    try {
      await parse(new TarParser(extractor), input, ids);
      asContainersRoot(ids, () => extractor.finish());
    } finally {
      extractor.close();
    }
  } finally {
    closeFd(target);
  }
}

/** Docker's words, which are the API's. */
function checkTarget(root: RootedDir, target: number): void {
  const stat = fs.fstatSync(target);
  if (!stat.isDirectory()) throw invalidParameter('extraction point is not a directory');
  if (!isReadOnlyMount(target)) return;
  const inRoot = stat.dev === fs.fstatSync(root.fd).dev;
  throw invalidParameter(
    inRoot ? 'container rootfs is marked read-only' : 'mounted volume is marked read-only',
  );
}

async function parse(parser: TarParser, source: PutInput, ids: IdMap | undefined): Promise<void> {
  const write = (chunk: Buffer): void => {
    if (source.isCancelled()) throw cancelled('the copy was cancelled');
    if (!parser.ended) asContainersRoot(ids, () => parser.write(chunk));
  };
  const { head, all } = await peekSource(source.input());
  const decompressor = createDecompressor(detectCompression(head));
  try {
    if (decompressor === undefined) {
      for await (const chunk of all) {
        write(chunk);
        source.recycle(chunk);
      }
    } else {
      const compressed = Readable.from(all, { objectMode: false, highWaterMark: 1 << 20 });
      await pipeline(compressed, decompressor, async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) write(chunk);
      });
    }
    parser.end();
  } catch (err) {
    throw explainDecompression(err);
  }
}

/** Runs `fn`; its system errors name the path that was asked for. */
function named<T>(path: Buffer, fn: () => T): T {
  try {
    return fn();
  } catch (err) {
    throw explainSystemError(err, path.toString(), 'lstat');
  }
}
