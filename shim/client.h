/* An attached client: a connection that gets a process's output and may give it input. */
#ifndef CLIENT_H
#define CLIENT_H

#include "shim.h"

/* Output a client may be behind before the container has to wait. */
enum { CLIENT_BOUND = 256 * 1024 };

struct client {
	struct client *next;
	struct process *process;
	struct source source;
	bool wants[3];  /* 0 stdin, 1 stdout, 2 stderr */
	bool dead;      /* nothing can be sent any more */
	bool in_ended;  /* it has said all */
	bool finishing; /* close when the queue is empty */
	/*
	 * The daemon may hand over its own client's connection, so that it is out of the way: the first byte after the
	 * request comes with that descriptor, or says that there is none. What follows on the daemon's connection up to
	 * its end is input that the daemon had read already; its output half is closed when all that was meant for it is
	 * sent. When the daemon has closed its end all bytes have gone on, and the successor takes its place.
	 */
	bool undecided;
	bool switching; /* the output half is closed */
	int successor;
	bool direct; /* the connection is a client's, not the daemon's */
	/*
	 * All was sent to a direct client. A connection closed with input unread, or before input that is on its way, is
	 * reset, and takes what the client has not read yet with it (TCP): it is read to its end first, for a while.
	 */
	bool lingering;
	struct timer linger;
	struct text queue;
	size_t sent; /* of the queue */
};

struct client *client_new(struct process *process, int fd, const char *flags);
void client_send(struct client *client, const void *bytes, size_t n);
static inline size_t client_behind(const struct client *client) { return client->queue.length - client->sent; }
/* Closes the connection when everything was sent. May free the client. */
void client_finish(struct client *client);
/* Watches for what now can be done. */
void client_update(struct client *client);
/* Input can be written to the process again, or it was closed. */
void client_pump(struct client *client);

#endif
