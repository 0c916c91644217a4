#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/privileges.h"
#include "base/sandbox.h"
#include "support.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

static int read_a_file(void)
{
    int fd = open("/proc/self/status", O_RDONLY);
    char text[16];
    return fd < 0 || read(fd, text, sizeof text) <= 0 || close(fd) != 0;
}

static int allocate(void)
{
    void *volatile memory = malloc(1 << 24);
    int failed = memory == NULL;
    free(memory);
    return failed;
}

static int write_a_file(void)
{
    return open("/tmp/drain_exporter_sandbox", O_WRONLY | O_CREAT, 0600);
}

static int open_a_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0);
}

/* Port 0 of this machine cannot be connected to, but one may try; and find out that there are no other sockets. */
static int connect_somewhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = open_a_socket(), other = socket(AF_INET6, SOCK_DGRAM, 0);
    bool tried = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0;
    bool has_others = socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
    (void)other; /* a machine may have no IPv6 */
    return !tried || has_others;
}

static int listen_somewhere(void)
{
    return listen(open_a_socket(), 1);
}

static int start_a_program(void)
{
    char *const none[] = {NULL};
    return execve("/bin/true", none, none);
}

static int leave_the_namespace(void)
{
    return (int)syscall(SYS_unshare, 0);
}

/* A program of another architecture runs in an emulator, which has no filter. */
static void need_a_kernel_with_filters(void)
{
    if (prctl(PR_GET_SECCOMP) < 0)
        skip();
}

/* Of a process that does it inside. */
static int status_of(int (*act)(void), bool connects)
{
    int status;
    char error[ERROR_MAX];
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        privileges_hide_memory();
        _exit(!privileges_drop(error) || !sandbox_enter(-1, connects, error) ? 2 : act());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void what_is_needed_goes_on(void **state)
{
    (void)state;
    need_a_kernel_with_filters();
    assert_int_equal(status_of(read_a_file, false), 0);
    assert_int_equal(status_of(allocate, false), 0);
    assert_int_equal(status_of(connect_somewhere, true), 0);
}

static void anything_else_ends_the_process(void **state)
{
    (void)state;
    need_a_kernel_with_filters();
    int (*const acts[])(void) = {write_a_file, open_a_socket, start_a_program, leave_the_namespace};
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        int status = status_of(acts[i], false);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
    }
    int (*const connecting[])(void) = {listen_somewhere, start_a_program};
    for (size_t i = 0; i < sizeof connecting / sizeof connecting[0]; i++)
        assert_true(WIFSIGNALED(status_of(connecting[i], true)));
    assert_int_equal(access("/tmp/drain_exporter_sandbox", F_OK), -1);
}

#else

static void what_is_needed_goes_on(void **state)
{
    (void)state;
    skip(); /* a sanitizer needs more */
}

static void anything_else_ends_the_process(void **state)
{
    (void)state;
    skip();
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_needed_goes_on),
                                       cmocka_unit_test(anything_else_ends_the_process)};
    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
