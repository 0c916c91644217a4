#include "server/verifier.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

enum {
    JOBS_MAX = 1024,
    USER_JOBS_MAX = 16,
    SOURCE_JOBS_MAX = 4, /* of these */
    WRONG_SOURCES = 256, /* that are remembered of a user */
    PAUSE = 500, /* milliseconds from the beginning of a verification that failed to the next one of that user */
};

/* A password, and who waits for it. */
struct job {
    struct job *next; /* of the same user, a later one */
    struct verification *verification;
    struct verifier_ticket *tickets;
    unsigned waiting; /* tickets */
    uint64_t source;  /* of the first of them */
};

struct user {
    struct user *next; /* whose turn is later */
    const struct account *account;
    bool is_decoy;
    struct job *jobs;
    unsigned job_count;
    uint64_t not_before; /* when the next one may be begun, milliseconds of the monotonic clock */
    /* Where wrong passwords came from lately, each once, the last one at the end. */
    uint64_t wrong[WRONG_SOURCES];
    unsigned wrong_count;
};

struct verifier {
    pthread_t thread;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    struct user *users;
    struct job *running; /* NULL: none */
    unsigned job_count;  /* that wait */
    bool stopping;
};

/* ---- who waits; all of this with the lock held ---- */

static void add_ticket(struct job *job, struct verifier_ticket *ticket)
{
    ticket->next = job->tickets;
    job->tickets = ticket;
    job->waiting++;
}

static bool remove_ticket(struct job *job, const struct verifier_ticket *ticket)
{
    for (struct verifier_ticket **at = &job->tickets; *at != NULL; at = &(*at)->next)
        if (*at == ticket) {
            *at = ticket->next;
            job->waiting--;
            return true;
        }
    return false;
}

static void free_job(struct job *job)
{
    verification_free(job->verification);
    free(job);
}

/* Take a job out of its user's list. */
static void unlink_job(struct verifier *verifier, struct user *user, const struct job *job)
{
    struct job **at = &user->jobs;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    user->job_count--;
    verifier->job_count--;
}

/* The user of a verification, a new one at the end if need be; NULL if memory is short. */
static struct user *find_user(struct verifier *verifier, const struct account *account, bool is_decoy)
{
    struct user **at = &verifier->users;
    while (*at != NULL && (*at)->account != account)
        at = &(*at)->next;
    if (*at == NULL && (*at = calloc(1, sizeof **at)) != NULL)
        **at = (struct user){.account = account, .is_decoy = is_decoy};
    return *at;
}

static void move_to_end(struct verifier *verifier, struct user *user)
{
    struct user **at = &verifier->users;
    while (*at != user)
        at = &(*at)->next;
    *at = user->next;
    while (*at != NULL)
        at = &(*at)->next;
    *at = user;
    user->next = NULL;
}

/* Forget the users for whom nothing waits and nothing is to be waited for. */
static void forget_users(struct verifier *verifier, uint64_t now)
{
    for (struct user **at = &verifier->users; *at != NULL;) {
        struct user *user = *at;
        if (user->jobs == NULL && user->not_before <= now) {
            *at = user->next;
            free(user);
        } else
            at = &user->next;
    }
}

/* ---- the thread ---- */

/* How late a source has its turn: 0 if no wrong password came from it lately, else the later the more lately. */
static unsigned rank_of(const struct user *user, uint64_t source)
{
    unsigned rank = user->wrong_count;
    while (rank > 0 && user->wrong[rank - 1] != source)
        rank--;
    return rank;
}

/* A wrong password came from there. */
static void note_wrong(struct user *user, uint64_t source)
{
    unsigned rank = rank_of(user, source);
    if (rank == 0 && user->wrong_count < WRONG_SOURCES)
        user->wrong[user->wrong_count++] = source;
    else {
        unsigned from = rank == 0 ? 1 : rank; /* the oldest goes, if it is new */
        memmove(&user->wrong[from - 1], &user->wrong[from], (user->wrong_count - from) * sizeof user->wrong[0]);
        user->wrong[user->wrong_count - 1] = source;
    }
}

static bool is_better(const struct user *user, const struct job *job, const struct job *best)
{
    unsigned rank = rank_of(user, job->source), best_rank = rank_of(user, best->source);
    return rank != best_rank ? rank < best_rank : job->waiting > best->waiting;
}

