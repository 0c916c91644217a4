#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* Files are written by the descriptor of their folder. */
static int allow_writing(scmp_filter_ctx filter, int folder)
{
    const scmp_datum_t in = (scmp_datum_t)folder;
    static const char *const of_files[] = {"fdatasync", "flock", "fsync", "pwrite64"};
    int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, SCMP_A0(SCMP_CMP_EQ, in));
    if (result == 0)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(renameat), 2, SCMP_A0(SCMP_CMP_EQ, in),
                                  SCMP_A2(SCMP_CMP_EQ, in));
    if (result == 0)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(unlinkat), 1, SCMP_A0(SCMP_CMP_EQ, in));
    for (size_t i = 0; i < sizeof of_files / sizeof of_files[0] && result == 0; i++)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, seccomp_syscall_resolve_name(of_files[i]), 0);
    return result;
}

/* A name may be that of a file elsewhere: only the kernel's own rules for files can tell.  An old kernel has none. */
static void keep_within(int folder)
{
    const struct landlock_ruleset_attr rules = {
        .handled_access_fs = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                             LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |
                             LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SOCK};
    const struct landlock_path_beneath_attr within = {
        .allowed_access = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG,
        .parent_fd = folder};
    int set = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    if (set < 0)
        return;
    if (syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &within, 0) == 0)
        syscall(SYS_landlock_restrict_self, set, 0);
    close(set);
}

/* Other servers are connected to, and asked for the addresses of hosts.  Sockets of other kinds are as on a system that
 * has none: the C library asks for some of them, and does without. */
static int allow_connecting(scmp_filter_ctx filter)
{
    static const scmp_datum_t families[] = {AF_INET, AF_INET6}, refused[] = {AF_UNIX, AF_NETLINK};
    int call = SCMP_SYS(socket), result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);
    if (result == 0)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendmmsg), 0);
    for (size_t i = 0; i < 2 && result == 0; i++)
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_A0(SCMP_CMP_EQ, families[i]));
    for (size_t i = 0; i < 2 && result == 0; i++)
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), call, 1, SCMP_A0(SCMP_CMP_EQ, refused[i]));
    return result;
}

static int fill(scmp_filter_ctx filter, int writable, bool connects)
{
    int result = allow_some(filter);
    if (result == 0 && connects)
        result = allow_connecting(filter);
    if (result == 0 && writable >= 0)
        result = allow_writing(filter, writable);
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0] && result == 0; i++) {
        int call = seccomp_syscall_resolve_name(allowed[i]);
        if (call != __NR_SCMP_ERROR) /* else it is newer than this library, and than what calls it */
            result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
    }
    return result == 0 ? seccomp_load(filter) : result;
}

bool sandbox_enter(int writable, bool connects, char error[ERROR_MAX])
{
    if (writable >= 0)
        keep_within(writable);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int result = filter == NULL ? -ENOMEM : fill(filter, writable, connects);
    seccomp_release(filter);
    return result == 0 || error_set(error, "SANDBOX: the filter of system calls cannot be had: %s", strerror(-result));
}
