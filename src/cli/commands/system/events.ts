/** `events` */
import type { EventMessage } from '@docker/node-sdk';
import type { Command } from '../../command.ts';
import { CliError, messageOf } from '../../errors.ts';
import { flag } from '../../flags/flag.ts';
import { templateFailure } from '../../format/list.ts';
import { localRfc3339 } from '../../format/text.ts';
import { parseTimestamp } from '../../parse/timestamp.ts';
import { filterFlag, inspectFormat } from '../common-flags.ts';
import { encodeFilters } from '../filters.ts';

/** The time with all nine digits, which a JavaScript number cannot hold: taken from the text of the JSON. */
function exactTime(json: string, event: EventMessage): string {
  const nanoseconds = /"timeNano":(\d+)/.exec(json)?.[1] ?? String((event.time ?? 0) * 1e9);
  const seconds = Number(nanoseconds.slice(0, -9));
  const iso = new Date(seconds * 1000).toISOString();
  return localRfc3339(iso.replace(/\.\d+Z$/, `.${nanoseconds.slice(-9)}Z`));
}

/** `2026-11-24T02:06:15.073432847Z volume create v1 (driver=local)` */
function eventLine(json: string, event: EventMessage): string {
  let line = `${exactTime(json, event)} ${event.Type} ${event.Action} ${event.Actor?.ID}`;
  const attributes = Object.entries(event.Actor?.Attributes ?? {});
  if (attributes.length) {
    line += ` (${attributes
      .map(([key, value]) => `${key}=${value}`)
      .toSorted()
      .join(', ')})`;
  }
  return line;
}

/** Lines of a stream, with the last even without newline. */
async function* lines(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let text = '';
  for await (const chunk of body) {
    const parts = (text + chunk.toString('utf8')).split('\n');
    text = parts.pop() ?? '';
    for (const part of parts) if (part.trim() !== '') yield part;
  }
  if (text.trim() !== '') yield text;
}

export const events: Command = {
  use: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: [
    filterFlag,
    flag('format', 'string', inspectFormat.usage, { complete: ['json'] }),
    flag('since', 'string', 'Show all events created since timestamp'),
    flag('until', 'string', 'Stream events until this timestamp'),
  ],
  async run(cli, flags) {
    const time = (which: 'since' | 'until'): string | undefined => {
      try {
        return flags.string(which) ? parseTimestamp(flags.string(which)) : undefined;
      } catch (err) {
        throw new CliError(messageOf(err));
      }
    };
    const format = flags.string('format');
    const { Template } =
      format && format !== 'json' ? await import('../../../template/index.ts') : { Template: undefined };
    let template: InstanceType<NonNullable<typeof Template>> | undefined;
    try {
      template = Template && new Template(format);
    } catch (err) {
      throw new CliError(`Error parsing format: ${messageOf(err)}`, { exitCode: 64 });
    }
    const response = await cli.client.call('GET', '/events', {
      query: { since: time('since'), until: time('until'), filters: encodeFilters(flags.list('filter')) },
    });
    for await (const json of lines(response.body())) {
      const event = JSON.parse(json) as EventMessage;
      try {
        if (format === 'json') cli.out.line(json.trim());
        else cli.out.line(template ? template.render(event) : eventLine(json, event));
      } catch (err) {
        templateFailure(err);
      }
    }
  },
};
