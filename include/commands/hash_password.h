/* drain_exporter hash-password: print a hash for password_hash in the configuration. */
#ifndef COMMAND_HASH_PASSWORD_H
#define COMMAND_HASH_PASSWORD_H

/* argv: what follows the command's name.  Returns the exit status. */
int hash_password(int argc, char **argv);

#endif
