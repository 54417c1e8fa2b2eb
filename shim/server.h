/*
 * The listening socket. A connection's first line is its request, TAB-separated:
 *   control
 *   attach FLAGS                            flags: i o e (stdin, stdout, stderr), h (see client.h: undecided)
 *   exec ID FLAGS PROCESS-FILE ROWS COLS    flags as above, t (terminal), d (detached)
 * Attach and exec are answered with one line of JSON (with `error` when refused); the streams follow.
 */
#ifndef SERVER_H
#define SERVER_H

#include "shim.h"

void server_open(struct shim *shim);
/* No more connections; the socket's file goes. */
void server_close(struct shim *shim);

#endif
