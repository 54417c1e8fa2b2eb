import { invalidParameter, messageOf } from '../errdefs/index.ts';
import { type LogConfig, validateLogConfig } from '../logging/index.ts';

/**
 * The log driver and its options of containers that name none.
 * @throws InvalidParameter in dockerd's words
 */
export function logDefaults(driver: string, options: Readonly<Record<string, string>>): LogConfig {
  const config = { Type: driver, Config: { ...options } };
  try {
    validateLogConfig(config);
  } catch (err) {
    throw invalidParameter(`failed to set log opts: ${messageOf(err)}`, { cause: err });
  }
  return config;
}
