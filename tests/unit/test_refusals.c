#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "intake/refusals.h"
#include "support.h"

static struct refusals refusals;
static char said[65536];

static int setup(void **state)
{
    (void)state;
    memset(&refusals, 0, sizeof refusals);
    return 0;
}

/* What is on stderr while apps first, first + 1, ... are turned away; how many lines that is. */
static unsigned say(enum refusal reason, const char *prefix, unsigned first, unsigned count, uint64_t now)
{
    FILE *log = tmpfile();
    int kept = dup(STDERR_FILENO);
    dup2(fileno(log), STDERR_FILENO);
    for (unsigned i = first; i < first + count; i++) {
        char name[256];
        snprintf(name, sizeof name, "%s%u", prefix, i);
        refusals_say(&refusals, reason, slice_of(name), now);
    }
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(log);
    said[fread(said, 1, sizeof said - 1, log)] = '\0';
    fclose(log);
    unsigned lines = 0;
    for (const char *at = said; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    return lines;
}

static void once(void **state)
{
    (void)state;
    assert_int_equal(say(REFUSED_UNLISTED, "app", 1, 2, 1000), 2);
    assert_non_null(strstr(said, "warn batches of the app \"app2\" are turned away: no entry of drains has it"));
    assert_int_equal(say(REFUSED_UNLISTED, "app", 1, 2, 1000), 0);
    assert_int_equal(say(REFUSED_UNLISTED, "app", 1, 2, 1000000), 0);
    assert_int_equal(say(REFUSED_MAX_APPS, "app", 1, 1, 1000), 1); /* for another reason */
    assert_non_null(strstr(said, "MAX_APPS"));
}

static unsigned named(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < REFUSALS_NAMED; i++)
        count += refusals.named[i] != 0;
    return count;
}

/* Not more than a few in a second, or the log would leave some out; the others are named later. */
static void not_all_at_once(void **state)
{
    (void)state;
    for (unsigned second = 1; second <= 3; second++) {
        say(REFUSED_MAX_APPS, "app", 0, 30, second * 1000);
        say(REFUSED_MAX_APPS, "app", 0, 30, second * 1000 + 999);
        assert_int_equal(named(), 10 * second);
    }
}

static void so_many(void **state)
{
    (void)state;
    for (unsigned second = 1; second < 10; second++)
        say(REFUSED_MAX_APPS, "app", 0, REFUSALS_NAMED, second * 1000);
    assert_int_equal(named(), REFUSALS_NAMED);
    assert_int_equal(say(REFUSED_MAX_APPS, "app", 100, 1000, 20000), 1);
    assert_non_null(strstr(said, "still more apps"));
    assert_int_equal(say(REFUSED_MAX_APPS, "app", 100, 1000, 79999), 0);
    assert_int_equal(say(REFUSED_MAX_APPS, "app", 100, 1000, 80000), 1);
}

static void hostile_names(void **state)
{
    (void)state;
    assert_int_equal(say(REFUSED_NAME, "__\nx\x1b[2J \xff", 1, 1, 1000), 1);
    assert_non_null(strstr(said, "\"__?x?[2J??1\""));
    char large[200];
    memset(large, 'x', sizeof large);
    large[199] = '\0';
    assert_int_equal(say(REFUSED_NAME, large, 1, 1, 1000), 1);
    assert_in_range(strlen(said), 100, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(once, setup),
        cmocka_unit_test_setup(hostile_names, setup),
        cmocka_unit_test_setup(not_all_at_once, setup),
        cmocka_unit_test_setup(so_many, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
