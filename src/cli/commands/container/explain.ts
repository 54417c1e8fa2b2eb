/** `explain` (beyond Docker) */
import type { ContainerExplanation } from '../../../api/index.ts';
import { escapePath } from '../../client/client.ts';
import type { Command } from '../../command.ts';
import { CliError } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';

const INDENT = '    ';

/** A heading, and what stands under it, one below the other. */
function section(heading: string, lines: readonly string[]): string[] {
  return lines.flatMap((text, i) => {
    const lead = `${INDENT}${(i === 0 ? heading : '').padEnd(10)}`;
    return text
      .trimEnd()
      .split('\n')
      .map((line, j) => (j === 0 ? lead : ' '.repeat(lead.length)) + line);
  });
}

/** An explanation for people. */
export function renderExplanation({ Id, Name, Status, Health, Findings, Log }: ContainerExplanation): string {
  const lines = [`${Name} (${Id.slice(0, 12)}) is ${Status}${Health ? ` (health: ${Health})` : ''}`];
  for (const { Text, Evidence, Try } of Findings) {
    lines.push('', `  ${Text}`, ...section('evidence', Evidence), ...section('try', Try));
  }
  if (Log.length > 0)
    lines.push('', '  The last lines of its log:', ...Log.map((line) => `${INDENT}| ${line}`));
  return `${lines.join('\n')}\n`;
}

export const explain: Command = {
  use: '[OPTIONS] CONTAINER',
  long: 'Explain why a container is not running or not healthy, with the evidence and what to try',
  args: { min: 1, max: 1 },
  complete: ['containers'],
  flags: [
    flag('format', 'string', "Format of the output ('text' or 'json')", { complete: ['json', 'text'] }),
  ],
  async run(cli, flags, [name = '']) {
    const format = flags.string('format') || 'text';
    if (format !== 'text' && format !== 'json')
      throw new CliError(`unknown format "${format}": use text or json`);
    const path = `/wharf/containers/${escapePath(name)}/explain`;
    const explanation = await cli.client.get<ContainerExplanation>(path);
    cli.out.write(
      format === 'json' ? `${JSON.stringify(explanation, null, 4)}\n` : renderExplanation(explanation),
    );
  },
};
