#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "server/verifier.h"
#include "support.h"

/* Of "secret"; takes no time. */
#define CHEAP "$1$KqsIoeae$zCnkbzu8SpUVr0uMdCW8C0"

static struct accounts *accounts;
static struct verifier *verifier;

/* ---- who waits ---- */

struct waiter {
    struct verifier_ticket ticket; /* first */
    unsigned position;             /* in the order of answers, from 1; 0: none yet */
    enum accounts_result result;
    const struct account *account;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static unsigned answers;
static bool gate_is_open;

static void on_done(struct verifier_ticket *ticket, enum accounts_result result, const struct account *account)
{
    struct waiter *waiter = (struct waiter *)ticket;
    pthread_mutex_lock(&lock);
    waiter->result = result;
    waiter->account = account;
    waiter->position = ++answers;
    pthread_cond_broadcast(&answered);
    pthread_mutex_unlock(&lock);
}

static void wait_for_answers(unsigned count)
{
    pthread_mutex_lock(&lock);
    while (answers < count)
        pthread_cond_wait(&answered, &lock);
    pthread_mutex_unlock(&lock);
}

/* Holds the verifier up until open_gate(). */
static void on_done_at_gate(struct verifier_ticket *ticket, enum accounts_result result, const struct account *account)
{
    on_done(ticket, result, account);
    pthread_mutex_lock(&lock);
    while (!gate_is_open)
        pthread_cond_wait(&answered, &lock);
    pthread_mutex_unlock(&lock);
}

static void open_gate(void)
{
    pthread_mutex_lock(&lock);
    gate_is_open = true;
    pthread_cond_broadcast(&answered);
    pthread_mutex_unlock(&lock);
}

static enum accounts_result look(const char *pair, struct verification **verification)
{
    char header[256] = "Basic ";
    int length = 6 + EVP_EncodeBlock((unsigned char *)header + 6, (const unsigned char *)pair, (int)strlen(pair));
    const struct account *account;
    return accounts_check(accounts, (struct slice){header, (size_t)length}, &account, verification);
}

static bool submit_from(uint64_t source, struct waiter *waiter, const char *pair)
{
    struct verification *verification;
    assert_int_equal(look(pair, &verification), ACCOUNTS_PENDING);
    *waiter = (struct waiter){.ticket.done = on_done};
    return verifier_submit(verifier, verification, source, &waiter->ticket);
}

/* Each from an address of its own. */
static bool submit(struct waiter *waiter, const char *pair)
{
    static uint64_t source = 1000;
    return submit_from(source++, waiter, pair);
}

/* Let the verifier be busy until open_gate(): the first answer. */
static void close_gate(struct waiter *waiter)
{
    struct verification *verification;
    assert_int_equal(look("gate:secret", &verification), ACCOUNTS_PENDING);
    *waiter = (struct waiter){.ticket.done = on_done_at_gate};
    gate_is_open = false;
    assert_true(verifier_submit(verifier, verification, 1, &waiter->ticket));
    wait_for_answers(1);
}

static int start(void **state)
{
    (void)state;
    static const char yaml[] = "drains:\n"
                               "- {name: gate, app: gate, password_hash: '" CHEAP "'}\n"
                               "- {name: one, app: one, password_hash: '" CHEAP "'}\n"
                               "- {name: two, app: two, password_hash: '" CHEAP "'}\n";
    struct buffer mistakes = {0};
    struct configuration *file = configuration_parse(slice_of(yaml), "CONFIG", PASSWORDS_WITHOUT_SHARED, &mistakes);
    if (file == NULL)
        fail_msg("%.*s", (int)mistakes.length, mistakes.at);
    accounts = accounts_create(&(struct auth_realm){0}, file, NULL);
    verifier = verifier_start();
    answers = 0;
    return accounts == NULL || verifier == NULL;
}

static int stop(void **state)
{
    (void)state;
    verifier_stop(verifier);
    accounts_unref(accounts);
    return 0;
}

/* ---- tests ---- */

static void one_verification_for_all(void **state)
{
    (void)state;
    struct waiter gate, waiters[16];
    close_gate(&gate);
    for (int i = 0; i < 16; i++)
        assert_true(submit(&waiters[i], "one:secret"));
    open_gate();
    wait_for_answers(17);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(waiters[i].result, ACCOUNTS_ALLOWED);
        assert_ptr_equal(waiters[i].account, waiters[0].account);
    }
    assert_non_null(waiters[0].account);
}

