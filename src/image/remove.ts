/** `docker rmi` and `docker image prune`: Docker's rules of untagging and deleting. */
import type { ImageDeleteResponseItem, ImagePruneResponse } from '@docker/node-sdk';
import { conflict, isKind, messageOf, type WharfError } from '../errdefs/index.ts';
import { type Digest, familiarName, parseReference, shortId, withDefaultTag } from '../oci/index.ts';
import { chainIds } from './chain-id.ts';
import { danglingFilter, imageFilter } from './list.ts';
import { isIdPrefix, resolveId } from './resolve.ts';
import { type Room, tell } from './room.ts';
import type { Filters } from './types.ts';

/** A name of an image: by tag or by digest. */
type Name = { name: string } & ({ tag: string; digest?: undefined } | { digest: Digest; tag?: undefined });

interface Removal {
  readonly room: Room;
  readonly force: boolean;
  /** Delete parents that nothing needs any more. */
  readonly prune: boolean;
  readonly items: ImageDeleteResponseItem[];
  /** What may be garbage now. */
  readonly layers: Digest[];
  readonly blobs: Digest[];
}

const text = (n: Name): string =>
  n.tag === undefined ? `${familiarName(n.name)}@${n.digest}` : `${familiarName(n.name)}:${n.tag}`;

function namesOf(room: Room, id: Digest): Name[] {
  const tags = room.records.tagsOf(id).map(({ name, tag }) => ({ name, tag }));
  const digests = room.records.repoDigestsOf(id).map(({ name, digest }) => ({ name, digest }));
  return [...tags, ...digests];
}

/**
 * Removes a name, and the image when it was its last one; or, given an ID, the image. Throws Conflict in Docker's
 * words when a container or another name is in the way.
 */
export async function remove(
  room: Room,
  ref: string,
  options: { force?: boolean; noPrune?: boolean } = {},
): Promise<ImageDeleteResponseItem[]> {
  return (await removeCounted(room, ref, options)).items;
}

async function removeCounted(
  room: Room,
  ref: string,
  options: { force?: boolean; noPrune?: boolean },
): Promise<{ items: ImageDeleteResponseItem[]; bytes: number }> {
  const removal: Removal = {
    room,
    force: options.force ?? false,
    prune: !options.noPrune,
    items: [],
    layers: [],
    blobs: [],
  };
  room.records.transaction(() => removeByRef(removal, ref));
  const bytes = await room.collector.drop(removal.layers, removal.blobs);
  return { items: removal.items, bytes };
}

function removeByRef(r: Removal, ref: string): void {
  const id = resolveId(r.room.records, ref);
  const names = namesOf(r.room, id);
  if (isIdPrefix(id, ref)) {
    // By ID: all names go with it when they are of one repository; else the helper below finds them in the way.
    if (isSingle(names)) {
      const found = findConflict(r, id, { names: false });
      if (found !== undefined) throw found.error;
      for (const name of names) untag(r, id, name);
    }
    deleteImage(r, id, false);
    return;
  }
  const user = r.room.usedBy(id)[0];
  if (!r.force && isSingle(names) && user !== undefined) {
    throw conflict(
      `conflict: unable to remove repository reference "${ref}" (must force) - container ${shortId(user.id)} is using its referenced image ${shortId(id)}`,
    );
  }
  const removed = nameIn(names, ref);
  untag(r, id, removed);
  let left = namesOf(r.room, id);
  if (removed.tag !== undefined && !left.some((n) => n.tag !== undefined && n.name === removed.name)) {
    // Digests of a repository do not outlive its last tag.
    for (const name of left.filter((n) => n.name === removed.name)) untag(r, id, name);
    left = namesOf(r.room, id);
  }
  if (left.length === 0) deleteImage(r, id, true);
}

/** The name that the user's reference means. */
function nameIn(names: readonly Name[], ref: string): Name {
  const { name, tag, digest } = withDefaultTag(parseReference(ref));
  const found =
    names.find((n) => n.name === name && (digest === undefined ? n.tag === tag : n.digest === digest)) ??
    names.find((n) => n.name === name && n.tag === tag);
  return found ?? (digest === undefined ? { name, tag: tag ?? 'latest' } : { name, digest });
}

/** At most one tag, and digests of its repository only. */
function isSingle(names: readonly Name[]): boolean {
  if (names.length <= 1) return true;
  const tags = names.filter((n) => n.tag !== undefined);
  const repositories = new Set(names.map((n) => n.name));
  return tags.length <= 1 && repositories.size === 1;
}

