#include <math.h>

#include "base/keyvalue.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keyvalue_reader reader;
    struct keyvalue pair;
    double number;
    const char *last = (const char *)data;
    const char *end = last + size;
    keyvalue_start(&reader, (struct slice){last, size});
    while (keyvalue_next(&reader, &pair)) {
        REQUIRE(pair.key.at >= last && pair.key.at + pair.key.length <= pair.value.at);
        REQUIRE(pair.value.at + pair.value.length <= end);
        REQUIRE(pair.key.length > 0 || !pair.bare);
        if (keyvalue_number(pair.value, &number))
            REQUIRE(isfinite(number));
        last = pair.value.at + pair.value.length;
    }
    return 0;
}
