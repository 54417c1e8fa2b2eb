/** What of the settings can change while the daemon runs, as with dockerd's SIGHUP. */
import type { EngineConfig } from './config.ts';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const RELOADABLE = ['labels', 'liveRestore', 'debug', 'runtimes', 'defaultRuntime'] as const;

/**
 * Takes over into `config` what may change, and gives the attributes of the event that tells of it (moby's names).
 * The registries' settings are changed in place: who has them sees the new ones at the next pull or push.
 */
export function reloadConfig(config: EngineConfig, fresh: EngineConfig): Record<string, string> {
  const target = config as Writable<EngineConfig>;
  for (const key of RELOADABLE) Object.assign(target, { [key]: fresh[key] });
  Object.assign(target.registry, {
    mirrors: fresh.registry.mirrors ?? [],
    insecureRegistries: fresh.registry.insecureRegistries ?? [],
  });
  return {
    debug: String(fresh.debug),
    labels: JSON.stringify(fresh.labels),
    'live-restore': String(fresh.liveRestore),
    'registry-mirrors': JSON.stringify(fresh.registry.mirrors ?? []),
    'insecure-registries': JSON.stringify(fresh.registry.insecureRegistries ?? []),
    'default-runtime': fresh.defaultRuntime,
    runtimes: Object.entries(fresh.runtimes)
      .map(([name, { path }]) => `${name}:${path}`)
      .join(' '),
  };
}
