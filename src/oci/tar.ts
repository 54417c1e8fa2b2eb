/** Tar archives; the parts that other rooms use. */
export { type TarHandler, type TarLimits, TarParser } from './tar-parser.ts';
export { readTar, type TarMember } from './tar-reader.ts';
export type { SparseSegment, TarEntry, TarEntryInput, TarType } from './tar-types.ts';
export {
  encodeTarHeader,
  TAR_TRAILER,
  type TarInput,
  tarPadding,
  tarStream,
  writeTar,
} from './tar-writer.ts';
