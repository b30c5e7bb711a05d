/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/whole_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *whole_file_read(const char *path, const char *key, size_t bytes_max, size_t *bytes,
                      struct config_errors *errors)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(bytes_max + 1);
    *bytes = file && text ? fread(text, 1, bytes_max + 1, file) : 0;
    bool is_read = file && text && !ferror(file);
    if (!is_read)
        config_error_add(errors, "%s: %s cannot be read: %s", key, path, strerror(errno));
    else if (*bytes > bytes_max)
        config_error_add(errors, "%s: %s has more than %zu MiB", key, path, bytes_max >> 20);
    if (file)
        fclose(file);
    if (is_read && *bytes <= bytes_max)
        return text;
    free(text);
    return NULL;
}
