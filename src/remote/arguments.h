/* The arguments of one command of kiln-remote. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    const char *name;   /* "--ref" */
    const char **value; /* "--ref VALUE" or "--ref=VALUE"; or NULL */
    bool *flag;         /* is set by "--name" alone; or NULL */
} RemoteOption;

/* Reads options (the list ends with one without name) and exactly `n` operands, which may stand behind
 * "--"; all are borrowed from argv, of which [0] is the command's name. REMOTE_ERROR_USAGE, which shows
 * `usage`. */
bool remote_arguments_parse(int argc, char **argv, const RemoteOption *options, const char **operands,
                            gsize n, const char *usage, GError **error);
