/**
 * The words of an explanation: why a container is as it is. Each part of this folder looks at one kind of fact and has a
 * finding or none; the first is what it comes down to. All of it is made of what is written down and of what the machine
 * shows now, so a new daemon explains as well as the one that saw it happen.
 */
import { humanDuration } from '../time.ts';

/** One fact and its meaning. */
export interface Finding {
  /** For programs: `oom-killed`, `port-in-use`, … They are listed in docs/health.md. */
  Code: string;
  /** One or two sentences. */
  Text: string;
  /** What it is concluded from. */
  Evidence: string[];
  /** What may help. */
  Try: string[];
}

/** The answer of `GET /wharf/containers/{id}/explain`. */
export interface Explanation {
  Id: string;
  Name: string;
  /** As in inspect: `running`, `restarting`, `exited`, … */
  Status: string;
  /** `starting`, `healthy`, `unhealthy`; absent without a health check. */
  Health?: string;
  /** The first finding's text. */
  Summary: string;
  /** The most telling first. */
  Findings: Finding[];
  /** The last lines of its log. */
  Log: string[];
}

/** `2 minutes ago`. @param time RFC 3339 */
export const ago = (time: string): string =>
  `${humanDuration(Math.max(0, Date.now() - Date.parse(time))).toLowerCase()} ago`;

/** How long from one time to another: `3 seconds`. */
export const lasted = (from: string, to: string): string =>
  humanDuration(Math.max(0, Date.parse(to) - Date.parse(from))).toLowerCase();

/** Bytes as people say them: `64 MiB`. */
export function mebibytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, bytes > 0 ? Math.floor(Math.log2(bytes) / 10) : 0);
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${units[power]}`;
}
