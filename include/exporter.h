/* Makes everything from the configuration: what takes batches, who may post them, the server.  The server and the
 * commands load and make the same things here, so that the same batch means the same to all.
 *
 *     main.c:   exporter_open -> exporter_start -> exporter_accept, exporter_reload ... -> exporter_stop ->
 * exporter_close commands: offline_open  -> batch_process ...                                      -> offline_close
 */
#ifndef EXPORTER_H
#define EXPORTER_H

#include "config/configuration.h"
#include "config/settings.h"
#include "intake/batch.h"

/* ---- without a server ---- */

/* What is between a batch and a page. */
struct pipeline {
    struct entities *entities;
    struct directory *directory;
    struct store *store;
    struct intake *intake;
    struct unmatched *unmatched; /* NULL: the settings want none */
    struct canary_token canary;  /* which the intake reads lines for */
    unsigned maintenance_slot;   /* of the store; those below are the workers' */
};

/* What a command needs that reads batches itself, on one thread, with slot 0. */
struct offline {
    struct settings settings;
    struct configuration *configuration;
    struct pipeline pipeline;
};

/* Load the settings of the environment, and the configuration from config_file, or, if that is NULL, from where the
 * settings say; no password is needed.  False with mistakes; then there is nothing to close. */
bool offline_open(struct offline *offline, const char *config_file, struct buffer *mistakes);

/* A batch without a body, but with all that the configuration says of this app; app may be NULL.  It is posted
 * by the shared user or, if that cannot speak for the app, by the first drain that can. */
struct batch offline_batch(const struct offline *offline, const char *app);

void offline_close(struct offline *offline);

/* ---- the server ---- */

struct exporter;

/* Load the configuration and make everything; the socket is open then, but nobody is served yet.  NULL with mistakes.
 * The settings must live until exporter_close(). */
struct exporter *exporter_open(struct settings *settings, struct buffer *mistakes);

/* Start the threads that serve.  False if one of them cannot be created: others may run already, and nothing is left
 * but to end the process. */
bool exporter_start(struct exporter *exporter);

/* The listening sockets, for poll(): that of LISTEN_ADDRESS, and that of METRICS_LISTEN_ADDRESS or -1. */
void exporter_listeners(const struct exporter *exporter, int listeners[2]);
void exporter_accept(struct exporter *exporter);

/* Read again what can change while we serve, and take all of it or nothing: the passwords in files, and the
 * configuration.  What came of it is logged.  On the thread that accepts. */
void exporter_reload(struct exporter *exporter);

/* Now and then: has something changed on disk that is read again by itself?  That is the certificate and its key.  On
 * the same thread. */
void exporter_watch(struct exporter *exporter);
enum { EXPORTER_WATCH_INTERVAL = 2000 /* milliseconds */ };

/* Could the certificate and its key be served?  If not, false with one sentence in error.  warning is empty, or a
 * sentence about its expiry. */
bool exporter_check_tls(const struct settings *settings, char warning[ERROR_MAX], char error[ERROR_MAX]);

/* Can the URLs of other servers be read?  If not, false with one sentence in error, without secrets. */
bool exporter_check_urls(const struct settings *settings, char error[ERROR_MAX]);

/* GET /health and GET /ready answer 503 from now on; all else goes on. */
void exporter_unhealthy(struct exporter *exporter);

/* Stop: requests that have begun are finished, then the state is written.  False if not all of them are after so many
 * milliseconds, or the state is not within some seconds more, which is logged; then nothing is left but to end the
 * process. */
bool exporter_stop(struct exporter *exporter, uint64_t timeout);

/* Free all, after exporter_stop() returned true, or if exporter_start() was never called. */
void exporter_close(struct exporter *exporter);

#endif
