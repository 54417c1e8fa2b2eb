#include "namespaces.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { TALK_FD = 3, USER_FD = 4 };

/* Tells how a step went: 0, or the errno. */
static int tell(int result)
{
	unsigned char problem = result < 0 ? (unsigned char)errno : 0;
	return write(TALK_FD, &problem, 1) == 1 && problem == 0 ? 0 : -1;
}

/*
 * We: the user namespace is there. Daemon: its ids are mapped. We: the network namespace is there. The daemon opens both by
 * our /proc directory and hangs up. The ids come first: the kernel gives a network namespace's files to its root user as
 * mapped at that time.
 */
int namespaces_make(bool join)
{
	char byte;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (tell(join ? setns(USER_FD, CLONE_NEWUSER) : unshare(CLONE_NEWUSER)) < 0)
		return 1;
	if (read(TALK_FD, &byte, 1) != 1)
		return 1;
	if (tell(unshare(CLONE_NEWNET)) < 0)
		return 1;
	(void)!read(TALK_FD, &byte, 1);
	return 0;
}
