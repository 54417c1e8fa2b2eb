import { join } from 'node:path';
import { DEFAULT_PATH, type Recipe, sourceDateEpoch } from '../recipe.ts';
import { run } from '../run.ts';

const SOURCE = join(import.meta.dirname, 'hello-world.c');

/** 2026-11-24, when the text was written. */
const EPOCH = 1_795_478_400;

/** One static program of about 2 KB that needs no C library: it prints a text and ends. */
export const helloWorld: Recipe = {
  name: 'hello-world',
  inputs: () => '',
  async build({ rootfs, say }) {
    say('compiling hello.c');
    // Without build id and with everything in one segment the program stays under 3 KB, and is the same wherever it is built.
    await run('gcc', [
      ...[
        '-Os',
        '-static',
        '-nostdlib',
        '-ffreestanding',
        '-fno-stack-protector',
        '-fno-asynchronous-unwind-tables',
      ],
      ...[
        '-fno-pie',
        '-no-pie',
        '-fno-ident',
        '-Wall',
        '-Wextra',
        '-Werror',
        '-s',
        '-Wl,--build-id=none',
        '-Wl,-n',
      ],
      ...['-Wl,-z,noseparate-code', '-o', join(rootfs, 'hello'), SOURCE],
    ]);
    return {
      tags: ['hello-world:latest'],
      config: { Cmd: ['/hello'], Env: [DEFAULT_PATH], WorkingDir: '/' },
      epoch: sourceDateEpoch(EPOCH),
      createdBy: 'COPY hello / # library/recipes/hello-world.c',
    };
  },
};
