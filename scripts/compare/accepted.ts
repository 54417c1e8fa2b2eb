/** Differences from Docker's answers that are meant, and why. The first row that fits counts. */
export interface Accepted {
  readonly ask: RegExp;
  readonly field: RegExp;
  readonly reason: string;
  /** Only where answers of this API version are compared. */
  readonly api?: string;
}

const ANY = /./;

export const ACCEPTED: readonly Accepted[] = [
  {
    ask: /^list$/,
    field: /Mounts\[\d\]\.Source/,
    reason: 'Docker leaves out where an anonymous volume lies, in lists',
  },
  { ask: ANY, field: /(^|\.)Runtime$/, reason: 'crun is the default runtime, not runc' },
  { ask: ANY, field: /GraphDriver\.Data/, reason: 'layers and mounts lie elsewhere' },
  { ask: ANY, field: /SandboxKey$/, reason: 'a network namespace is named by its whole id' },
  {
    ask: ANY,
    field: /ImageManifestDescriptor/,
    reason: 'tells of the image\u2019s manifest, as Docker does with its containerd image store',
  },
  {
    ask: /^in|^inspect: in the host/,
    field: /SandboxID$|Networks\.host\.EndpointID$/,
    reason: 'the host\u2019s network needs no sandbox and no endpoint',
  },
  {
    ask: /^info$/,
    field: /^(Containerd|DiscoveredDevices)$/,
    reason: 'no containerd; devices that CDI describes are listed, also when there are none',
  },
  {
    ask: /^stats/,
    field: /^(name|id|os_type)/,
    reason: 'name and id are in every sample; Docker leaves them out of one-shot ones',
  },
  {
    ask: /^remove a running/,
    field: /message/,
    reason: 'calls the container by its name, whatever the client called it',
  },
  {
    ask: /^exec start again/,
    field: ANY,
    reason: '409 as documented; Docker answers 200 and says so in the stream',
  },
  { ask: /^archive without a path/, field: /message/, reason: 'Docker\u2019s text lacks a blank' },
  {
    ask: /^start: |did not start/,
    field: /message|Error/,
    reason: 'no name of the runtime in the text; the cause is told more closely',
  },
  {
    ask: /^create refused: no image$/,
    field: ANY,
    reason: 'Docker makes a container of nothing, which cannot start',
  },
  {
    ask: /^create refused: (log size|log option|log driver|user namespace mode|tmpfs option|ulimit)/,
    field: ANY,
    reason: 'refused at creation, where Docker tells at the start or in other words',
  },
  {
    ask: /^create refused: (relative target|bind mode|security option|extra host|environment)/,
    field: /status|message/,
    reason: '400: the request is wrong, not the engine; Docker answers 500',
  },
  // ---- Debian's dockerd 20.10 is older than what wharfd follows; what is here was compared with Docker 28 at API 1.51.
  {
    api: '1.41',
    ask: ANY,
    field: /KernelMemory|GwPriority|DNSNames|execDuration|CDISpecDirs|MaskedPaths|^Error$/,
    reason: 'fields that came or went since 20.10, shown as Docker 28 shows them',
  },
  {
    api: '1.41',
    ask: ANY,
    field: /NetworkMode$|RestartPolicy\.Name$/,
    reason: 'defaults are written out, as since Docker 26',
  },
  {
    api: '1.41',
    ask: /^(kill|pause|resize|exec|top|commit|create refused|list refused|prune refused)/,
    field: /^message$/,
    reason: 'the words of Docker 28',
  },
  {
    api: '1.41',
    ask: /^create refused: (ipc|pid|uts) mode/,
    field: ANY,
    reason: 'refused at creation, as by Docker 28',
  },
  {
    api: '1.41',
    ask: /^(create refused: (ill-typed|no JSON)|list refused: no JSON)/,
    field: /^status$/,
    reason: '400 for what is no JSON, as Docker 28',
  },
];
