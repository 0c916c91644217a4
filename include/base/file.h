/* Files that somebody else names. */
#ifndef FILE_H
#define FILE_H

#include <stdio.h>

/* Open a file for reading, without a buffer, so that no copy of a secret is left in one.  NULL with errno if that
 * fails.  If it is a pipe, this waits for at most a second for what
 * somebody writes to it, and reading does not wait. */
FILE *file_open(const char *path);

#endif
