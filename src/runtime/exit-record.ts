import fs from 'node:fs';
import { dataLoss } from '../errdefs/index.ts';
import { isErrno } from '../linux/index.ts';
import { checkExitRecord } from './shim-messages.ts';
import type { ExitRecord } from './shim-types.ts';

/** The exit record at `exitPath`; undefined when there is none. @throws dataLoss when it is damaged */
export function readExit(exitPath: string): ExitRecord | undefined {
  let text: string;
  try {
    text = fs.readFileSync(exitPath, 'utf8');
  } catch (err) {
    if (isErrno(err, 'ENOENT')) return undefined;
    throw err;
  }
  try {
    return checkExitRecord(JSON.parse(text));
  } catch (err) {
    throw dataLoss(`exit record ${exitPath} is damaged`, { cause: err });
  }
}