/* Of a user who has some. */
static struct job *best_job(const struct user *user)
{
    struct job *best = user->jobs;
    for (struct job *job = best->next; job != NULL; job = job->next)
        if (is_better(user, job, best))
            best = job;
    return best;
}

/* The user whose turn it is; NULL if it is nobody's, then *wait says for how long at most. */
static struct user *next_user(const struct verifier *verifier, uint64_t now, uint64_t *wait)
{
    struct user *decoy = NULL;
    *wait = UINT64_MAX;
    for (struct user *user = verifier->users; user != NULL; user = user->next) {
        bool is_ready = user->jobs != NULL && user->not_before <= now;
        if (is_ready && !user->is_decoy)
            return user;
        if (is_ready && decoy == NULL)
            decoy = user;
        uint64_t left = user->not_before > now ? user->not_before - now : 0;
        if (left < *wait)
            *wait = left;
    }
    return decoy;
}

static void wait_for_change(struct verifier *verifier, uint64_t now, uint64_t wait)
{
    if (wait == UINT64_MAX) {
        pthread_cond_wait(&verifier->changed, &verifier->lock);
        return;
    }
    uint64_t until = now + wait;
    struct timespec deadline = {(time_t)(until / 1000), (long)(until % 1000) * 1000000};
    pthread_cond_timedwait(&verifier->changed, &verifier->lock, &deadline);
}

/* Tell all who waited for a job, which is freed.  Without the lock. */
static void tell(struct job *job, enum accounts_result result, const struct account *account)
{
    for (struct verifier_ticket *ticket = job->tickets, *next; ticket != NULL; ticket = next) {
        next = ticket->next; /* it may be gone once it is done */
        ticket->done(ticket, result, account);
    }
    free_job(job);
}

/* Run a user's next job and tell all who wait for it.  The lock is let go meanwhile. */
static void run_job(struct verifier *verifier, struct user *user)
{
    struct job *job = verifier->running = best_job(user);
    const struct account *user_account = user->account, *account = NULL;
    bool is_decoy = user->is_decoy;
    unlink_job(verifier, user, job);
    move_to_end(verifier, user);
    pthread_mutex_unlock(&verifier->lock);
    uint64_t begun = clock_monotonic();
    enum accounts_result result = verification_run(job->verification, &account);
    pthread_mutex_lock(&verifier->lock);
    verifier->running = NULL;
    if (result == ACCOUNTS_DENIED && (user = find_user(verifier, user_account, is_decoy)) != NULL) {
        user->not_before = begun + PAUSE;
        note_wrong(user, job->source);
    }
    pthread_mutex_unlock(&verifier->lock);
    tell(job, result, account);
    pthread_mutex_lock(&verifier->lock);
}

static void *run(void *argument)
{
    struct verifier *verifier = argument;
    pthread_mutex_lock(&verifier->lock);
    while (!verifier->stopping) {
        uint64_t now = clock_monotonic(), wait;
        forget_users(verifier, now);
        struct user *user = next_user(verifier, now, &wait);
        if (user != NULL)
            run_job(verifier, user);
        else
            wait_for_change(verifier, now, wait);
    }
    pthread_mutex_unlock(&verifier->lock);
    return NULL;
}

/* ---- from outside ---- */

struct verifier *verifier_start(void)
{
    struct verifier *verifier = calloc(1, sizeof *verifier);
    if (verifier == NULL)
        return NULL;
    pthread_mutex_init(&verifier->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&verifier->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&verifier->thread, NULL, run, verifier) == 0)
        return verifier;
    pthread_cond_destroy(&verifier->changed);
    pthread_mutex_destroy(&verifier->lock);
    free(verifier);
    return NULL;
}

void verifier_stop(struct verifier *verifier)
{
    if (verifier == NULL)
        return;
    pthread_mutex_lock(&verifier->lock);
    verifier->stopping = true;
    pthread_cond_signal(&verifier->changed);
    pthread_mutex_unlock(&verifier->lock);
    pthread_join(verifier->thread, NULL);
    while (verifier->users != NULL) {
        struct user *user = verifier->users;
        while (user->jobs != NULL) {
            struct job *job = user->jobs;
            user->jobs = job->next;
            free_job(job);
        }
        verifier->users = user->next;
        free(user);
    }
    pthread_cond_destroy(&verifier->changed);
    pthread_mutex_destroy(&verifier->lock);
    free(verifier);
}

