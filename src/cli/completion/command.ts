/** `completion bash|zsh|fish`, and the hidden `__complete` that their scripts call. */
import type { Command } from '../command.ts';
import { complete as candidates } from './candidates.ts';
import { BASH, FISH, ZSH } from './scripts.ts';

const script = (shell: string, text: string, how: string): Command => ({
  use: '',
  long: `Write the completion script for ${shell}.\n\n${how}`,
  args: { min: 0, max: 0 },
  flags: [],
  run: (cli) => cli.out.write(text),
});

export const bash: Command = script(
  'bash',
  BASH,
  'Load it in this shell:  source <(wharf completion bash)\nFor every shell:        wharf completion bash > /etc/bash_completion.d/wharf',
);
export const zsh: Command = script(
  'zsh',
  ZSH,
  'Load it in this shell:  source <(wharf completion zsh)\nFor every shell: write it to a file named _wharf in a directory of $fpath',
);
export const fish: Command = script(
  'fish',
  FISH,
  'Load it in this shell:  wharf completion fish | source\nFor every shell:        wharf completion fish > ~/.config/fish/completions/wharf.fish',
);

export const complete: Command = {
  use: '[WORD...]',
  args: { min: 0 },
  flags: [],
  raw: true,
  async run(cli, _flags, words) {
    const { items, files, noSpace } = await candidates(cli, words.length ? words : ['']);
    for (const { value, description } of items) {
      if (!/[\t\n]/.test(value))
        cli.out.line(description ? `${value}\t${description.replace(/[\t\n]/g, ' ')}` : value);
    }
    cli.out.line(files ? ':files' : noSpace ? ':nospace' : ':');
  },
};
