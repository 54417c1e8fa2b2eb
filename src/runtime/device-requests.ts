/** `HostConfig.DeviceRequests` (`--device vendor.com/class=name`, `--gpus`): devices that CDI describes. */
import { invalidParameter, messageOf, system } from '../errdefs/index.ts';
import { applyCdiEdits } from './cdi-edits.ts';
import type { CdiRegistry } from './cdi-registry.ts';
import type { Spec } from './spec-types.ts';

/** A request, as the Engine API has it (1.40). */
export interface DeviceRequest {
  Driver?: string;
  /** -1: all. */
  Count?: number;
  DeviceIDs?: readonly string[];
  /** One of these sets, all of it. */
  Capabilities?: readonly (readonly string[])[];
  Options?: Readonly<Record<string, string>>;
}

/** Vendors of GPUs whose devices `--gpus` means, by what the driver is called. */
interface Vendor {
  driver: string;
  kind: string;
  capabilities: ReadonlySet<string>;
}

const VENDORS: readonly Vendor[] = [
  {
    driver: 'nvidia',
    kind: 'nvidia.com/gpu',
    capabilities: new Set([
      'gpu',
      'nvidia',
      'compute',
      'compat32',
      'graphics',
      'utility',
      'video',
      'display',
    ]),
  },
  { driver: 'amd', kind: 'amd.com/gpu', capabilities: new Set(['gpu', 'amd']) },
];

/**
 * Gives a container the devices it asks for: changes `spec`.
 * @throws System in Docker's words: no driver, unresolvable devices; InvalidParameter for contradictions
 */
export function injectDevices(
  spec: Spec,
  requests: readonly DeviceRequest[],
  registry: CdiRegistry | undefined,
): void {
  for (const request of requests) {
    const names = registry && registry.dirs.length > 0 ? cdiNames(request, registry) : undefined;
    if (names === undefined) {
      if (request.Driver === 'cdi') {
        throw system('CDI device injection failed: no CDI specification directories specified');
      }
      throw system(
        `could not select device driver "${request.Driver ?? ''}" with capabilities: ${goLists(request.Capabilities ?? [])}`,
        {
          hint: 'Devices are described by files in /etc/cdi or /var/run/cdi; `docker info` lists those found',
        },
      );
    }
    inject(spec, names, registry!);
  }
}

/** The devices a request means; undefined when no driver serves it. */
function cdiNames(request: DeviceRequest, registry: CdiRegistry): readonly string[] | undefined {
  const { Driver: driver = '', Count: count = 0, DeviceIDs: ids = [] } = request;
  if (driver === 'cdi') {
    if (count !== 0) throw invalidParameter('unexpected count in CDI device request');
    if (Object.keys(request.Options ?? {}).length > 0) {
      throw invalidParameter('unexpected options in CDI device request');
    }
    return ids;
  }
  const vendor = VENDORS.find(
    (each) =>
      (driver === '' || driver === each.driver || driver === `${each.driver}.cdi`) &&
      (driver.endsWith('.cdi') || matches(each, request)) &&
      registry.hasKind(each.kind),
  );
  if (vendor === undefined) return undefined;
  if (count !== 0 && ids.length > 0) {
    throw invalidParameter('cannot set both Count and DeviceIDs on device request');
  }
  const wanted =
    ids.length > 0 ? ids : count < 0 ? ['all'] : Array.from({ length: count }, (_, index) => String(index));
  return wanted.map((id) => (id.includes('=') ? id : `${vendor.kind}=${id}`));
}

const matches = (vendor: Vendor, { Capabilities: sets = [] }: DeviceRequest): boolean =>
  sets.some((set) => set.every((capability) => vendor.capabilities.has(capability)));

function inject(spec: Spec, names: readonly string[], registry: CdiRegistry): void {
  const edits = registry.resolve(names);
  if (edits === undefined) {
    throw system(`CDI device injection failed: unresolvable CDI devices ${names.join(', ')}`, {
      hint: `No file in ${registry.dirs.join(' or ')} describes them all`,
    });
  }
  try {
    applyCdiEdits(spec, edits);
  } catch (err) {
    throw system(`CDI device injection failed: failed to inject devices: ${messageOf(err)}`, { cause: err });
  }
}

/** `[][]string` as Go prints it, which clients match on. */
const goLists = (sets: readonly (readonly string[])[]): string =>
  `[${sets.map((set) => `[${set.join(' ')}]`).join(' ')}]`;
