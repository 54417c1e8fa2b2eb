/** The engine: every room wired together on one data root. */
export { isHungUp, notifyService } from '../linux/index.ts';
export { engineBackends } from './backends.ts';
export type { EngineConfig, EngineLog } from './config.ts';
export { Engine } from './engine.ts';
export { logDefaults } from './log-defaults.ts';
export { securityDefaults } from './security.ts';
export { VERSION } from './version.ts';
