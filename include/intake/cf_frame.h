/* Split a body of Cloud Foundry into messages.  Its agents write no counts: each message ends in a newline, and may
 * hold newlines itself, in what an app prints and in the values of its structured data.
 *
 *     <14>1 2026-02-03T04:05:06Z acme.prod.shop 3517892b-... [0] - [timer@47450 name="http" ...][tags@47450
 *     forwarded="10.0.0.1<newline>10.0.0.2" ...] <newline>
 *     <14>1 2026-02-03T04:05:07Z ...
 *
 * So a message ends at the first newline behind its structured data that the whole header of a message follows:
 * "<PRI>1 timestamp HOSTNAME APPNAME PROCID MSGID ".  An app that prints a newline and such a header can forge a
 * message of its batch; nothing in the body tells it from a real one.  Messages with counts are read as everywhere
 * (frame.h).
 *
 * Pure: no I/O, no allocation.  The work is linear in the body. */
#ifndef CF_FRAME_H
#define CF_FRAME_H

#include "intake/frame.h"
#include "intake/syslog.h"

/* As frame_next().  *line: the parts of a message with structured data, which has to be read to find its end; without,
 * its structured_data is empty, and syslog_parse() is to be asked for the others.  near: see syslog_time_near(). */
enum frame_result cf_frame_next(struct slice *body, struct slice *message, struct line *line,
                                struct syslog_minute *near);

/* The same for a body that is one message if it has no count, as those of https:// drains are: whatever it holds. */
enum frame_result cf_frame_whole(struct slice *body, struct slice *message, struct line *line,
                                 struct syslog_minute *near);

/* Does a message of Cloud Foundry begin here, with a count or without: a header with a time, and a PROCID in brackets?
 */
bool cf_frame_is_first(struct slice body);

#endif
