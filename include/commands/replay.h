/* drain_exporter replay: send a log to a drain as Logplex would. */
#ifndef COMMAND_REPLAY_H
#define COMMAND_REPLAY_H

/* argv: what follows the command's name.  Returns the exit status. */
int replay(int argc, char **argv);

#endif
