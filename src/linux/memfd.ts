/** Files in memory that nobody can change any more (man 2 memfd_create, fcntl: file sealing). */
import fs from 'node:fs';
import { closeFd } from './fd.ts';
import { check, libcFunction } from './libc.ts';

const c = {
  memfdCreate: libcFunction<[string, number]>('int memfd_create(const char *name, unsigned int flags)'),
  fcntl: libcFunction<[number, number, number]>('int fcntl(int fd, int cmd, int arg)'),
};

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
/** F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE */
const ALL_SEALS = 0xf;

/** A sealed copy of the file at `path` in memory, executable as `/proc/self/fd/N`. The descriptor (close-on-exec) is yours. */
export function sealedCopy(path: string, name: string): number {
  const content = fs.readFileSync(path);
  const fd = check('memfd_create', c.memfdCreate(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), path);
  try {
    for (let done = 0; done < content.length; ) done += fs.writeSync(fd, content, done);
    check('fcntl', c.fcntl(fd, F_ADD_SEALS, ALL_SEALS), path);
    return fd;
  } catch (err) {
    closeFd(fd);
    throw err;
  }
}
