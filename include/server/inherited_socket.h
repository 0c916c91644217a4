/* Sockets that systemd opened before it started the program, so that a restart refuses no connection: what arrives
 * meanwhile waits in them.  The protocol of sd_listen_fds(3): the variables LISTEN_PID and LISTEN_FDS say that the
 * descriptors from 3 on are ours.
 *
 *     descriptor 3   stands for LISTEN_ADDRESS
 *     descriptor 4   for METRICS_LISTEN_ADDRESS
 *
 * Call these before there are threads. */
#ifndef INHERITED_SOCKET_H
#define INHERITED_SOCKET_H

#include <stdbool.h>

#include "base/error.h"

/* How many there are; 0 if the variables are for another process, or say what no number is. */
unsigned inherited_sockets(void);

/* Take the one of this number, from 0 on, which must be less than inherited_sockets().  Owned by the caller; not
 * blocking, and closed on exec.  -1 with a sentence in error if it is no stream socket that listens.  setting: the
 * name that the sentence begins with. */
int inherited_socket_take(unsigned number, const char *setting, char error[ERROR_MAX]);

#endif
