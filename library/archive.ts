/**
 * Makes an image archive of a root file system: an OCI image layout (image-spec, image-layout.md) that carries
 * Docker's `manifest.json` as well, so that `docker load`, `skopeo` and `wharf load` all read it.
 */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Rootfs } from './recipe.ts';
import { run } from './run.ts';

const MEDIA_TYPE = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const;

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

const PLATFORMS: Record<string, { architecture: string; variant?: string }> = {
  x64: { architecture: 'amd64' },
  arm64: { architecture: 'arm64', variant: 'v8' },
};

/** This machine's platform in OCI's terms. */
export function hostPlatform(): { os: string; architecture: string; variant?: string } {
  const platform = PLATFORMS[process.arch];
  if (platform === undefined) throw new Error(`no recipe for ${process.arch}: amd64 and arm64 only`);
  return { os: 'linux', ...platform };
}

/**
 * Options that make GNU tar's output a function of the tree alone (its manual, "Making tar Archives More
 * Reproducible"): names sorted, no access and change times, no process id in header names, numeric owners.
 */
const tarOptions = (epoch: number): string[] => [
  '--create',
  '--format=posix',
  '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
  '--sort=name',
  `--mtime=@${epoch}`,
  '--numeric-owner',
];

/**
 * Writes the image of the tree at `rootfs` to the file `output`, using the empty directory `layout` for its parts.
 * @returns the image ID (the digest of the configuration).
 */
export async function writeArchive(
  rootfs: string,
  spec: Rootfs,
  layout: string,
  output: string,
): Promise<string> {
  const blobs = join(layout, 'blobs/sha256');
  mkdirSync(blobs, { recursive: true });
  const layer = await writeLayer(rootfs, spec.epoch, blobs);
  const created = new Date(spec.epoch * 1000).toISOString().replace('.000Z', 'Z');
  const config = writeJson(blobs, MEDIA_TYPE.config, {
    created,
    author: 'Wharf library',
    ...hostPlatform(),
    config: spec.config,
    rootfs: { type: 'layers', diff_ids: [layer.diffId] },
    history: [{ created, created_by: spec.createdBy }],
  });
  const manifest = writeJson(blobs, MEDIA_TYPE.manifest, {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.manifest,
    config,
    layers: [layer.descriptor],
  });
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(layout, 'index.json'), JSON.stringify(index(manifest, spec.tags)));
  writeFileSync(
    join(layout, 'manifest.json'),
    JSON.stringify([
      { Config: blobPath(config.digest), RepoTags: spec.tags, Layers: [blobPath(layer.descriptor.digest)] },
    ]),
  );
  const temporary = `${output}.${process.pid}.tmp`;
  await run('tar', [
    ...tarOptions(spec.epoch),
    '-C',
    layout,
    '-f',
    temporary,
    '--owner=0',
    '--group=0',
    ...names(layout),
  ]);
  renameSync(temporary, output);
  return config.digest;
}

const blobPath = (digest: string): string => `blobs/sha256/${digest.slice('sha256:'.length)}`;

/** containerd's annotation carries the full name, OCI's own the tag: readers look at the one or the other. */
function index(manifest: Descriptor, tags: string[]): object {
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.index,
    manifests: tags.map((tag) => ({
      ...manifest,
      annotations: {
        'io.containerd.image.name': `docker.io/library/${tag}`,
        'org.opencontainers.image.ref.name': tag.slice(tag.indexOf(':') + 1),
      },
      platform: hostPlatform(),
    })),
  };
}

/** Top-level names, so that entries are called `bin/sh` and not `./bin/sh`. */
const names = (directory: string): string[] => ['--', ...readdirSync(directory).sort()];

async function writeLayer(
  rootfs: string,
  epoch: number,
  blobs: string,
): Promise<{ diffId: string; descriptor: Descriptor }> {
  const args = [
    ...tarOptions(epoch),
    '--clamp-mtime',
    '--xattrs',
    '--xattrs-include=*',
    '-C',
    rootfs,
    ...names(rootfs),
  ];
  const tar = spawn('tar', args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  const ended = new Promise<number | null>((resolve) => tar.once('close', resolve));
  const plain = createHash('sha256');
  const packed = createHash('sha256');
  const temporary = join(blobs, '.layer');
  await pipeline(tar.stdout, tee(plain), createGzip({ level: 9 }), tee(packed), createWriteStream(temporary));
  const code = await ended;
  if (code !== 0) throw new Error(`tar of ${rootfs} ended with ${code}`);
  const hex = packed.digest('hex');
  const path = join(blobs, hex);
  renameSync(temporary, path);
  return {
    diffId: `sha256:${plain.digest('hex')}`,
    descriptor: { mediaType: MEDIA_TYPE.layer, digest: `sha256:${hex}`, size: statSync(path).size },
  };
}

const tee = (hash: ReturnType<typeof createHash>): Transform =>
  new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });

function writeJson(blobs: string, mediaType: string, value: unknown): Descriptor {
  const bytes = Buffer.from(JSON.stringify(value));
  const hex = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(join(blobs, hex), bytes);
  return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
}

/** The tags and the image ID of an archive that {@link writeArchive} wrote. */
export async function readArchive(path: string): Promise<{ tags: string[]; id: string }> {
  const [entry] = JSON.parse(await run('tar', ['-xOf', path, 'manifest.json'])) as [
    { Config: string; RepoTags: string[] },
  ];
  return { tags: entry.RepoTags, id: `sha256:${entry.Config.slice('blobs/sha256/'.length)}` };
}

/** The whole archive's digest, for telling two builds apart. */
export async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return `sha256:${hash.digest('hex')}`;
}
