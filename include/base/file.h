/* Files that somebody else names. */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>
#include <stdio.h>

/* Open a file for reading, without a buffer, so that no copy of a secret is left in one.  NULL with errno if that
 * fails.  If it is a pipe, this waits for at most a second for what
 * somebody writes to it, and reading does not wait. */
FILE *file_open(const char *path);

/* Is there a file of this name that is no pipe, device or folder?  A library that opens a pipe may wait for ever. */
bool file_is_regular(const char *path);

#endif
