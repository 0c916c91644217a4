#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/privileges.h"
#include "support.h"

/* What /proc says of the thread that asks, such as "CapEff:"; empty if it does not. */
static void read_status(const char *name, char value[64])
{
    char line[256];
    value[0] = '\0';
    FILE *file = fopen("/proc/thread-self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            sscanf(line + strlen(name), "%63s", value);
    fclose(file);
}

/* NULL: nothing is left. */
static void *check_status(void *problem)
{
    char value[64];
    static const char *const sets[] = {"CapInh:", "CapPrm:", "CapEff:", "CapAmb:"};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        read_status(sets[i], value);
        if (strcmp(value, "0000000000000000") != 0)
            return problem;
    }
    read_status("NoNewPrivs:", value);
    return strcmp(value, "1") == 0 ? NULL : problem;
}

/* In a process of its own, since there is no way back. */
static int run_child(int (*body)(void))
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(body());
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int drop(void)
{
    char error[ERROR_MAX];
    pthread_t thread;
    void *wrong;
    if (!privileges_drop(error) || !privileges_drop(error)) /* a second time is harmless */
        return 2;
    if (check_status(error) != NULL || pthread_create(&thread, NULL, check_status, error) != 0)
        return 3;
    pthread_join(thread, &wrong);
    return wrong != NULL;
}

static void nothing_is_left(void **state)
{
    (void)state;
    assert_int_equal(run_child(drop), 0);
}

static int hide(void)
{
    privileges_hide_memory();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    if (prctl(PR_GET_DUMPABLE) != 0)
        return 1;
#endif
    abort();
}

static void no_core_is_written(void **state)
{
    (void)state;
    int status = run_child(hide);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_false(WCOREDUMP(status));
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_left), cmocka_unit_test(no_core_is_written)};
    return cmocka_run_group_tests_name("privileges", tests, NULL, NULL);
}
