/* Scope cleanup: a resource goes when its variable's scope ends. */
#ifndef SCOPE_H
#define SCOPE_H

#include <stdlib.h>
#include <unistd.h>

static inline void scope_free(void *pointer) { free(*(void **)pointer); }
static inline void scope_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define auto_free __attribute__((cleanup(scope_free)))
#define auto_close __attribute__((cleanup(scope_close)))

/* Hands a resource out of its scope. */
static inline int take_fd(int *fd)
{
	int taken = *fd;
	*fd = -1;
	return taken;
}

#define close_fd(pointer) do { if (*(pointer) >= 0) { close(*(pointer)); *(pointer) = -1; } } while (0)

#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

#endif
