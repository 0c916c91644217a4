#include "config/secret.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"

/* Without "\n" or "\r\n" at its end. */
static size_t without_newline(const char *text, size_t length)
{
    if (length > 0 && text[length - 1] == '\n')
        length--;
    if (length > 0 && text[length - 1] == '\r')
        length--;
    return length;
}

bool secret_read(const char *path, char text[SECRET_CAPACITY], char error[ERROR_MAX])
{
    FILE *file = file_open(path);
    if (file == NULL)
        return error_set(error, "cannot be opened: %s", strerror(errno));
    size_t length = fread(text, 1, SECRET_CAPACITY - 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    length = without_newline(text, length);
    text[length] = '\0';
    if (failed)
        error_set(error, "cannot be read");
    else if (strlen(text) != length)
        error_set(error, "holds a NUL byte");
    else
        return true;
    explicit_bzero(text, SECRET_CAPACITY);
    return false;
}

/* The pages that a secret has to itself, bytes. */
static size_t pages_of(const char *secret)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (strlen(secret) + 1 + page - 1) / page * page;
}

char *secret_keep(const char *secret)
{
    size_t size = pages_of(secret);
    char *kept = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (kept == MAP_FAILED)
        return NULL;
    /* Neither is promised: RLIMIT_MEMLOCK may be 0. */
    mlock(kept, size);
    madvise(kept, size, MADV_DONTDUMP);
    return strcpy(kept, secret);
}

void secret_free(char *secret)
{
    if (secret == NULL)
        return;
    size_t size = pages_of(secret);
    explicit_bzero(secret, size);
    munmap(secret, size);
}
