/* What a log line may hold that must not be shown to everybody who may know what kind of line it is.
 *
 *     paid by bob@example.com                 an e-mail address
 *     password=hunter2                        what is called a password, a secret, a token, a credential or a key
 *     postgres://u:hunter2@host/db            the password of a URL
 *     ghp_16C7e42F292c6912E7710c838347Ae178B4a   what looks like a key: a known start, or twenty bytes that look random
 *
 * This is a guess: a password in a sentence ("hunter2 was wrong") looks like any other word.
 * Pure: no I/O, no allocation. */
#ifndef CONFIDENTIAL_H
#define CONFIDENTIAL_H

#include "base/slice.h"

/* Each: how many bytes of text, from the offset at, are such a thing; 0: none begins there.  A word or a quoted string
 * starts at the offset.  What stands before it in text matters as well. */

/* The value of what is called a password and so on, with the quotes around it; or the password of a URL. */
size_t confidential_secret(struct slice text, size_t at);
size_t confidential_email(struct slice text, size_t at);
size_t confidential_key(struct slice text, size_t at);

#endif
