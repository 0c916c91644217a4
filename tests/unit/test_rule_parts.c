#include "families/rule_parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "support.h"

enum { PARTS = 300, WORDS = (PARTS + 63) / 64, PART_MAX = 24 };

static struct rule_parts parts;
static struct rule_literal list[PARTS];
static char texts[PARTS][PART_MAX];
static uint64_t found[WORDS];

static void add(size_t index, const char *text)
{
    assert_true(strlen(text) < PART_MAX);
    memcpy(texts[index], text, strlen(text) + 1);
    list[index] = (struct rule_literal){slice_of(texts[index]), (uint16_t)index};
}

static bool is_found(unsigned rule)
{
    return found[rule / 64] >> rule % 64 & 1;
}

static bool find(const char *line)
{
    memset(found, 0xFF, sizeof found); /* what a line before has left */
    return rule_parts_find(&parts, guarded(slice_of(line)), found, WORDS);
}

static void none(void **state)
{
    (void)state;
    assert_true(rule_parts_open(&parts, list, 0));
    assert_false(find("a line"));
    rule_parts_close(&parts);
}

/* At an even and at an odd offset, at the start and at the end; and not if a part of it is missing. */
static void each_position(void **state)
{
    (void)state;
    add(0, " took=");
    add(1, "state");
    assert_true(rule_parts_open(&parts, list, 2));
    char line[64];
    for (int before = 0; before < 20; before++) {
        for (int after = 0; after < 3; after++) {
            snprintf(line, sizeof line, "%.*s took=%.*s", before, "aaaaaaaaaaaaaaaaaaaa", after, "bbb");
            assert_true(find(line));
            assert_true(is_found(0));
            assert_false(is_found(1));
            snprintf(line, sizeof line, "%.*sstate%.*s", before, "aaaaaaaaaaaaaaaaaaaa", after, "bbb");
            assert_true(find(line));
            assert_true(is_found(1));
            assert_false(is_found(0));
        }
    }
    static const char *const without[] = {"", "t", "too", "look", " tok=", "sta", "a line of many words"};
    for (size_t i = 0; i < sizeof without / sizeof without[0]; i++)
        assert_false(find(without[i]));
    rule_parts_close(&parts);
}

/* Texts that differ in two digits only are told apart by these. */
static void alike(void **state)
{
    (void)state;
    char text[64];
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, " took%02d=", i);
        add((size_t)i, text);
    }
    assert_true(rule_parts_open(&parts, list, 100));
    for (int i = 0; i < 100; i++) {
        unsigned count = 0;
        snprintf(text, sizeof text, "job took%02d=5 ok", i);
        assert_true(find(text));
        for (unsigned j = 0; j < 100; j++)
            count += is_found(j);
        assert_true(is_found((unsigned)i));
        assert_in_range(count, 1, 20);
    }
    assert_false(find("job took=5 and book=6"));
    rule_parts_close(&parts);
}

/* Whatever the texts are, none that a line holds is missed; two rules may have one text. */
static void random_texts(void **state)
{
    (void)state;
    srandom(1);
    for (int round = 0; round < 30; round++) {
        size_t count = 1 + (size_t)random() % PARTS;
        int letters = 1 + (int)(random() % 26);
        char text[PART_MAX];
        for (size_t i = 0; i < count; i++) {
            size_t length = RULE_PARTS_LENGTH_MIN + (size_t)random() % (PART_MAX - RULE_PARTS_LENGTH_MIN - 1);
            for (size_t j = 0; j < length; j++)
                text[j] = (char)('a' + random() % letters);
            text[length] = '\0';
            add(i, text);
        }
        assert_true(rule_parts_open(&parts, list, count));
        for (int line = 0; line < 200; line++) {
            char message[200];
            size_t length = 0;
            while (length < 100) { /* words of the texts, and letters between them */
                const char *word = texts[(size_t)random() % count];
                length += (size_t)snprintf(message + length, sizeof message - length, "%.*s%s", (int)(random() % 3),
                                           "xyz", word + (random() % 4 == 0));
            }
            bool any = find(message);
            for (size_t i = 0; i < count; i++)
                if (strstr(message, texts[i]) != NULL)
                    assert_true(any && is_found((unsigned)i));
        }
        rule_parts_close(&parts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(none),
        cmocka_unit_test(each_position),
        cmocka_unit_test(alike),
        cmocka_unit_test(random_texts),
    };
    return cmocka_run_group_tests_name("rule_parts", tests, NULL, NULL);
}
