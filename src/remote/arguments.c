#include "remote/arguments.h"

#include <string.h>

#include "remote/error.h"

static bool fail(const char *what, const char *which, const char *usage, GError **error)
{
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_USAGE, "%s%s; usage: kiln-remote %s", what, which,
                usage);
    return false;
}

/* Takes the option at argv[*i], and its value if that is the next argument. */
static bool take_option(int argc, char **argv, int *i, const RemoteOption *options)
{
    const char *argument = argv[*i];
    for (const RemoteOption *o = options; o->name; o++) {
        gsize length = strlen(o->name);
        if (strncmp(argument, o->name, length) != 0) {
            continue;
        }
        if (o->flag && argument[length] == '\0') {
            *o->flag = true;
            return true;
        }
        if (o->value && argument[length] == '=') {
            *o->value = argument + length + 1;
            return true;
        }
        if (o->value && argument[length] == '\0' && *i + 1 < argc) {
            *o->value = argv[++*i];
            return true;
        }
    }
    return false;
}

bool remote_arguments_parse(int argc, char **argv, const RemoteOption *options, const char **operands,
                            gsize n, const char *usage, GError **error)
{
    gsize count = 0;
    bool only_operands = false;
    for (int i = 1; i < argc; i++) {
        if (!only_operands && strcmp(argv[i], "--") == 0) {
            only_operands = true;
        } else if (!only_operands && argv[i][0] == '-') {
            if (!take_option(argc, argv, &i, options)) {
                return fail("unknown or incomplete option ", argv[i], usage, error);
            }
        } else if (count == n) {
            return fail("unexpected argument ", argv[i], usage, error);
        } else {
            operands[count++] = argv[i];
        }
    }
    return count == n || fail("an argument is missing", "", usage, error);
}
