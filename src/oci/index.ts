/**
 * Pure formats of the Open Container Initiative and of Docker's registries: digests, references, descriptors,
 * manifests, image configs, platforms, layer archives. Nothing here touches the network or the state of the engine.
 */
export * from './descriptor.ts';
export * from './digest.ts';
export * from './image-config.ts';
export * from './manifest.ts';
export * from './platform.ts';
export * from './reference.ts';
export * from './tar.ts';
