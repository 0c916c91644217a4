/* Messages from a log, in whatever form it was kept: what a drain was sent, syslog messages line by line, or what
 * "heroku logs" or "cf logs" shows.  The form is recognised from the log itself.
 *
 *     70 <174>1 2012-07-22T00:06:26+00:00 host heroku web.1 - Cycling                   frames
 *     <174>1 2012-07-22T00:06:26+00:00 host heroku web.1 - Cycling                      syslog
 *     2012-07-22T00:06:26+00:00 heroku[web.1]: Cycling                                  heroku logs
 *        2012-07-22T00:06:26.12+0000 [APP/PROC/WEB/0] OUT hello                         cf logs
 *
 * Lines of the last two forms become messages as Logplex and the agents of Cloud Foundry send them.  If a terminal's
 * colours are in such a line's header, they are taken out of the whole line.  Of which app a line of "cf logs" is says
 * its first line, "Retrieving logs for app shop in org acme / space prod as bob...", or log_input_name_app().  A line
 * without a header is a message as it stands. Memory is bounded: nothing is read further ahead than LOG_INPUT_WINDOW,
 * and what is longer is cut there. */
#ifndef LOG_INPUT_H
#define LOG_INPUT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "intake/syslog.h"

enum { LOG_INPUT_WINDOW = 16 << 20 };

enum log_input_form {
    LOG_INPUT_UNKNOWN, /* nothing was read yet, or nothing that looks like any of these: it is read as syslog */
    LOG_INPUT_FRAMES,
    LOG_INPUT_SYSLOG,
    LOG_INPUT_HEROKU,
    LOG_INPUT_CF,
};

/* The source of the bytes: as read(2), 0 at the end. */
struct log_input_source {
    ssize_t (*read)(void *context, char *buffer, size_t capacity);
    void *context;
};

struct log_input;

/* NULL if memory is short.  What the source needs must live until log_input_close(). */
struct log_input *log_input_open(const struct log_input_source *source);
void log_input_close(struct log_input *input); /* NULL is harmless */

/* The app of messages of "cf logs" unless the log names it itself: "acme/prod/shop", or one name, which then stands
 * where drains have the GUID.  app must live as long as the input. */
void log_input_name_app(struct log_input *input, struct slice app);

/* Put the next message into *message, which is valid until any of these functions is called again.  False at the end.
 */
bool log_input_next(struct log_input *input, struct slice *message);

/* Can the next message be returned without reading from the source? */
bool log_input_has_next(struct log_input *input);

/* Fill body, which is emptied first, with messages as a drain is sent them: those that are there, up to about limit
 * bytes.  Only the first one is waited for.  Returns how many there are; 0 at the end. */
size_t log_input_batch(struct log_input *input, size_t limit, struct buffer *body);

enum log_input_form log_input_form(const struct log_input *input);
const char *log_input_form_name(enum log_input_form form);

/* How messages of this form are to be read.  LOG_INPUT_CF: as those of Cloud Foundry. */
enum syslog_shape log_input_shape(enum log_input_form form);

/* errno of a read that failed, which ends the input; ENOMEM if memory was short; 0: all is well. */
int log_input_error(const struct log_input *input);

/* Bytes of the source that the messages returned so far were made of. */
uint64_t log_input_position(const struct log_input *input);

#endif
