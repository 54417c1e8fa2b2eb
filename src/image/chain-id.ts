/** ChainIDs (OCI image-spec config.md "Layer ChainID"): the identity of a layer together with all below it. */
import { type Digest, digestOf } from '../oci/index.ts';

/** The chainIDs of a chain, base first: one for each diffID. */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const out: Digest[] = [];
  for (const diffId of diffIds) {
    const parent = out.at(-1);
    out.push(parent === undefined ? diffId : digestOf(`${parent} ${diffId}`));
  }
  return out;
}
