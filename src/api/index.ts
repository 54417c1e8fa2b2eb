/** The Engine REST API's public face. */
export type * from './backends.ts';
export type * from './types.ts';
