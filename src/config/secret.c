#include "config/secret.h"

#include <errno.h>
#include <stdio.h>

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

bool secret_read(const char *path, char text[SECRET_ROOM], char error[ERROR_MAX])
{
    FILE *file = file_open(path);
    if (file == NULL)
        return error_set(error, "cannot be opened: %s", strerror(errno));
    size_t length = fread(text, 1, SECRET_ROOM - 1, file);
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
    explicit_bzero(text, SECRET_ROOM);
    return false;
}
