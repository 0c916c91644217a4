/* drain_exporter convert: print the page that a log makes, as the server would show it, without a server. */
#ifndef COMMAND_CONVERT_H
#define COMMAND_CONVERT_H

/* argv: what follows the command's name.  Returns the exit status. */
int convert(int argc, char **argv);

#endif
