/** Flags that many commands share. */
import { type Flag, flag } from '../flags/flag.ts';

const FORMATS = `'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.`;

/** `--format` of lists. */
export const listFormat: Flag = flag(
  'format',
  'string',
  `Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
${FORMATS}`,
  { complete: ['json', 'table'] },
);

/** `--format` of commands that show one thing. */
export const inspectFormat: Flag = flag(
  'format,f',
  'string',
  `Format output using a custom template:\n${FORMATS}`,
  {
    complete: ['json'],
  },
);

export const filterFlag: Flag = flag('filter,f', 'filter', 'Filter output based on conditions provided');
export const noTruncFlag: Flag = flag('no-trunc', 'bool', "Don't truncate output");
export const detachKeysFlag: Flag = flag(
  'detach-keys',
  'string',
  'Override the key sequence for detaching a container',
);
