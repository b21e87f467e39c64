/* Flags of a command line, as Docker's commands take them: "--name value", "--name=value", "-n
 * value",
 * "-nvalue", "-n=value", switches "--name[=true|false]" and "-ab"; flags and arguments in any
 * order, "--" ends the flags. (GOption has no switches with a value, and no words for an unknown
 * flag.) */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum {
    KILN_FLAG_SWITCH,   /* bool */
    KILN_FLAG_STRING,   /* char *: the last one counts; g_free() */
    KILN_FLAG_OPTIONAL, /* char *: alone it means "true"; a value needs the "=" */
    KILN_FLAG_LIST,     /* GPtrArray * of char *, made by the caller */
    /* Flags of Docker's that need no value of ours: */
    KILN_FLAG_IGNORED_SWITCH,
    KILN_FLAG_IGNORED,     /* any value */
    KILN_FLAG_ONLY,        /* the values of `argument`, separated by "|", are accepted */
    KILN_FLAG_UNSUPPORTED, /* known, refused by name */
} KilnFlagKind;

typedef struct {
    char letter; /* 0: none */
    const char *name;
    KilnFlagKind kind;
    void *value;          /* by kind */
    const char *argument; /* what --help calls the value */
    const char *help;     /* NULL: not shown by --help */
} KilnFlag;

/* Parses argv (without the program's name). What is no flag is added to `arguments` (char *,
 * borrowed from argv). False with KILN_ERROR_USAGE. */
bool kiln_flags_parse(const KilnFlag *flags, guint n, int argc, char **argv, GPtrArray *arguments,
                      GError **error);

/* The same for a command line whose first argument ends the flags: what follows is another command's. */
bool kiln_flags_parse_leading(const KilnFlag *flags, guint n, int argc, char **argv,
                              GPtrArray *arguments, GError **error);

/* The lines of --help, in the order of the table. */
void kiln_flags_help(const KilnFlag *flags, guint n, GString *to);

/* Sets a KILN_ERROR_USAGE; always false. */
bool kiln_usage_error(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
