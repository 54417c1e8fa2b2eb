/** Names in a layer archive, and the errors that name them. */
import { joinMember, type MemberPath, parseMemberPath } from '../archive/index.ts';
import { invalidParameter, type WharfError } from '../errdefs/index.ts';

/** A path below a layer's root; the root itself has an empty `base`. */
export type LayerPath = MemberPath;

export const joinPath = joinMember;

/** How a name is shown in an error. */
export function showPath(bytes: string): string {
  const text = Buffer.from(bytes, 'latin1').toString();
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** The error for an archive that asks for something a layer cannot have. */
export function refused(path: string, reason: string): WharfError {
  return invalidParameter(`invalid layer: ${showPath(path)} ${reason}`, { code: 'bad_layer' });
}

/** The path as the bytes that system calls take. */
export function pathBytes(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

/** Takes a member's name apart; one that climbs above the root is refused, with Docker's words. */
export function parseLayerPath(name: Buffer): LayerPath {
  const path = parseMemberPath(name);
  if (path === undefined) throw refused(name.toString('latin1'), 'is outside of the layer');
  return path;
}
