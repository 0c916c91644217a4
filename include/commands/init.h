/* drain_exporter init: print a commented configuration that suits a log: what gives metrics already, and rules for the
 * commonest lines that do not. */
#ifndef COMMAND_INIT_H
#define COMMAND_INIT_H

/* argv: what follows the command's name.  Returns the exit status. */
int init(int argc, char **argv);

#endif
