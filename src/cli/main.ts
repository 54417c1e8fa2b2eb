/** `wharf`: the process. */
import { main } from './index.ts';

// Output is written at once, so nothing is lost; sockets and terminals that are still open do not hold us up.
process.exit(await main(process.argv.slice(2)));
