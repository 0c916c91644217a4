#include <stdio.h>

#include "support.h"

/* Events of the platform API, and what a release command prints under the same name. */

#define OK VERDICT_RECOGNISED
#define NONE VERDICT_NOT_A_METRIC

#define EVENT(event) "heroku_api_events_total{app=\"my-app\"} " event " 1\n"
#define SCALED(type, count, size) \
    type " scaled to " count "\n" \
         "heroku_formation_dynos{app=\"my-app\",process_type=\"" type "\"" size "} gauge " count "\n"
#define SIZE(size) ",size=\"" size "\""

static struct recording recording;

static void api(const char *message, const char *expected)
{
    check_line("app", "api", message, expected[0] != '\0' ? OK : NONE, expected);
}

static void captured(void **state)
{
    (void)state;
    api("Scaled to web@4:Standard-1X by user heroku.hirefire.api@thermondo.de",
        EVENT("scale") SCALED("web", "4", SIZE("Standard-1X")));
    api("Scaled to mailer@3:Performance-L web@5:Standard-2X by user someuser@gmail.com",
        EVENT("scale") SCALED("mailer", "3", SIZE("Performance-L")) SCALED("web", "5", SIZE("Standard-2X")));
    api("Scaled to celerybeat@1:Standard-1X celeryworkerhighmemory@1:Performance-M celeryworkerhighprio@3:Standard-2X "
        "celeryworkerlowprio@1:Performance-M celeryworkeroffergenerator@1:Performance-L release@0:Standard-2X "
        "web@5:Performance-M by user heroku.hirefire.api@thermondo.de",
        EVENT("scale") SCALED("celerybeat", "1", SIZE("Standard-1X"))
            SCALED("celeryworkerhighmemory", "1", SIZE("Performance-M"))
                SCALED("celeryworkerhighprio", "3", SIZE("Standard-2X"))
                    SCALED("celeryworkerlowprio", "1", SIZE("Performance-M"))
                        SCALED("celeryworkeroffergenerator", "1", SIZE("Performance-L"))
                            SCALED("release", "0", SIZE("Standard-2X")) SCALED("web", "5", SIZE("Performance-M")));
    api("Scale to mailer=1, web=3 by someuser@gmail.com",
        EVENT("scale") SCALED("mailer", "1", "") SCALED("web", "3", ""));
    api("Release v138 created by user foo@bar", EVENT("release") "heroku_release_version{app=\"my-app\"} gauge 138\n");
    api("Release v9 created by user kofiarhin69@gmail.com",
        EVENT("release") "heroku_release_version{app=\"my-app\"} gauge 9\n");
    api("Set CRON_ENABLED config vars by user kofiarhin69@gmail.com", EVENT("config_set"));
    api("Remove SENDGRID_PASSWORD config vars by user user@example.com", EVENT("config_remove"));
    api("Deploy 6909d7c6 by user ylan@example.com", EVENT("deploy"));
    api("Running release v99 commands by user ylan@example.com", EVENT("run"));
    api("Starting process with command `php src/test.php` by user scheduler@addons.heroku.com", EVENT("run"));
    api("Starting process with command `node wake_up_dyno.js` by scheduler@addons.heroku.com", EVENT("run"));
    api("this_is=\"broken", "");
}

static void events(void **state)
{
    (void)state;
    check_line("heroku", "api", "Scale to web=0 by a@b", OK, EVENT("scale") SCALED("web", "0", ""));
    api("Release v1 created by foo@bar", EVENT("release") "heroku_release_version{app=\"my-app\"} gauge 1\n");
    api("Set A, B_C config vars by user a@b", EVENT("config_set"));
    api("Build started by user a@b", EVENT("build_started"));
    api("Build succeeded", EVENT("build_succeeded"));
    api("Build failed", EVENT("build_failed"));
    api("Build failed -- check your build output: https://dashboard.heroku.com/apps/c802be5a/activity/builds/f4",
        EVENT("build_failed"));
    api("Rollback to v7 by user a@b", EVENT("rollback"));
    api("Starting process with command `echo x by user y@z` by user a@b", EVENT("run"));
    api("Scaled to web@999:Private-M a_B-9@1 by user a@b",
        EVENT("scale") SCALED("web", "999", SIZE("Private-M")) SCALED("a_B-9", "1", ""));
}

