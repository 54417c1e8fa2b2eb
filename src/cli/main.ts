/** `wharf`: finds the command, parses its flags, runs it, and ends with its status. */
import { main } from './index.ts';

process.exitCode = await main(process.argv.slice(2));