static void users_take_turns(void **state)
{
    (void)state;
    struct waiter gate, guesses[8], two, one, one_again;
    char pair[32];
    close_gate(&gate);
    for (int i = 0; i < 8; i++) {
        sprintf(pair, "one:guess-%d", i);
        assert_true(submit(&guesses[i], pair));
    }
    assert_true(submit(&two, "two:secret"));
    assert_true(submit(&one, "one:secret"));
    assert_true(submit(&one_again, "one:secret"));
    open_gate();
    wait_for_answers(5); /* the gate; the password of one that two wait for; two; a guess */
    for (int i = 1; i < 8; i++)
        assert_true(verifier_cancel(verifier, &guesses[i].ticket));
    assert_true(one.position <= 3 && one_again.position <= 3);
    assert_int_equal(two.position, 4);
    assert_int_equal(guesses[0].position, 5);
    assert_int_equal(one.result, ACCOUNTS_ALLOWED);
    assert_int_equal(one_again.result, ACCOUNTS_ALLOWED);
    assert_int_equal(two.result, ACCOUNTS_ALLOWED);
    assert_int_equal(guesses[0].result, ACCOUNTS_DENIED);
}

/* Who guesses from one address holds up nobody at another one, however many connections have one of the guesses. */
static void addresses_take_turns(void **state)
{
    (void)state;
    struct waiter gate, guesses[4], popular[8], more, one;
    char pair[32];
    close_gate(&gate);
    for (int i = 0; i < 4; i++) {
        sprintf(pair, "one:guess-%d", i);
        assert_true(submit_from(1, &guesses[i], pair));
    }
    for (int i = 0; i < 8; i++)
        assert_true(submit_from(1, &popular[i], "one:guess-1"));
    assert_false(submit_from(1, &more, "one:guess-4"));
    assert_true(submit_from(2, &one, "one:secret"));
    open_gate();
    wait_for_answers(11); /* the gate, nine with a guess, one */
    assert_int_equal(one.position, 11);
    assert_int_equal(one.result, ACCOUNTS_ALLOWED);
    for (int i = 0; i < 4; i++)
        verifier_cancel(verifier, &guesses[i].ticket);
    verifier_stop(verifier); /* so that none is told later */
    verifier = NULL;
}

/* All names that nobody has share few turns, which come after those of users. */
static void strangers_come_last(void **state)
{
    (void)state;
    static struct waiter gate, strangers[200], one, two;
    unsigned waiting = 0;
    char pair[32];
    close_gate(&gate);
    for (int i = 0; i < 200; i++) {
        sprintf(pair, "stranger-%d:secret", i);
        waiting += submit(&strangers[waiting], pair);
    }
    assert_in_range(waiting, 16, 4 * 16);
    assert_true(submit(&one, "one:secret"));
    assert_true(submit(&two, "two:secret"));
    open_gate();
    wait_for_answers(4);
    assert_int_equal(one.position, 2);
    assert_int_equal(two.position, 3);
    for (unsigned i = 0; i < waiting; i++)
        if (!verifier_cancel(verifier, &strangers[i].ticket))
            assert_true(strangers[i].position == 0 || strangers[i].result == ACCOUNTS_DENIED);
    verifier_stop(verifier); /* so that none is told later */
    verifier = NULL;
}

static void guesses_are_bounded(void **state)
{
    (void)state;
    struct waiter gate, guesses[16], more, again, other;
    char pair[32];
    close_gate(&gate);
    for (int i = 0; i < 16; i++) {
        sprintf(pair, "one:guess-%d", i);
        assert_true(submit(&guesses[i], pair));
    }
    assert_false(submit(&more, "one:guess-16"));
    assert_true(submit(&again, "one:guess-0")); /* it waits already */
    assert_true(submit(&other, "two:secret"));
    uint64_t begin = clock_monotonic();
    open_gate();
    wait_for_answers(4);
    assert_int_equal(guesses[0].result, ACCOUNTS_DENIED);
    assert_int_equal(again.result, ACCOUNTS_DENIED);
    assert_int_equal(other.result, ACCOUNTS_ALLOWED);
    wait_for_answers(5);
    assert_true(clock_monotonic() - begin >= 500); /* what a wrong one costs its user */
    assert_int_equal(guesses[1].result, ACCOUNTS_DENIED);
    for (int i = 2; i < 16; i++)
        assert_true(verifier_cancel(verifier, &guesses[i].ticket));
}

