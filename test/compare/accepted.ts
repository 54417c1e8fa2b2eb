/** Differences that stay, with the reason: what a rule here matches is no finding. */
import type { Difference } from './difference.ts';

export interface AcceptedRule {
  /** Matched against the payload's name; absent: any. */
  payload?: RegExp;
  /** Matched against the field's path. */
  field?: RegExp;
  /** Matched against our value's JSON (`undefined` where absent). */
  ours?: RegExp;
  theirs?: RegExp;
  /** Only against daemons of this name (`20.10`, `28`). */
  peer?: string;
  reason: string;
}

export const ACCEPTED: readonly AcceptedRule[] = [];

/** The rule that accepts a difference, or undefined. */
export function accepted(difference: Difference, peer: string): AcceptedRule | undefined {
  const { payload, field, ours, theirs } = difference;
  const fits = (pattern: RegExp | undefined, text: string | undefined): boolean =>
    pattern === undefined || pattern.test(String(text));
  return ACCEPTED.find(
    (rule) =>
      fits(rule.payload, payload) &&
      fits(rule.field, field) &&
      fits(rule.ours, ours) &&
      fits(rule.theirs, theirs) &&
      (rule.peer === undefined || peer.startsWith(rule.peer)),
  );
}
