/* What a fuzz target is: one function that reads bytes.  The same source is a libFuzzer target (make fuzz) and, linked
 * with replay.c, a program that runs the kept corpus (make test). */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/slice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is. */
#define REQUIRE(condition) \
    do {                   \
        if (!(condition))  \
            abort();       \
    } while (0)

#endif
