/** Pulls an image, with the credentials we hold for its registry. */

import { parseReference, type Reference } from '../../../oci/index.ts';
import { encodeAuth, loadCredentials } from '../../config/credentials.ts';
import type { Cli } from '../../context.ts';
import { CliError, messageOf } from '../../errors.ts';
import type { Output } from '../../output.ts';
import { showProgress } from '../../terminal/progress.ts';

/** How to pull. */
export interface PullOptions {
  platform: string;
  quiet: boolean;
  /** Where progress goes. */
  out: Output;
  /** Every tag of the repository. */
  all?: boolean;
}

/** Parses an image's name. @throws CliError with docker's words */
export function imageReference(text: string): Reference {
  try {
    return parseReference(text);
  } catch (err) {
    throw new CliError(messageOf(err));
  }
}

/** The `X-Registry-Auth` header for a registry. */
export const authHeader = (cli: Cli, domain: string): Record<string, string> => ({
  'X-Registry-Auth': encodeAuth(loadCredentials(cli.config, domain)),
});

/** Pulls `image`. */
export async function pullImage(cli: Cli, image: string, options: PullOptions): Promise<void> {
  const ref = imageReference(image);
  const { name, tag } = splitReference(image);
  const response = await cli.client.call('POST', '/images/create', {
    query: {
      fromImage: name,
      tag: options.all ? undefined : (tag ?? 'latest'),
      platform: options.platform.toLowerCase() || undefined,
    },
    headers: authHeader(cli, ref.domain),
  });
  await showProgress(response.body(), options.quiet ? undefined : options.out);
}

/** Splits a valid reference into its name as written and its tag or digest. */
export function splitReference(text: string): { name: string; tag: string | undefined } {
  const at = text.indexOf('@');
  if (at >= 0) return { name: text.slice(0, at).replace(/:[\w.-]+$/, ''), tag: text.slice(at + 1) };
  const match = /^(.*):([\w.-]+)$/.exec(text);
  if (!match || (match[2] ?? '').includes('/')) return { name: text, tag: undefined };
  return { name: match[1] ?? '', tag: match[2] };
}
