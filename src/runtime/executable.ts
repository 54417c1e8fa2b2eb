/** What the head of a program file says: ELF (man 5 elf) and `#!` scripts (man 2 execve). */
import { readSync } from 'node:fs';
import { machine } from '../linux/index.ts';

/** Machine numbers of ELF (linux/elf-em.h) to `uname -m`. */
const ELF_MACHINES: Readonly<Record<number, string>> = {
  3: 'i386',
  8: 'mips',
  20: 'ppc',
  21: 'ppc64',
  22: 's390x',
  40: 'arm',
  62: 'x86_64',
  183: 'aarch64',
  243: 'riscv',
  258: 'loongarch64',
};

/** What else than its own a machine runs. */
const ALSO_RUNS: Readonly<Record<string, readonly string[]>> = {
  x86_64: ['i386'],
  aarch64: ['arm'],
  riscv64: ['riscv'],
};

const isElf = (head: Buffer): boolean => head.length >= 20 && head.readUInt32BE(0) === 0x7f454c46;
const bigEndian = (head: Buffer): boolean => head[5] === 2;
const u16 = (head: Buffer, at: number): number =>
  bigEndian(head) ? head.readUInt16BE(at) : head.readUInt16LE(at);

/** Set when `head` is an ELF program for another architecture. */
export function foreignArchitecture(head: Buffer): { program: string; machine: string } | undefined {
  if (!isElf(head)) return undefined;
  const number = u16(head, 18);
  const program = ELF_MACHINES[number] ?? `ELF machine ${number}`;
  const own = machine();
  if (program === own || ALSO_RUNS[own]?.includes(program)) return undefined;
  return { program, machine: own };
}

const PT_INTERP = 3;
const MAX_PATH = 4096;

/**
 * The interpreter that the program open as `fd` needs: of a script, that of its first line; of a dynamically linked
 * program, its loader. Null when it needs none; undefined when the file is no program at all.
 */
export function readInterpreter(
  fd: number,
  head: Buffer,
): { path: string; kind: 'script' | 'loader' } | null | undefined {
  if (head[0] === 0x23 && head[1] === 0x21) {
    const line = head.toString('latin1', 2).split('\n', 1)[0] ?? '';
    const path = line.replace(/^[ \t]+/, '').split(/[ \t]/, 1)[0] ?? '';
    return path === '' ? undefined : { path, kind: 'script' };
  }
  if (!isElf(head)) return undefined;
  const path = elfInterpreter(fd, head);
  return path === undefined ? null : { path, kind: 'loader' };
}

function elfInterpreter(fd: number, head: Buffer): string | undefined {
  const is64 = head[4] === 2;
  if (head.length < (is64 ? 64 : 52)) return undefined;
  const word = (buffer: Buffer, at: number): number => {
    if (!is64) return bigEndian(head) ? buffer.readUInt32BE(at) : buffer.readUInt32LE(at);
    return Number(bigEndian(head) ? buffer.readBigUInt64BE(at) : buffer.readBigUInt64LE(at));
  };
  const [tableAt, size, count] = is64
    ? [word(head, 32), u16(head, 54), u16(head, 56)]
    : [word(head, 28), u16(head, 42), u16(head, 44)];
  if (size < (is64 ? 56 : 32) || count > 512) return undefined;
  const table = readAt(fd, tableAt, size * count);
  for (let at = 0; at + size <= table.length; at += size) {
    const type = bigEndian(head) ? table.readUInt32BE(at) : table.readUInt32LE(at);
    if (type !== PT_INTERP) continue;
    const [offset, length] = is64
      ? [word(table, at + 8), word(table, at + 32)]
      : [word(table, at + 4), word(table, at + 16)];
    return readAt(fd, offset, Math.min(length, MAX_PATH)).toString('utf8').replace(/\0.*$/s, '');
  }
  return undefined;
}

function readAt(fd: number, offset: number, size: number): Buffer {
  const buffer = Buffer.alloc(size);
  return buffer.subarray(0, readSync(fd, buffer, 0, size, offset));
}
