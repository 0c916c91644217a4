#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>

/* What the server, the C library, jemalloc and OpenSSL need once the sockets are open, on x86-64 and arm64.  The
 * end-to-end tests run with it. */
static const char *const allowed[] = {
    /* connections */
    "accept",
    "accept4",
    "getpeername",
    "getsockname",
    "getsockopt",
    "recvfrom",
    "recvmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    /* descriptors and waiting */
    "close",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_wait",
    "eventfd2",
    "fcntl",
    "ioctl",
    "pipe2",
    "poll",
    "ppoll",
    "read",
    "readv",
    "write",
    "writev",
    /* files are read: certificates, passwords, /proc/self; see also below */
    "fstat",
    "getdents64",
    "lseek",
    "lstat",
    "newfstatat",
    "pread64",
    "stat",
    "statx",
    /* memory; rules are compiled to machine code */
    "brk",
    "madvise",
    "mlock",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    /* threads, time, signals, the end */
    "clock_gettime",
    "clock_nanosleep",
    "clone",
    "clone3",
    "exit",
    "exit_group",
    "futex",
    "getcpu",
    "getpid",
    "getrandom",
    "getrlimit",
    "getrusage",
    "gettid",
    "gettimeofday",
    "membarrier",
    "nanosleep",
    "prlimit64",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "sigaltstack",
    "sysinfo",
    "tgkill",
    "uname",
};

/* Calls that are let through for some arguments only: files are opened for reading, threads get a name. */
static int allow_some(scmp_filter_ctx filter)
{
    const scmp_datum_t writes = O_ACCMODE | O_CREAT | O_TRUNC;
    int result =
        seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, writes, O_RDONLY));
    if (result == 0)
        result =
            seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, writes, O_RDONLY));
    if (result == 0)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
    return result;
}

static int fill(scmp_filter_ctx filter)
{
    int result = allow_some(filter);
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0] && result == 0; i++) {
        int call = seccomp_syscall_resolve_name(allowed[i]);
        if (call != __NR_SCMP_ERROR) /* else it is newer than this library, and than what calls it */
            result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
    }
    return result == 0 ? seccomp_load(filter) : result;
}

bool sandbox_enter(char error[ERROR_MAX])
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int result = filter == NULL ? -ENOMEM : fill(filter);
    seccomp_release(filter);
    return result == 0 || error_set(error, "SANDBOX: the filter of system calls cannot be had: %s", strerror(-result));
}
