#include "base/scan.h"

#include <stdlib.h>

#include "support.h"

/* scan_ahead() says of each part what a search of that part alone says. */

enum { TEXT = 3000, ROUNDS = 300 };

static void ahead(void **state)
{
    (void)state;
    char text[TEXT];
    static const char other[] = "no part of it # at all";
    srand(1);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < TEXT; i++)
            text[i] = rand() % (1 + round * 3) == 0 ? '#' : 'a';
        struct scan_ahead hashes = {text, text + TEXT, NULL};
        for (size_t start = 0; start < TEXT;) {
            size_t length = (size_t)rand() % 80;
            if (length > TEXT - start)
                length = TEXT - start;
            struct slice part = {text + start, length};
            assert_int_equal(scan_ahead(&hashes, part, '#'), slice_index(part, '#'));
            assert_int_equal(scan_ahead(&hashes, part, '#'), slice_index(part, '#')); /* asked about again */
            assert_int_equal(scan_ahead(&hashes, slice_of(other), '#'), 14);
            start += length + (size_t)rand() % 40; /* what lies between is not asked about */
        }
    }
}

static void no_text(void **state)
{
    (void)state;
    struct scan_ahead hashes = {0};
    assert_int_equal(scan_ahead(&hashes, SLICE("ab#c"), '#'), 2);
    assert_int_equal(scan_ahead(&hashes, SLICE("abc"), '#'), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ahead),
        cmocka_unit_test(no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
