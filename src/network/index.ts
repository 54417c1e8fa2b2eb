/**
 * Networking of containers: networks, addresses, host ports, names. See `types.ts` for the vocabulary and
 * the life cycle.
 */
export { checkPortBindings } from './host-ports.ts';
export { NetworkService, type NetworkServiceOptions } from './network-service.ts';
export type * from './types.ts';
