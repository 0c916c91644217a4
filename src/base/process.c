#include "base/process.h"

static bool is_type_byte(char byte)
{
    return slice_is_digit(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           byte == '-';
}

static bool is_one_off_type(struct slice type)
{
    return slice_equals(type, SLICE("run")) || slice_equals(type, SLICE("scheduler")) ||
           slice_equals(type, SLICE("release"));
}

bool process_is_type(struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        if (!is_type_byte(text.at[i]))
            return false;
    return text.length > 0 && text.length + sizeof ".1" - 1 <= PROCESS_NAME_MAX;
}

bool process_read(struct slice name, struct process *process)
{
    if (name.length > PROCESS_NAME_MAX)
        return false;
    size_t dot = 0;
    while (dot < name.length && is_type_byte(name.at[dot]))
        dot++;
    if (dot == 0 || dot + 1 >= name.length || name.at[dot] != '.')
        return false;
    unsigned number = 0; /* by hand, in one pass over few bytes: each line about a process is asked */
    for (size_t i = dot + 1; i < name.length; i++) {
        if (!slice_is_digit(name.at[i]) || number > PROCESS_NUMBER_MAX)
            return false;
        number = number * 10 + (unsigned)(name.at[i] - '0');
    }
    *process = (struct process){.type = {name.at, dot}, .number = number};
    process->one_off = number > FORMATION_NUMBER_MAX || is_one_off_type(process->type);
    return number <= PROCESS_NUMBER_MAX;
}
