import { libcFunction } from './libc.ts';

const mallocTrim = libcFunction<[number]>('int malloc_trim(size_t pad)');

/**
 * Gives memory that the C library holds free back to the kernel (malloc_trim(3)): what a worker thread or large
 * buffers leave behind would stay resident. Some milliseconds; call it when there is nothing to do.
 */
export function trimMemory(): void {
  mallocTrim(0);
}