/* Wait for a job that there is already.  With the lock held. */
static bool join_job(struct verifier *verifier, const struct user *user, const struct verification *verification,
                     struct verifier_ticket *ticket)
{
    struct job *job = verifier->running;
    if (job == NULL || !verification_equals(job->verification, verification)) {
        job = user->jobs;
        while (job != NULL && !verification_equals(job->verification, verification))
            job = job->next;
    }
    if (job != NULL)
        add_ticket(job, ticket);
    return job != NULL;
}

static unsigned count_of(const struct user *user, uint64_t source)
{
    unsigned count = 0;
    for (const struct job *job = user->jobs; job != NULL; job = job->next)
        count += job->source == source;
    return count;
}

/* All places of a user are taken.  The job that gives up its place for one from this source: the newest of the source
 * that has its turn last, or of several alike has most of them.  NULL: that is this source itself.  With the lock held.
 */
static struct job *job_to_displace(const struct user *user, uint64_t source)
{
    struct job *chosen = NULL;
    unsigned last = rank_of(user, source), most = count_of(user, source) + 1;
    for (struct job *job = user->jobs; job != NULL; job = job->next) {
        unsigned rank = rank_of(user, job->source), count = count_of(user, job->source);
        bool is_alike = chosen != NULL && rank == last && count == most;
        if (rank > last || (rank == last && count > most) || is_alike) {
            chosen = job;
            last = rank;
            most = count;
        }
    }
    return chosen;
}

/* Make a job of it; false if there are too many.  *displaced: another one that has lost its place, or NULL.  With the
 * lock held. */
static bool add_job(struct verifier *verifier, struct user *user, struct verification *verification, uint64_t source,
                    struct verifier_ticket *ticket, struct job **displaced)
{
    bool is_full = user->job_count >= USER_JOBS_MAX;
    *displaced = NULL;
    if (verifier->job_count >= JOBS_MAX || count_of(user, source) >= SOURCE_JOBS_MAX ||
        (is_full && (*displaced = job_to_displace(user, source)) == NULL))
        return false;
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        *displaced = NULL;
        return false;
    }
    if (*displaced != NULL)
        unlink_job(verifier, user, *displaced);
    job->verification = verification;
    job->source = source;
    add_ticket(job, ticket);
    struct job **end = &user->jobs;
    while (*end != NULL)
        end = &(*end)->next;
    *end = job;
    user->job_count++;
    verifier->job_count++;
    pthread_cond_signal(&verifier->changed);
    return true;
}

bool verifier_submit(struct verifier *verifier, struct verification *verification, uint64_t source,
                     struct verifier_ticket *ticket)
{
    pthread_mutex_lock(&verifier->lock);
    struct user *user = find_user(verifier, verification_user(verification), verification_is_of_decoy(verification));
    bool joined = user != NULL && join_job(verifier, user, verification, ticket);
    struct job *displaced = NULL;
    bool added = user != NULL && !joined && add_job(verifier, user, verification, source, ticket, &displaced);
    pthread_mutex_unlock(&verifier->lock);
    if (displaced != NULL)
        tell(displaced, ACCOUNTS_NO_MEMORY, NULL);
    if (!added)
        verification_free(verification);
    return joined || added;
}

bool verifier_cancel(struct verifier *verifier, struct verifier_ticket *ticket)
{
    pthread_mutex_lock(&verifier->lock);
    bool removed = verifier->running != NULL && remove_ticket(verifier->running, ticket);
    struct job *unwanted = NULL;
    for (struct user *user = verifier->users; user != NULL && !removed; user = user->next)
        for (struct job *job = user->jobs; job != NULL && !removed; job = job->next)
            if ((removed = remove_ticket(job, ticket)) && job->tickets == NULL) {
                unlink_job(verifier, user, job);
                unwanted = job;
                break;
            }
    pthread_mutex_unlock(&verifier->lock);
    if (unwanted != NULL)
        free_job(unwanted);
    return removed;
}
