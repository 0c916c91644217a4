#include "commands/hash_password.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include "commands/command.h"
#include "config/password_hash.h"

/* One byte more than a password may have and its newline, so that one that is too long is found to be. */
enum { INPUT_MAX = PASSWORD_HASH_INPUT_MAX + 3 };

/* What was typed or piped.  Secret. */
struct input {
    char text[INPUT_MAX];
    size_t length;
};

static struct slice password_of(const struct input *input)
{
    return (struct slice){input->text, input->length};
}

/* ---- a terminal ---- */

static volatile sig_atomic_t caught;

static void on_signal(int signal)
{
    caught = signal;
}

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
enum { ENDING_COUNT = sizeof ending / sizeof ending[0] };

static bool is_ended(const struct input *input, bool is_line)
{
    return input->length == sizeof input->text ||
           (is_line && input->length > 0 && input->text[input->length - 1] == '\n');
}

/* Wait for something to read; false on a signal of those that are blocked but not in allowed, which comes only here. */
static bool wait_for_input(const sigset_t *allowed)
{
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    while (ppoll(&input, 1, NULL, allowed) < 0)
        if (errno != EINTR || caught != 0)
            return false;
    return true;
}

/* Read a line while signals are allowed, or, if allowed is NULL, all there is; and take its final newline off.  False
 * if that fails, or on a signal. */
static bool read_input(struct input *input, const sigset_t *allowed)
{
    input->length = 0;
    while (!is_ended(input, allowed != NULL)) {
        if (allowed != NULL && !wait_for_input(allowed))
            return false;
        ssize_t more = read(STDIN_FILENO, input->text + input->length, sizeof input->text - input->length);
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return false;
        if (more == 0)
            break;
        input->length += (size_t)more;
    }
    if (input->length > 0 && input->text[input->length - 1] == '\n')
        input->length--;
    if (input->length > 0 && input->text[input->length - 1] == '\r')
        input->length--;
    return true;
}

static bool ask(const char *question, struct input *input, const sigset_t *allowed)
{
    fprintf(stderr, "%s: ", question);
    bool read = read_input(input, allowed);
    fprintf(stderr, "\n");
    return read;
}

/* Ask twice on the terminal, which does not show what is typed.  A signal is obeyed once it shows it again. */
static bool ask_twice(struct input *input, struct input *again)
{
    struct termios shown, hidden;
    struct sigaction before[ENDING_COUNT];
    sigset_t blocked, allowed;
    if (tcgetattr(STDIN_FILENO, &shown) != 0)
        return false;
    sigemptyset(&blocked);
    for (int i = 0; i < ENDING_COUNT; i++)
        sigaddset(&blocked, ending[i]);
    sigprocmask(SIG_BLOCK, &blocked, &allowed);
    for (int i = 0; i < ENDING_COUNT; i++)
        sigaction(ending[i], &(struct sigaction){.sa_handler = on_signal}, &before[i]);
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    bool read = ask("Password", input, &allowed) && ask("The same again", again, &allowed);
    int reason = errno;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &shown);
    for (int i = 0; i < ENDING_COUNT; i++)
        sigaction(ending[i], &before[i], NULL);
    sigprocmask(SIG_SETMASK, &allowed, NULL);
    if (caught != 0)
        raise(caught);
    errno = reason;
    return read;
}

/* ---- the command ---- */

static int fail_reading(void)
{
    return command_fail("the password cannot be read: %s", strerror(errno));
}

/* Read the password to input: once from a file or pipe, twice from a terminal. */
static int read_password(struct input *input)
{
    if (isatty(STDIN_FILENO) != 1)
        return read_input(input, NULL) ? 0 : fail_reading();
    struct input again;
    int status = 0;
    if (!ask_twice(input, &again))
        status = fail_reading();
    else if (!slice_equals(password_of(input), password_of(&again)))
        status = command_fail("these are two different passwords");
    explicit_bzero(&again, sizeof again);
    return status;
}

static int print_hash(struct slice password)
{
    char hash[PASSWORD_HASH_MAX + 1];
    if (password.length == 0)
        return command_fail("the password is empty");
    if (password.length > PASSWORD_HASH_INPUT_MAX)
        return command_fail("the password is longer than %d bytes", PASSWORD_HASH_INPUT_MAX);
    if (slice_index(password, '\0') < password.length || slice_index(password, '\n') < password.length)
        return command_fail("the password holds a newline or a NUL byte");
    if (!password_hash_make(password, hash))
        return command_fail(ERROR_NO_MEMORY);
    puts(hash);
    return command_finish();
}

int hash_password(int argc, char **argv)
{
    static const struct command command = {
        .name = "hash-password",
        .operands = "",
        .purpose = "Print a yescrypt hash of a password, for password_hash in the configuration. The password is asked "
                   "for on the\n"
                   "terminal, which does not show it, or read from stdin, without its final newline.",
    };
    const char *none;
    if (argc > 0 && strcmp(argv[0], "--help") != 0 && strcmp(argv[0], "-h") != 0) {
        /* It may be a password: then it must not be shown again. */
        command_fail("hash-password takes no argument, since every list of processes shows it; see --help");
        return COMMAND_USAGE;
    }
    int status = command_read(&command, argc, argv, &none, 0, 0);
    if (status != COMMAND_GO_ON)
        return status;
    struct input input = {.length = 0};
    status = read_password(&input);
    if (status == 0)
        status = print_hash(password_of(&input));
    explicit_bzero(&input, sizeof input);
    return status;
}
