/** The mount table (man 5 proc_pid_mountinfo). */
import fs from 'node:fs';

/** A line of /proc/self/mountinfo (man 5 proc). */
export interface MountInfo {
  id: number;
  parentId: number;
  /** `major:minor`. */
  device: string;
  /** The directory of the file system that is mounted. */
  root: string;
  mountPoint: string;
  options: string[];
  /** `shared:N`, `master:N`, … */
  optionalFields: string[];
  fsType: string;
  source: string;
  superOptions: string[];
}

const unescapeOctal = (text: string): string =>
  text.includes('\\')
    ? text.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)))
    : text;

/** The mounts of this process's namespace, in the order they were made. */
export function readMountInfo(path = '/proc/self/mountinfo'): MountInfo[] {
  return fs
    .readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map(parseMountInfoLine);
}

function parseMountInfoLine(line: string): MountInfo {
  const [front = '', back = ''] = line.split(' - ', 2);
  const [id, parentId, device = '', root = '', mountPoint = '', options = '', ...optionalFields] =
    front.split(' ');
  const [fsType = '', source = '', superOptions = ''] = back.split(' ');
  return {
    id: Number(id),
    parentId: Number(parentId),
    device,
    root: unescapeOctal(root),
    mountPoint: unescapeOctal(mountPoint),
    options: options.split(','),
    optionalFields,
    fsType,
    source: unescapeOctal(source),
    superOptions: superOptions.split(','),
  };
}
