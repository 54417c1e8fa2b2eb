/** `--platform` of commands that pick one variant of an image. */

/** `linux/arm/v7` as the JSON that API 1.48 wants. */
export function platformQuery(text: string): string | undefined {
  if (text === '') return undefined;
  const [os = '', architecture, variant] = text.split('/');
  return JSON.stringify({ os, ...(architecture && { architecture }), ...(variant && { variant }) });
}
