/* Split a drain body into messages: RFC 6587 octet counting as real senders do it.  Pure: no I/O, no allocation.
 *
 *     70 <174>1 2012-07-22T00:06:26+00:00 host erlang console - Hi from erlang\n70 <174>1 ...
 *     ^^ ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ message, 70 octets, its newline included ^^
 *
 * A count is believed when it lands on a boundary: behind or before a newline, the end of the body, or the next "digits
 * SP <".  A believed message is never looked into, so its text cannot forge a second message.  A count that is not
 * believed is repaired: the message ends at the next line start.  Without a count, a line is a message. */
#ifndef FRAME_H
#define FRAME_H

#include "base/slice.h"

enum frame_result {
    FRAME_END,      /* nothing but blanks was left */
    FRAME_MESSAGE,  /* a message; its count was right, or there was none */
    FRAME_REPAIRED, /* a message whose count was wrong, ended at the next line start or the end of the body */
};

/* Move the first message of *body into *message and *body past it.  *message points into the body, is valid as long as
 * the body is, and has lost its final newline (LF or CRLF).  It may be empty.  Every call that does not return
 * FRAME_END makes *body shorter. */
enum frame_result frame_next(struct slice *body, struct slice *message);

/* How many bytes of a body whose end is not there yet must be there to decide whether its first count is right.
 * SIZE_MAX: more than there can be; 0: it has no count. */
size_t frame_look_ahead(struct slice body);

#endif
