import { execFile } from 'node:child_process';

/** Runs a program to its end and gives its standard output. On failure the error shows the end of what it printed. */
export function run(program: string, args: readonly string[], env?: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      program,
      args,
      { env: { ...process.env, LC_ALL: 'C', ...env }, maxBuffer: 64 << 20 },
      (err, stdout, stderr) => {
        if (err === null) return resolve(stdout);
        const tail = `${stdout}\n${stderr}`.trim().split('\n').slice(-12).join('\n  ');
        reject(new Error(`${program} ${args.join(' ')} failed\n  ${tail}`, { cause: err }));
      },
    );
  });
}
