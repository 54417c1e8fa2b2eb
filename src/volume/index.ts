/**
 * Volumes: data that outlives containers. A volume is a directory of the engine's (driver `local`) with
 * a name; the container room mounts it. Anonymous volumes have generated names and go with their container.
 */
export { ANONYMOUS_LABEL, VolumeService, type VolumeServiceOptions } from './volume-service.ts';
