/* drain_exporter explain: print what each line of a log yields, or why it yields nothing; or a summary of that. */
#ifndef COMMAND_EXPLAIN_H
#define COMMAND_EXPLAIN_H

/* argv: what follows the command's name.  Returns the exit status. */
int explain(int argc, char **argv);

#endif
