/** File attributes of ext2/3/4 and others (man 2 ioctl_iflags, man 1 chattr). */
import { closeFd, O, openAt } from './fd.ts';
import { check, isErrno, libcFunction } from './libc.ts';

const ioctl = libcFunction<[number, number, Buffer]>('int ioctl(int fd, unsigned long request, void *arg)');
// _IOR('f', 1, long) and _IOW('f', 2, long) on 64-bit machines.
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_TOPDIR_FL = 0x20000;

/**
 * Tells ext4 that the directories in `path` have nothing to do with each other (chattr +T): each gets a place of its
 * own on the disk instead of one next to its neighbours. Without a journal, ext4 shuns inodes deleted in the last
 * five minutes by looking at every one of them for each new file; elsewhere there are none. False where the file
 * system knows no such flag.
 */
export function markTopDir(path: string): boolean {
  const fd = openAt(-100, path, O.RDONLY | O.DIRECTORY);
  try {
    const flags = Buffer.alloc(8);
    check('ioctl', ioctl(fd, FS_IOC_GETFLAGS, flags), path);
    flags.writeUInt32LE(flags.readUInt32LE() | FS_TOPDIR_FL);
    check('ioctl', ioctl(fd, FS_IOC_SETFLAGS, flags), path);
    return true;
  } catch (err) {
    if (isErrno(err, 'ENOTTY', 'EOPNOTSUPP', 'EINVAL', 'EPERM', 'ENOSYS')) return false;
    throw err;
  } finally {
    closeFd(fd);
  }
}