/* All places are taken by a few addresses: one of them gives its up, and once each of them was wrong they come last. */
static void a_new_address_has_a_place(void **state)
{
    (void)state;
    static struct waiter gate, guesses[16], more, one;
    char pair[32];
    close_gate(&gate);
    for (unsigned i = 0; i < 16; i++) {
        sprintf(pair, "one:guess-%u", i);
        assert_true(submit_from(1 + i / 4, &guesses[i], pair));
    }
    assert_false(submit_from(1, &more, "one:guess-16"));
    assert_true(submit_from(9, &one, "one:secret"));
    wait_for_answers(2);
    assert_int_equal(guesses[15].position, 2); /* the newest */
    assert_int_equal(guesses[15].result, ACCOUNTS_NO_MEMORY);
    open_gate();
    wait_for_answers(7); /* a guess of each address, and the new one */
    assert_int_equal(one.result, ACCOUNTS_ALLOWED);
    assert_int_equal(one.position, 7);
    verifier_stop(verifier); /* so that none is told later */
    verifier = NULL;
}

static void cancelling(void **state)
{
    (void)state;
    struct waiter gate, first, second, third;
    close_gate(&gate);
    assert_true(submit(&first, "one:secret"));
    assert_true(submit(&second, "one:secret"));
    assert_true(submit(&third, "two:secret"));
    assert_true(verifier_cancel(verifier, &first.ticket));
    assert_true(verifier_cancel(verifier, &third.ticket));
    assert_false(verifier_cancel(verifier, &third.ticket));
    assert_false(verifier_cancel(verifier, &gate.ticket));
    open_gate();
    wait_for_answers(2);
    assert_int_equal(second.result, ACCOUNTS_ALLOWED);
    assert_int_equal(first.position, 0);
    assert_false(verifier_cancel(verifier, &second.ticket));
}

/* What waits at the end is freed. */
static void stopping(void **state)
{
    (void)state;
    static struct waiter gate, waiters[2];
    close_gate(&gate);
    assert_true(submit(&waiters[0], "one:secret"));
    assert_true(submit(&waiters[1], "two:secret"));
    open_gate();
}

enum { THREADS = 4, SUBMISSIONS = 100 };

static void *submit_often(void *argument)
{
    (void)argument;
    for (int i = 0; i < SUBMISSIONS; i++) {
        struct waiter *waiter = calloc(1, sizeof *waiter);
        struct verification *verification;
        waiter->ticket.done = on_done;
        bool waits = look("two:secret", &verification) == ACCOUNTS_PENDING &&
                     verifier_submit(verifier, verification, 1, &waiter->ticket) &&
                     !(i % 2 == 0 && verifier_cancel(verifier, &waiter->ticket));
        pthread_mutex_lock(&lock);
        while (waits && waiter->position == 0)
            pthread_cond_wait(&answered, &lock);
        pthread_mutex_unlock(&lock);
        free(waiter);
    }
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t list[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&list[i], NULL, submit_often, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(list[i], NULL);
    struct verification *verification;
    assert_int_equal(look("two:secret", &verification), ACCOUNTS_ALLOWED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_verification_for_all, start, stop),
        cmocka_unit_test_setup_teardown(users_take_turns, start, stop),
        cmocka_unit_test_setup_teardown(addresses_take_turns, start, stop),
        cmocka_unit_test_setup_teardown(strangers_come_last, start, stop),
        cmocka_unit_test_setup_teardown(guesses_are_bounded, start, stop),
        cmocka_unit_test_setup_teardown(a_new_address_has_a_place, start, stop),
        cmocka_unit_test_setup_teardown(cancelling, start, stop),
        cmocka_unit_test_setup_teardown(stopping, start, stop),
        cmocka_unit_test_setup_teardown(threads, start, stop),
    };
    return cmocka_run_group_tests_name("verifier", tests, NULL, NULL);
}
