/** What a log driver knows of a container, and what its options choose of that: tag and attributes. */
import { hostname } from 'node:os';
import { STRUCT, Template } from '../template/index.ts';
import { parseRegExp } from './values.ts';

/** A container as log drivers see it (moby's logger.Info). */
export interface LogInfo {
  /** `HostConfig.LogConfig.Config`. */
  config: Readonly<Record<string, string>>;
  containerId: string;
  /** Without a leading slash. */
  containerName: string;
  /** The program, and its arguments. */
  path: string;
  args: readonly string[];
  /** `sha256:…` */
  imageId: string;
  imageName: string;
  /** RFC 3339. */
  created: string;
  /** `KEY=value` */
  env: readonly string[];
  labels: Readonly<Record<string, string>>;
}

/** Docker's default for drivers that cannot do without a tag. */
export const DEFAULT_TAG = '{{.ID}}';
const DAEMON_NAME = 'docker';
const SHORT_ID = 12;

const short = (id: string): string => id.replace(/^[a-z0-9]+:/, '').slice(0, SHORT_ID);

/** The container's program with its arguments. */
export const commandOf = (info: LogInfo): string => [info.path, ...info.args].join(' ');

/**
 * The labels and variables that the options `labels`, `labels-regex`, `env` and `env-regex` choose.
 * @param rename how a key is written @throws Error for an invalid regular expression
 */
export function extraAttributes(
  info: LogInfo,
  rename: (key: string) => string = (key) => key,
): Record<string, string> {
  const variables = new Map<string, string>();
  for (const variable of info.env) {
    const at = variable.indexOf('=');
    if (at !== -1) variables.set(variable.slice(0, at), variable.slice(at + 1));
  }
  const attributes: Record<string, string> = {};
  choose(attributes, new Map(Object.entries(info.labels)), info.config, 'labels', rename);
  choose(attributes, variables, info.config, 'env', rename);
  return attributes;
}

function choose(
  into: Record<string, string>,
  from: ReadonlyMap<string, string>,
  config: LogInfo['config'],
  option: 'labels' | 'env',
  rename: (key: string) => string,
): void {
  const names = new Set((config[option] ?? '').split(',').filter(Boolean));
  const pattern = config[`${option}-regex`];
  const matcher = pattern ? parseRegExp(pattern) : undefined;
  for (const [key, value] of from) if (names.has(key) || matcher?.test(key)) into[rename(key)] = value;
}

/** The tag by the option `tag`, a Go template. @throws Error that text/template has for it */
export function logTag(info: LogInfo, fallback: string): string {
  const source = info.config.tag || fallback;
  if (!source.includes('{{')) return source;
  return new Template(source, 'log-tag').render(templateInfo(info));
}

/** The fields and methods of moby's logger.Info. */
function templateInfo(info: LogInfo): object {
  return {
    [STRUCT]: '*logger.Info',
    Config: info.config,
    ContainerID: info.containerId,
    ContainerName: `/${info.containerName}`,
    ContainerEntrypoint: info.path,
    ContainerArgs: info.args,
    ContainerImageID: info.imageId,
    ContainerImageName: info.imageName,
    ContainerCreated: info.created,
    ContainerEnv: info.env,
    ContainerLabels: info.labels,
    LogPath: '',
    DaemonName: DAEMON_NAME,
    ID: () => short(info.containerId),
    FullID: () => info.containerId,
    Name: () => info.containerName,
    ImageID: () => short(info.imageId),
    ImageFullID: () => info.imageId,
    ImageName: () => info.imageName,
    Hostname: () => hostname(),
    Command: () => commandOf(info),
    ExtraAttributes: () => extraAttributes(info),
  };
}
