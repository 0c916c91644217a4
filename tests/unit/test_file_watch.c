#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file_watch.h"
#include "support.h"

static char folder[] = "/tmp/file_watch_XXXXXX";
static char one[64], two[64], other[64];

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int start(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return 1;
    sprintf(one, "%s/one", folder);
    sprintf(two, "%s/two", folder);
    sprintf(other, "%s/other", folder);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    unlink(one);
    unlink(two);
    unlink(other);
    return rmdir(folder);
}

static struct file_watch watch_both(void)
{
    struct file_watch watch = {0};
    write_text(one, "1");
    write_text(two, "2");
    assert_true(file_watch_add(&watch, one));
    assert_true(file_watch_add(&watch, two));
    return watch;
}

static void changes_are_told_when_they_have_settled(void **state)
{
    (void)state;
    struct file_watch watch = watch_both();
    assert_false(file_watch_has_changed(&watch));
    write_text(one, "longer");
    assert_false(file_watch_has_changed(&watch)); /* the other one may follow */
    write_text(two, "longer");
    assert_false(file_watch_has_changed(&watch));
    assert_true(file_watch_has_changed(&watch));
    assert_true(file_watch_has_changed(&watch)); /* until they are read */
    file_watch_note_read(&watch);
    assert_false(file_watch_has_changed(&watch));
    assert_false(file_watch_has_changed(&watch));
}

static void another_file_of_the_name(void **state)
{
    (void)state;
    struct file_watch watch = watch_both();
    write_text(other, "1");
    assert_int_equal(rename(other, one), 0);
    assert_false(file_watch_has_changed(&watch));
    assert_true(file_watch_has_changed(&watch));
    file_watch_note_read(&watch);
    assert_int_equal(unlink(one), 0);
    assert_int_equal(symlink(two, one), 0);
    assert_false(file_watch_has_changed(&watch));
    assert_true(file_watch_has_changed(&watch));
}

static void files_that_are_not_there(void **state)
{
    (void)state;
    struct file_watch watch = watch_both();
    unlink(one);
    assert_false(file_watch_has_changed(&watch));
    assert_true(file_watch_has_changed(&watch));
    file_watch_note_read(&watch);
    assert_false(file_watch_has_changed(&watch));
    write_text(one, "1");
    assert_false(file_watch_has_changed(&watch));
    assert_true(file_watch_has_changed(&watch));
    for (unsigned i = watch.count; i < FILE_WATCH_MAX; i++)
        assert_true(file_watch_add(&watch, two));
    assert_false(file_watch_add(&watch, two));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(changes_are_told_when_they_have_settled),
                                       cmocka_unit_test(another_file_of_the_name),
                                       cmocka_unit_test(files_that_are_not_there)};
    return cmocka_run_group_tests_name("file_watch", tests, start, stop);
}