function untag(r: Removal, id: Digest, name: Name): void {
  if (name.tag === undefined) r.room.records.removeRepoDigest(name.name, name.digest);
  else r.room.records.removeTag(name.name, name.tag);
  r.items.push({ Untagged: text(name) });
  tell(r.room, 'untag', id, id, r.room.views.config(id));
}

/** What stands in the way: hard conflicts always, soft ones unless forced. */
function findConflict(
  r: Removal,
  id: Digest,
  check: { names: boolean },
): { error: WharfError; used: boolean } | undefined {
  const refuse = (how: string, why: string, used = false): { error: WharfError; used: boolean } => ({
    error: conflict(`conflict: unable to delete ${shortId(id)} (${how} be forced) - ${why}`),
    used,
  });
  const { room, force } = r;
  if (room.records.children(id).length > 0) return refuse('cannot', 'image has dependent child images');
  const users = room.usedBy(id);
  const running = users.find((user) => user.running);
  if (running !== undefined) {
    return refuse('cannot', `image is being used by running container ${shortId(running.id)}`, true);
  }
  if (force) return undefined;
  if (check.names && namesOf(room, id).length > 0) {
    return refuse('must', 'image is referenced in multiple repositories');
  }
  const stopped = users[0];
  if (stopped !== undefined) {
    return refuse('must', `image is being used by stopped container ${shortId(stopped.id)}`, true);
  }
  return undefined;
}

/** `quiet`: a name went already, so that a conflict is told only when it leaves a nameless image behind. */
function deleteImage(r: Removal, id: Digest, quiet: boolean): void {
  const { room } = r;
  const found = findConflict(r, id, { names: true });
  if (found !== undefined) {
    const dangling = namesOf(room, id).length === 0 && room.records.children(id).length === 0;
    if (quiet && (!dangling || found.used)) return;
    throw found.error;
  }
  const parent = room.records.image(id)?.parent;
  const config = room.views.config(id);
  for (const name of namesOf(room, id)) untag(r, id, name);
  const diffIds = room.records.diffIds(id);
  r.layers.push(...diffIds);
  r.blobs.push(id, ...room.records.manifestsOf(id).map((m) => m.digest));
  room.records.removeImage(id);
  room.views.forget(id);
  r.items.push({ Deleted: id }, ...goneChains(room, diffIds).map((chain) => ({ Deleted: chain })));
  tell(room, 'delete', id, id, config);
  if (r.prune && parent && room.records.image(parent) !== undefined && namesOf(room, parent).length === 0) {
    deleteImage({ ...r, force: false }, parent, true);
  }
}

/** The chains, top first, that no image has any more: what Docker calls the deleted layers. */
function goneChains(room: Room, diffIds: readonly Digest[]): Digest[] {
  const used = new Set<Digest>();
  const first = diffIds[0];
  for (const row of room.records.images()) {
    const other = room.records.diffIds(row.id);
    if (other[0] === first) for (const chain of chainIds(other)) used.add(chain);
  }
  return chainIds(diffIds)
    .filter((chain) => !used.has(chain))
    .reverse();
}

/** Removes images without a tag, or with `dangling=false` all that no container uses. */
export async function prune(room: Room, filters: Filters = {}): Promise<ImagePruneResponse> {
  const danglingOnly = danglingFilter(filters) ?? true;
  const keeps = imageFilter(room, filters);
  const items: ImageDeleteResponseItem[] = [];
  let bytes = 0;
  for (const row of room.records.images()) {
    // A parent pruned with its child is gone by now.
    if (room.records.image(row.id) === undefined || !keeps(row, room.views.config(row.id))) continue;
    if (room.usedBy(row.id).length > 0 || room.records.children(row.id).length > 0) continue;
    const names = namesOf(room, row.id);
    if (danglingOnly && names.some((n) => n.tag !== undefined)) continue;
    for (const ref of names.length === 0 ? [row.id] : names.map(text)) {
      if (room.records.image(row.id) === undefined) break;
      try {
        const done = await removeCounted(room, ref, {});
        items.push(...done.items);
        bytes += done.bytes;
      } catch (err) {
        if (!isKind(err, 'Conflict', 'NotFound')) throw err;
        room.log(`prune: ${ref} stays: ${messageOf(err)}`);
      }
    }
  }
  await room.collector.sweep();
  room.onEvent({ action: 'prune', id: '', attributes: { reclaimed: String(bytes) } });
  return { ImagesDeleted: items, SpaceReclaimed: bytes };
}
