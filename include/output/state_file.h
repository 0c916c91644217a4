/* The file that the state of the program is kept in, from one start to the next.
 *
 *     start    the file is read, and no longer says that its program has stopped
 *     serve    every interval the state is written to <file>.new, which then takes the place of the file
 *     stop     once more, and now the file says that the program has stopped
 *
 * WHOLE    What stands under the file's name is always a whole state: it was written and flushed (fsync) under the
 * other name before.  If that fails, since the disk is full, the file stays as it was. THREAD   A thread of its own
 * writes.  The maintenance thread makes each piece when that one asks, as for a scrape. TWO      The lock on
 * <file>.lock says whose the file is.  Who does not get it reads the file, as one of a program that goes on, and writes
 * none until the lock is free. ASIDE    A file that cannot be used is kept as <file>.unusable. */
#ifndef STATE_FILE_H
#define STATE_FILE_H

#include "output/maintenance.h"
#include "output/state_load.h"

struct state_file;

/* The file of this path, or "drain_exporter.state" in it, if it is a folder.  The folder is opened, and all that
 * follows is done in it.  NULL with one sentence in error; so if a device, a pipe or a socket stands there. */
struct state_file *state_file_open(const char *path, char error[ERROR_MAX]);

/* The descriptor of its folder, by which all of its files are opened. */
int state_file_folder(const struct state_file *file);

/* Go on from the file; what came of it is logged.  settings->orderly is set here.  Returns the scrapers that are known;
 * NULL: none.  Inside the store, before the other threads. */
const struct scrapers *state_file_load(struct state_file *file, struct state_load_settings *settings);

/* Could all go on from the file: is it ours, whole, and says that its program has stopped?  Before it is loaded. */
bool state_file_is_orderly(struct state_file *file);

/* In place of loading it: something better was loaded. */
void state_file_pass_over(struct state_file *file);

/* Let the thread write every interval (milliseconds).  False if there can be none. */
bool state_file_start(struct state_file *file, struct maintenance *maintenance, uint64_t interval);

/* The file is written for the last time, and the thread ends.  Nothing may be counted any more.  False if it does not
 * end after so many milliseconds; then nothing is left but to end the process.  If the thread was never started, the
 * file says again what it said before. */
bool state_file_stop(struct state_file *file, uint64_t timeout);

/* Record what has become of the file, before a page.  Inside the store, on the maintenance thread. */
void state_file_describe(struct state_file *file, struct store *store, unsigned slot, uint64_t now);

void state_file_free(struct state_file *file); /* NULL is harmless */

#endif
