/** For tests: an image service with real rooms below it, small layers and archives. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { ContentStore } from '../../content/index.ts';
import {
  type Descriptor,
  type Digest,
  digestOf,
  hexOf,
  MEDIA,
  type Platform,
  type TarInput,
  tarStream,
} from '../../oci/index.ts';
import { Snapshotter } from '../../snapshot/index.ts';
import { Store } from '../../store/index.ts';
import {
  type ImageEvent,
  ImageService,
  type ImageServiceOptions,
  type ImageUser,
  type ProgressMessage,
} from '../index.ts';

export interface TestImages {
  root: string;
  images: ImageService;
  content: ContentStore;
  snapshots: Snapshotter;
  store: Store;
  events: ImageEvent[];
  users: Map<Digest, ImageUser[]>;
  close(): Promise<void>;
}

/** A service in a directory of its own; give `root` to open one again. */
export function openImages(o: Partial<ImageServiceOptions> & { root?: string } = {}): TestImages {
  const root = o.root ?? mkdtempSync(join(tmpdir(), 'wharf-image-'));
  const store = Store.open(join(root, 'wharf.db'));
  const content = new ContentStore({ root: join(root, 'content') });
  const snapshots = new Snapshotter({ root: join(root, 'snapshots') });
  const events: ImageEvent[] = [];
  const users = new Map<Digest, ImageUser[]>();
  const images = new ImageService({
    store,
    content,
    snapshots,
    onEvent: (event) => events.push(event),
    usedBy: (id) => users.get(id) ?? [],
    ...o,
  });
  const close = async (): Promise<void> => {
    await images.close();
    await snapshots.settled();
    await snapshots.close();
    store.close();
    rmSync(root, { recursive: true, force: true });
  };
  return { root, images, content, snapshots, store, events, users, close };
}

/** A layer's plain archive with these files. */
export function layerTar(files: Record<string, string | Buffer>): Promise<Buffer> {
  return tarOf(
    Object.entries(files).map(([name, text]) => {
      const body = Buffer.from(text);
      return { entry: { type: 'file', name, mode: 0o644, size: body.length }, body };
    }),
  );
}

export function tarOf(inputs: TarInput[]): Promise<Buffer> {
  return buffer(tarStream(inputs));
}

const file = (name: string, body: Buffer): TarInput => ({
  entry: { type: 'file', name, mode: 0o644, size: body.length },
  body,
});

export interface ConfigOptions {
  platform?: Platform;
  labels?: Record<string, string>;
  created?: string;
  cmd?: string[];
}

export function configOf(layers: readonly Buffer[], o: ConfigOptions = {}): Buffer {
  const { os, architecture, variant } = o.platform ?? { os: 'linux', architecture: 'amd64' };
  const created = o.created ?? '2024-01-01T00:00:00Z';
  return Buffer.from(
    JSON.stringify({
      created,
      architecture,
      os,
      ...(variant === undefined ? {} : { variant }),
      config: { Cmd: o.cmd ?? ['sh'], ...(o.labels && { Labels: o.labels }) },
      rootfs: { type: 'layers', diff_ids: layers.map((l) => digestOf(l)) },
      history: layers.map((_, i) => ({ created, created_by: `step ${i}` })),
    }),
  );
}

/** What `docker save` of Docker 1.10 to 24 writes: layers as `<id>/layer.tar`, repeated ones as links. */
export async function dockerArchive(
  images: { layers: Buffer[]; tags: string[] | null; config?: ConfigOptions }[],
): Promise<Buffer> {
  const members: TarInput[] = [];
  const seen = new Map<string, string>();
  const manifest = images.map(({ layers, tags, config: options }, n) => {
    const config = configOf(layers, options);
    members.push(file(`${hexOf(digestOf(config))}.json`, config));
    const paths = layers.map((layer, i) => {
      const path = `${hexOf(digestOf(`${n} ${i} ${digestOf(layer)}`))}/layer.tar`;
      const first = seen.get(digestOf(layer));
      if (first === undefined) members.push(file(path, layer));
      else members.push({ entry: { type: 'symlink', name: path, linkName: `../${first}` } });
      seen.set(digestOf(layer), first ?? path);
      return path;
    });
    return { Config: `${hexOf(digestOf(config))}.json`, RepoTags: tags, Layers: paths };
  });
  return tarOf([...members, file('manifest.json', Buffer.from(JSON.stringify(manifest)))]);
}

export type Compressor = 'none' | 'gzip' | 'zstd';
const COMPRESS = {
  none: (b: Buffer) => b,
  gzip: (b: Buffer) => gzipSync(b),
  zstd: (b: Buffer) => zstdCompressSync(b),
};
const TYPES = { none: MEDIA.ociLayer, gzip: MEDIA.ociLayerGzip, zstd: MEDIA.ociLayerZstd };

/** An OCI layout directory with an index of one manifest for each platform, named `tag`. */
export function ociLayout(
  dir: string,
  tag: string,
  variants: { platform: Platform; layers: Buffer[]; compression?: Compressor }[],
): { index: Digest; manifests: Digest[] } {
  const blobs = join(dir, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  const put = (bytes: Buffer, mediaType: string): Descriptor => {
    writeFileSync(join(blobs, hexOf(digestOf(bytes))), bytes);
    return { mediaType, digest: digestOf(bytes), size: bytes.length };
  };
  const manifests = variants.map(({ platform, layers, compression = 'gzip' }) => {
    const config = put(configOf(layers, { platform }), MEDIA.ociConfig);
    const blob = layers.map((l) => put(COMPRESS[compression](l), TYPES[compression]));
    const bytes = Buffer.from(
      JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociManifest, config, layers: blob }),
    );
    return { ...put(bytes, MEDIA.ociManifest), platform };
  });
  const index = put(
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests })),
    MEDIA.ociIndex,
  );
  const top = { ...index, annotations: { 'org.opencontainers.image.ref.name': tag } };
  writeFileSync(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [top] }));
  writeFileSync(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  return { index: index.digest, manifests: manifests.map((m) => m.digest) };
}

export const streamOf = (bytes: Buffer, chunk = 64 << 10): Readable =>
  Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
    })(),
    { objectMode: false },
  );

/** Progress lines as text: `id: status`, repeated byte counts left out. */
export function lines(): { sink: (m: ProgressMessage) => void; text: () => string[] } {
  const out: string[] = [];
  return {
    sink: (m) => {
      const line =
        m.stream?.trimEnd() ??
        (m.aux === undefined ? `${m.id === undefined ? '' : `${m.id}: `}${m.status}` : 'aux');
      if (out.at(-1) !== line) out.push(line);
    },
    text: () => out,
  };
}

/** Debian's docker-registry on a free port of the loopback. */
export async function startRegistry(): Promise<{ host: string; stop: () => Promise<void> }> {
  const dir = mkdtempSync(join(tmpdir(), 'wharf-image-registry-'));
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const config = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(dir, 'storage') } },
    http: { addr: `127.0.0.1:${port}` },
  };
  writeFileSync(join(dir, 'config.yml'), JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', join(dir, 'config.yml')], { stdio: 'ignore' });
  for (let i = 0; i < 200; i++) {
    const socket = connect(port, '127.0.0.1');
    const up = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (up) break;
    await sleep(25);
  }
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    rmSync(dir, { recursive: true, force: true });
  };
  return { host: `localhost:${port}`, stop };
}

export function skopeo(...args: string[]): string {
  return execFileSync('skopeo', ['--insecure-policy', ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
