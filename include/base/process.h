/* The names of an app's processes: "web.1" is number 1 of the type "web".  Formation dynos are numbered from 1; one-off
 * dynos (run.1234, scheduler.8317, release.9) get a number once.  Pure. */
#ifndef PROCESS_H
#define PROCESS_H

#include "base/slice.h"

enum {
    PROCESS_NAME_MAX = 64,      /* bytes of a name */
    PROCESS_NUMBER_MAX = 99999, /* one-off dynos get four digits */
    FORMATION_NUMBER_MAX = 999, /* no formation has more dynos of a type */
};

struct process {
    struct slice type;
    unsigned number;
    bool one_off;
};

/* Some lines say which instance of a process wrote them.  Which one is it, compared with the instance known so far? */
enum process_instance {
    INSTANCE_SAME,   /* the one known so far, the first one, or one whose start another line has reported */
    INSTANCE_NEXT,   /* a new one, which replaces it, and no other line has said so */
    INSTANCE_FORMER, /* one that was replaced: it still runs for a while */
};

/* Is it the type of a process: letters, digits, "_" and "-", and short enough for a name with a number? */
bool process_is_type(struct slice text);

/* Read a name: letters, digits, "_" and "-", a dot, a number.  False if it is none. */
bool process_read(struct slice name, struct process *process);

#endif