/* What is nearly an event counts nothing and scales nothing. */
static void other_text(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "",
        "Release v138",
        "Release v138 created",
        "Release v created by user a@b",
        "Release v1x created by user a@b",
        "Release v1234567890 created by user a@b",
        "Release v138 created by user a@b and c",
        "Release v138 created by user ",
        "Release v138 created by ",
        "> Release v138 created by user a@b",
        "Deploy by user a@b",
        "Deploy to production by user a@b",
        "Deploying 6909d7c6 by user a@b",
        "Set config vars by user a@b",
        "Set A by user a@b",
        "Build succeeded!",
        "Build failed -- see above",
        "Build started",
        "Starting process with command php by user a@b",
        "Running release v99 commands",
        "Rollback to the past by user a@b",
        "Scaled to by user a@b",
        "Scaled to web by user a@b",
        "Scaled to web@ by user a@b",
        "Scaled to web@x by user a@b",
        "Scaled to web@-1 by user a@b",
        "Scaled to web@1000 by user a@b",
        "Scaled to web@4294967297 by user a@b",
        "Scaled to web@1: by user a@b",
        "Scaled to web@1:Standard_1X by user a@b",
        "Scaled to web@1:Standard-1X:x by user a@b",
        "Scaled to web@1:123456789012345678901234567890123 by user a@b",
        "Scaled to @1:Standard-1X by user a@b",
        "Scaled to we.b@1:Standard-1X by user a@b",
        "Scaled to web/@1:Standard-1X by user a@b",
        "Scaled to a01234567890123456789012345678901234567890123456789012345678901@1 by user a@b",
        "Scaled to web@1:Standard-1X and more by user a@b",
        "Scaled to web@1:Standard-1X by user a@b now",
        "Scaled to web@1:Standard-1X",
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        api(messages[i], "");
    check_line("app", "web.1", "Release v138 created by user a@b", NONE, "");
    check_line("org", "api", "Release v138 created by user a@b", NONE, "");
    check_line("app", "api.1", "Release v138 created by user a@b", NONE, "");
}

static void many_types(void **state)
{
    (void)state;
    for (int count = 64; count <= 65; count++) {
        char message[1024];
        int length = sprintf(message, "Scaled to");
        for (int i = 0; i < count; i++)
            length += sprintf(message + length, " t%d@1", i);
        strcpy(message + length, " by user a@b");
        assert_int_equal(read_line(&recording, "app", "api", message), count == 64 ? OK : NONE);
        assert_int_equal(recording.length > 0, count == 64);
    }
}

/* A type's gauge ends with the type, the release with the app. */
static void lifetimes(void **state)
{
    (void)state;
    read_line(&recording, "app", "api", "Scale to web=1, mailer=3 by a@b");
    assert_true(recording.last.no_expiry);
    assert_slice(recording.last.process, "mailer");
    read_line(&recording, "app", "api", "Release v1 created by a@b");
    assert_true(recording.last.no_expiry);
    assert_slice(recording.last.process, "");
}

static void start(void **state)
{
    (void)state;
    struct family_context context = {.app = SLICE("my-app")};
    recording_start(&recording);
    families[FAMILY_API]->start_app(&context, &recording.output);
    assert_string_equal(recording.text, "heroku_api_events_total{app=\"my-app\"} 0\n");
}

/* Nobody's name is in what a line gives, wherever it ends. */
static void check_cut(struct slice cut)
{
    enum verdict verdict = read_message(&recording, "app", "api", cut);
    assert_int_equal(verdict == OK, recording.length > 0);
    assert_null(strchr(recording.text, '@'));
    assert_null(strstr(recording.text, "secret"));
}

static void cuts(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "Scaled to mailer@3:Performance-L web@5:Standard-2X by user secret@gmail.com",
        "Scale to mailer=1, web=3 by secret@gmail.com",
        "Release v138 created by user secret@bar",
        "Set secret config vars by user secret@gmail.com",
        "Starting process with command `secret` by user secret@addons.heroku.com",
        "Build failed -- check your build output: https://secret",
        "Running release v99 commands by user secret@example.com",
    };
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        each_cut(slice_of(messages[i]), check_cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured),   cmocka_unit_test(events),    cmocka_unit_test(other_text),
        cmocka_unit_test(many_types), cmocka_unit_test(lifetimes), cmocka_unit_test(start),
        cmocka_unit_test(cuts),
    };
    return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
