import { writeSync } from 'node:fs';
import type { EngineLog } from '../engine/index.ts';
import { redact } from '../errdefs/index.ts';

export interface DaemonLog extends EngineLog {
  /** Sets the least level that is written. */
  level(name: string): void;
}

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;

/**
 * The daemon's log: lines of `time level message` on stderr, for journald or a file. Written at once, so that
 * the last words before a crash are there. (pino was measured: 9 MB resident, for this.)
 */
export function createLog(level: string): DaemonLog {
  let least = LEVELS.indexOf(level as (typeof LEVELS)[number]);
  const at =
    (index: number, name: string) =>
    (message: string): void => {
      if (index < least) return;
      const line = `time="${new Date().toISOString()}" level=${name} msg=${JSON.stringify(redact(message))}\n`;
      try {
        writeSync(2, line);
      } catch {
        // Nobody reads the log: that must not stop the engine.
      }
    };
  const enabled = (name: string): boolean => LEVELS.indexOf(name as (typeof LEVELS)[number]) >= least;
  return {
    level(name) {
      least = LEVELS.indexOf(name as (typeof LEVELS)[number]);
    },
    enabled,
    debug: at(0, 'debug'),
    info: at(1, 'info'),
    warn: at(2, 'warning'),
    error: at(3, 'error'),
  };
}
