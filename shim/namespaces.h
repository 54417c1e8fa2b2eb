/* Makes a user namespace, and a network namespace that belongs to it, for the daemon. */
#ifndef NAMESPACES_H
#define NAMESPACES_H

#include <stdbool.h>

/*
 * Runs instead of the monitor (`wharf-shim --namespaces new`): a user namespace can be made and entered by a process with one
 * thread only, and the daemon has several. Talks over descriptor 3, byte by byte; see namespaces.c. With `join` the user
 * namespace is the one that descriptor 4 has. Returns the exit status.
 */
int namespaces_make(bool join);

#endif
