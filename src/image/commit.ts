/** `docker commit`: what a container changed made a layer on its image. */
import { invalidParameter, notFound } from '../errdefs/index.ts';
import {
  type ContainerDefaults,
  type Digest,
  encodeImageConfig,
  familiarString,
  type HistoryEntry,
  type ImageConfig,
  parseReference,
  withTag,
} from '../oci/index.ts';
import { applyChanges } from './changes.ts';
import { takeLayer } from './layer-intake.ts';
import { chainSize, type Room, tell } from './room.ts';
import type { CommitOptions, Image } from './types.ts';

/** The diffID of an archive without members: such a layer is left out, as in Docker. */
const EMPTY_LAYER: Digest = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';

/** What a commit is to be called. Throws InvalidParameter in Docker's words. */
function target(
  repo: string | undefined,
  tag: string | undefined,
): { name: string; tag: string } | undefined {
  if (!repo) return undefined;
  const ref = parseReference(repo);
  if (ref.digest !== undefined) throw invalidParameter('cannot import digest reference');
  const tagged = tag ? withTag(ref, tag) : ref;
  return { name: tagged.name, tag: tagged.tag ?? 'latest' };
}

/**
 * Makes an image of its parent and a layer. What can be wrong with the request is checked before `options.layer` is
 * called. Throws as {@link applyChanges}, and NotFound when the parent is gone.
 */
export async function commitImage(
  room: Room,
  options: CommitOptions,
): Promise<{ image: Image; reference: string }> {
  const name = target(options.repo, options.tag);
  const parent = room.views.get(options.parent);
  if (parent === undefined) throw notFound(`unrecognized image ID ${options.parent}`);
  const config = fillIn(applyChanges(options.config, options.changes), options.container);
  using hold = room.collector.hold();
  hold.layers.add(...parent.diffIds);
  const { diffId, blob } = await takeLayer(room, await options.layer());
  hold.layers.add(diffId);
  hold.blobs.add(blob.digest);
  const empty = diffId === EMPTY_LAYER;
  const diffIds = empty ? parent.diffIds : [...parent.diffIds, diffId];
  const document = childConfig(parent.config, { ...options, config, diffIds, empty });
  const id = room.content.put(encodeImageConfig(document));
  hold.blobs.add(id);
  room.records.transaction(() => {
    const size = chainSize(room, diffIds);
    room.records.addImage({ id, diffIds: [...diffIds], size, parent: parent.id });
    if (!empty) room.records.addLayerBlob(diffId, blob);
    if (name !== undefined) room.records.setTag(name.name, name.tag, id);
  });
  hold.release();
  if (empty) await room.collector.drop([diffId], [blob.digest]);
  tell(room, 'create', id, id, document);
  if (name === undefined) return { image: room.views.get(id)!, reference: '' };
  const reference = familiarString(withTag(parseReference(name.name), name.tag));
  tell(room, 'tag', id, reference, document);
  return { image: room.views.get(id)!, reference };
}

/** Docker's rules for what of the container's config shows through that of the request (moby daemon/commit.go `merge`). */
function fillIn(config: ContainerDefaults, container: ContainerDefaults): ContainerDefaults {
  const out: ContainerDefaults = { ...config };
  const noEntrypoint = !out.Entrypoint?.length;
  if (noEntrypoint && !out.Cmd?.length) out.Cmd = container.Cmd;
  if (noEntrypoint && !out.Entrypoint) out.Entrypoint = container.Entrypoint;
  out.User ||= container.User;
  out.WorkingDir ||= container.WorkingDir;
  out.StopSignal ||= container.StopSignal;
  const own = new Set((out.Env ?? []).map(variableName));
  out.Env = [...(out.Env ?? []), ...(container.Env ?? []).filter((line) => !own.has(variableName(line)))];
  out.ExposedPorts = sorted({ ...container.ExposedPorts, ...out.ExposedPorts });
  out.Volumes = sorted({ ...container.Volumes, ...out.Volumes });
  out.Labels = sorted({ ...container.Labels, ...out.Labels });
  if (out.Healthcheck || container.Healthcheck) {
    out.Healthcheck = { ...container.Healthcheck, ...out.Healthcheck };
  }
  return withoutEmpty(out);
}

/** By name, as Docker writes them. */
function sorted<T>(map: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const variableName = (line: string): string => line.split('=', 1)[0]!;

const FIELDS = [
  'User',
  'ExposedPorts',
  'Env',
  'Entrypoint',
  'Cmd',
  'Volumes',
  'WorkingDir',
  'Labels',
  'StopSignal',
  'StopTimeout',
  'ArgsEscaped',
  'Healthcheck',
  'OnBuild',
  'Shell',
] as const;

/** Only what an image has (a container's config has its host name and streams, too), and of that what says something. */
function withoutEmpty(config: ContainerDefaults): ContainerDefaults {
  const says = (value: unknown): boolean =>
    typeof value === 'object' && value !== null
      ? Object.keys(value).length > 0
      : value !== undefined && value !== null && value !== '' && value !== false;
  return Object.fromEntries(FIELDS.flatMap((key) => (says(config[key]) ? [[key, config[key]]] : [])));
}

interface Child extends Pick<CommitOptions, 'author' | 'comment' | 'createdBy'> {
  config: ContainerDefaults;
  diffIds: readonly Digest[];
  empty: boolean;
}

function childConfig(parent: ImageConfig, child: Child): ImageConfig {
  const created = new Date().toISOString();
  const entry: HistoryEntry = {
    created,
    ...(child.author ? { author: child.author } : {}),
    ...(child.createdBy ? { created_by: child.createdBy } : {}),
    ...(child.comment ? { comment: child.comment } : {}),
    ...(child.empty ? { empty_layer: true } : {}),
  };
  return {
    created,
    ...(child.author ? { author: child.author } : {}),
    architecture: parent.architecture,
    ...(parent.variant ? { variant: parent.variant } : {}),
    os: parent.os,
    ...(parent['os.version'] ? { 'os.version': parent['os.version'] } : {}),
    ...(parent['os.features'] ? { 'os.features': parent['os.features'] } : {}),
    config: child.config,
    rootfs: { type: 'layers', diff_ids: child.diffIds },
    history: [...(parent.history ?? []), entry],
  };
}
