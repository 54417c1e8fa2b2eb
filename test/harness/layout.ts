/** OCI image layouts (image-spec, image-layout.md) that tests make and hand to skopeo. */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildImage } from '../../library/build.ts';
import { ok } from './command.ts';

export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
}

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

/**
 * A layout at `directory` whose one name, `latest`, is an index of hello-world for several `platforms`. They share the
 * program's layer; what tells them apart is the configuration.
 */
export async function multiPlatformLayout(directory: string, platforms: Platform[]): Promise<void> {
  mkdirSync(directory);
  const { path } = await buildImage('hello-world');
  await ok(['tar', '-xf', path, '-C', directory]);
  const read = <T>(digest: string) => JSON.parse(readFileSync(blob(directory, digest), 'utf8')) as T;
  const { manifests } = JSON.parse(readFileSync(join(directory, 'index.json'), 'utf8')) as {
    manifests: Descriptor[];
  };
  const manifest = read<{ config: Descriptor }>(manifests[0]?.digest ?? '');
  const config = read<object>(manifest.config.digest);
  const entries = platforms.map((platform) => {
    const own = write(directory, manifest.config.mediaType, { ...config, variant: undefined, ...platform });
    return {
      ...write(directory, 'application/vnd.oci.image.manifest.v1+json', { ...manifest, config: own }),
      platform,
    };
  });
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const index = write(directory, mediaType, { schemaVersion: 2, mediaType, manifests: entries });
  const annotations = { 'org.opencontainers.image.ref.name': 'latest' };
  writeFileSync(
    join(directory, 'index.json'),
    JSON.stringify({ schemaVersion: 2, mediaType, manifests: [{ ...index, annotations }] }),
  );
}

const blob = (directory: string, digest: string): string =>
  join(directory, 'blobs', digest.replace(':', '/'));

function write(directory: string, mediaType: string, value: object): Descriptor {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  writeFileSync(blob(directory, digest), bytes);
  return { mediaType, digest, size: bytes.length };
}
