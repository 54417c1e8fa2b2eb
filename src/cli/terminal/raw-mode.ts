/** Raw mode of the terminal on standard input. */
import { spawnSync } from 'node:child_process';

/** Switches the terminal to raw and gives the function that switches back. */
export function enterRawMode(): () => void {
  const { stdin } = process;
  if (!stdin.isTTY) return () => {};
  stdin.setRawMode(true);
  // Node's raw mode leaves output processing on (NL becomes CR NL), which breaks full-screen programs.
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
  let entered = true;
  return () => {
    if (entered) stdin.setRawMode(false);
    entered = false;
  };
}
