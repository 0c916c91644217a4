#include "config/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "support.h"

static char path[64];

static int make_file(void **state)
{
    (void)state;
    strcpy(path, "/tmp/drain_exporter.XXXXXX");
    int fd = mkstemp(path);
    if (fd >= 0)
        close(fd);
    return fd < 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void hold(struct slice text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fwrite(text.at, 1, text.length, file);
    assert_int_equal(fclose(file), 0);
}

static void check(struct slice held, const char *expected)
{
    char text[SECRET_CAPACITY], error[ERROR_MAX] = "";
    hold(held);
    assert_true(secret_read(path, text, error));
    assert_string_equal(text, expected);
    assert_string_equal(error, "");
}

static void final_newline(void **state)
{
    (void)state;
    check(SLICE("secret"), "secret");
    check(SLICE("secret\n"), "secret");
    check(SLICE("secret\r\n"), "secret");
    check(SLICE("secret\n\n"), "secret\n"); /* one only */
    check(SLICE(" secret "), " secret ");
    check(SLICE("a\nb"), "a\nb");
    check(SLICE("\n"), "");
    check(SLICE(""), "");
}

/* So that a password that is too long is seen to be. */
static void longer_than_any_password(void **state)
{
    (void)state;
    static char long_text[5000];
    memset(long_text, 'x', sizeof long_text);
    char text[SECRET_CAPACITY], error[ERROR_MAX];
    hold((struct slice){long_text, sizeof long_text});
    assert_true(secret_read(path, text, error));
    assert_in_range(strlen(text), PASSWORD_MAX + 1, SECRET_CAPACITY - 1);
}

static void is_wiped(const char *text)
{
    for (size_t i = 0; i < SECRET_CAPACITY; i++)
        assert_int_equal(text[i], '\0');
}

static void mistakes(void **state)
{
    (void)state;
    char text[SECRET_CAPACITY], error[ERROR_MAX];
    memset(text, 'x', sizeof text);
    hold(SLICE("sec\0ret"));
    assert_false(secret_read(path, text, error));
    assert_string_equal(error, "holds a NUL byte");
    is_wiped(text);
    assert_false(secret_read("/nowhere/secret", text, error));
    assert_string_equal(error, "cannot be opened: No such file or directory");
    assert_false(secret_read("/tmp", text, error));
    assert_string_equal(error, "cannot be read");
    is_wiped(text);
}

static void keeping(void **state)
{
    (void)state;
    char large[5000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    char *one = secret_keep("secret"), *two = secret_keep(large), *three = secret_keep("");
    assert_string_equal(one, "secret");
    assert_string_equal(two, large);
    assert_string_equal(three, "");
    assert_int_equal((uintptr_t)one % 4096, 0);
    secret_free(one);
    secret_free(two);
    secret_free(three);
    secret_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(final_newline),
        cmocka_unit_test(longer_than_any_password),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(keeping),
    };
    return cmocka_run_group_tests_name("secret", tests, make_file, remove_file);
}
