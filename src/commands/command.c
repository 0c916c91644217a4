#include "commands/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "commands/convert.h"
#include "commands/explain.h"
#include "commands/hash_password.h"
#include "commands/init.h"
#include "commands/replay.h"
#include "config/mistakes.h"

command_run *command_find(const char *name)
{
    static const struct {
        const char *name;
        command_run *run;
    } commands[] = {
        {"init", init},
        {"explain", explain},
        {"convert", convert},
        {"replay", replay},
        {"hash-password", hash_password},
    };
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run;
    return NULL;
}

int command_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "drain_exporter: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    return COMMAND_FAILED;
}

static void fail_with(struct slice mistake)
{
    command_fail("%.*s", (int)mistake.length, mistake.at);
}

int command_fail_all(struct buffer *mistakes)
{
    mistakes_tell(mistakes, fail_with);
    return COMMAND_FAILED;
}

int command_finish(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        return command_fail("the output cannot be written: %s", strerror(errno));
    return 0;
}

static int misuse(const char *format, const char *what, const char *command)
{
    command_fail(format, what, command);
    return COMMAND_USAGE;
}

static int print_help(const struct command *command)
{
    printf("drain_exporter %s%s%s%s\n\n%s\n%s", command->name, command->option_count > 0 ? " [OPTION]..." : "",
           command->operands[0] != '\0' ? " " : "", command->operands, command->purpose,
           command->option_count > 0 ? "\n" : "");
    for (size_t i = 0; i < command->option_count; i++) {
        const struct command_option *option = &command->options[i];
        printf("  %s%s%s\n        %s\n", option->name, option->argument == NULL ? "" : " ",
               option->argument == NULL ? "" : option->argument, option->meaning);
    }
    if (command->print_more != NULL)
        command->print_more();
    return command_finish();
}

/* The option that an argument names: "--app", or "--app=...", with *value set to what follows. */
static const struct command_option *find_option(const struct command *command, const char *argument, const char **value)
{
    size_t length = strcspn(argument, "=");
    *value = argument[length] == '=' ? argument + length + 1 : NULL;
    for (size_t i = 0; i < command->option_count; i++)
        if (strlen(command->options[i].name) == length && memcmp(command->options[i].name, argument, length) == 0)
            return &command->options[i];
    return NULL;
}

/* Take the option at *at, and its argument if that is the next one. */
static int take_option(const struct command *command, int argc, char **argv, int *at)
{
    const char *value;
    const struct command_option *option = find_option(command, argv[*at], &value);
    if (option == NULL)
        return misuse("there is no option \"%s\"; see drain_exporter %s --help", argv[*at], command->name);
    if (option->argument == NULL && value != NULL)
        return misuse("%s takes no value; see drain_exporter %s --help", option->name, command->name);
    if (option->argument != NULL && value == NULL && *at + 1 < argc)
        value = argv[++*at];
    if (option->argument != NULL && value == NULL)
        return misuse("%s needs a value; see drain_exporter %s --help", option->name, command->name);
    char error[ERROR_MAX];
    if (option->take != NULL) {
        if (!option->take(option->destination, value, error))
            return misuse("%s: %s", option->name, error);
    } else if (option->argument != NULL)
        *(const char **)option->destination = value;
    else
        *(bool *)option->destination = true;
    return COMMAND_GO_ON;
}

int command_read(const struct command *command, int argc, char **argv, const char **operands, size_t least, size_t most)
{
    size_t count = 0;
    memset(operands, 0, most * sizeof *operands);
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return print_help(command);
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            int status = take_option(command, argc, argv, &i);
            if (status != COMMAND_GO_ON)
                return status;
        } else if (count == most)
            return misuse("\"%s\" is one argument too many; see drain_exporter %s --help", argv[i], command->name);
        else
            operands[count++] = argv[i];
    }
    if (count < least)
        return misuse("an argument of %s is missing; see drain_exporter %s --help", command->operands, command->name);
    return COMMAND_GO_ON;
}
