/* Descriptors that come over a unix socket. */
#ifndef DESCRIPTOR_H
#define DESCRIPTOR_H

#include <stddef.h>

/* Reads at most `n` bytes and the descriptor that comes with them (`flags` of recvmsg). Returns it; -1: reading failed (errno); -2: none came. */
int receive_fd(int socket, char *bytes, size_t n, int flags);

#endif
