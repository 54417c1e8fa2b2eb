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

export const ACCEPTED: readonly AcceptedRule[] = [
  { field: /(^|\.)Runtime$/, reason: 'crun is the default runtime, not runc' },
  {
    field: /GraphDriver\.Data|ImageManifestDescriptor/,
    reason:
      'layers and mounts lie elsewhere; the image\u2019s manifest is told, as with Docker\u2019s containerd image store',
  },
  {
    field: /SandboxID$|SandboxKey$|Networks\.host\.EndpointID$/,
    reason: 'the host\u2019s network needs no sandbox; a namespace is named by the whole id',
  },
  { field: /bridge\.name$/, reason: 'the default bridge has our name' },
  { payload: /^(asked: )?info/, reason: 'lists that Docker leaves out when they are empty; no containerd' },
  {
    payload: /^(image|volume|network|events)/,
    field: /RepoDigests|Labels|Warnings|Options|LastTagTime|Attributes|^id$/,
    reason: 'an empty list or object where Docker has null; labels in the event of a removed image',
  },
  { payload: /size/, field: /SizeRw/, reason: 'a container that has written nothing' },
  { field: /Mounts\[\d\]\.Source$/, reason: 'Docker leaves out where an anonymous volume lies, in lists' },
  {
    field: /(^|body\.)(name|id|os_type)$/,
    payload: /stats/,
    reason: 'name and id are in every sample; Docker leaves them out of one-shot ones',
  },
  {
    field: /MacAddress$/,
    payload: /names/,
    reason: 'the address is the endpoint\u2019s, and not shown among what was asked',
  },
  {
    payload:
      /start|program missing|did not start|no such program|no permission|no such directory|relative directory/,
    field: /message|Error|status|^body$|^$/,
    reason: 'the runtime\u2019s own words: crun\u2019s, and the cause told more closely',
  },
  { payload: /no image/, reason: 'Docker makes a container of nothing, which cannot start' },
  {
    payload: /create.*: (log|ulimit|sysctl|tmpfs|user namespace|restart|stop signal|shm)/,
    reason: 'refused at creation, where Docker refuses at the start, or hangs while it asks for a plugin',
  },
  { field: /^status$/, ours: /400/, theirs: /500/, reason: '400: the request is wrong, not the engine' },
  {
    payload: /bind|relative target|security option|extra host|host port|port bad/,
    field: /message/,
    reason: 'the whole specification is named',
  },
  { payload: /volumes from nobody/, field: /^status$/, reason: 'an unknown container is 404' },
  { payload: /archive/, field: /message/, reason: 'Docker\u2019s text lacks a blank' },
  { payload: /attach/, field: /^body$/, reason: 'errors before the stream are JSON, as on every other path' },
  { payload: /DELETE|remove a running/, field: /message/, reason: 'calls the container by its name' },
  { payload: /since=x|logs/, field: /message/, reason: 'says which parameter is wrong' },
  {
    payload:
      /rename|signal=99|detachKeys|DetachKeys|pause|exec|predefined|networks\/create \{"Name":"bridge"\}/,
    field: /message|^status$/,
    reason: 'the same in words of Docker 28, or said more closely; 409 for what has ended',
  },
  { payload: /nonsense/, reason: 'Docker waits for a plugin; we know at once that there is none' },
  { payload: /networks\/nobody\/connect/, reason: '404 for a network there is none of' },
  { payload: /exec/, reason: 'an exec that cannot be made is not kept' },
  { payload: /refused|update/, peer: '20.10', field: /message/, reason: 'the words of Docker 28' },
];

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
