#include "server/inherited_socket.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FIRST_DESCRIPTOR = 3, /* SD_LISTEN_FDS_START */
    SOCKETS_MAX = 1000,
};

/* A whole number from 1 to most; 0 if the variable has none. */
static long number_in(const char *variable, long most)
{
    const char *text = getenv(variable);
    char *end;
    if (text == NULL || *text < '0' || *text > '9')
        return 0;
    long number = strtol(text, &end, 10);
    return *end == '\0' && number >= 1 && number <= most ? number : 0;
}

unsigned inherited_sockets(void)
{
    if (number_in("LISTEN_PID", INT32_MAX) != getpid())
        return 0;
    return (unsigned)number_in("LISTEN_FDS", SOCKETS_MAX);
}

static bool has_option(int fd, int option, int wanted)
{
    int value = 0;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == wanted;
}

int inherited_socket_take(unsigned number, const char *setting, char error[ERROR_MAX])
{
    int fd = FIRST_DESCRIPTOR + (int)number;
    if (!has_option(fd, SO_TYPE, SOCK_STREAM) || !has_option(fd, SO_ACCEPTCONN, 1)) {
        error_set(error, "%s: the descriptor %d, which LISTEN_FDS says to be for it, is no stream socket that listens",
                  setting, fd);
        return -1;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        error_set(error, "%s: the descriptor %d cannot be used", setting, fd);
        return -1;
    }
    return fd;
}
