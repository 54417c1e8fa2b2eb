/**
 * Logs of containers: which drivers there are and what they are asked (log-config.ts), reading what the shim has written, through
 * rotation and compression (log-reader.ts), and delivery to log servers (log-forwarder.ts, sender.ts).
 */
export { compressLogFile, placeCompressed, type RotatedFile, uncompressed } from './log-compress.ts';
export {
  checkLogInfo,
  LOG_DRIVERS,
  type LogConfig,
  type LogPaths,
  type LogPlan,
  mergeLogConfig,
  planLog,
  validateLogConfig,
} from './log-config.ts';
export { LogForwarder, type LogWriter } from './log-forwarder.ts';
export type { LogInfo } from './log-info.ts';
export { type ReadLogsOptions, readLogs } from './log-reader.ts';
export type { LogSender } from './sender.ts';
export { createSender } from './senders.ts';
