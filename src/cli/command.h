/* A subcommand: its place in the table of main.c, its command line, and the operation that it
 * starts. */
#pragma once

#include "cli/flags.h"
#include "cli/settings.h"

#include <json-c/json.h>
#include <kiln/kiln.h>

typedef struct KilnCommand KilnCommand;

/* One call of a subcommand. */
typedef struct {
    const KilnCommand *command;
    int argc; /* what follows the command's name */
    char **argv;
    KilnSettings settings;
    char *root, *libexec; /* flags of every command */
    bool help;
    GPtrArray *arguments; /* char *: what is no flag */
} KilnCall;

struct KilnCommand {
    const char *name;
    const char *usage; /* "[OPTIONS] PATH" */
    const char *summary;
    guint arguments_min, arguments_max;
    /* Returns the exit code; with *error set, that of the error counts. */
    int (*run)(KilnCall *call, GError **error);
    /* For one that runs another command: the flags end before that, and whatever kiln itself fails
     * at has an exit code of its own, as in docker run. 0: neither. */
    int failure_code;
};

/* Parses the call's command line by the command's flags and those of every command. False with an
 * error, or without if --help was asked for and has been printed. */
bool kiln_call_parse(KilnCall *call, const KilnFlag *flags, guint n, GError **error);

/* "--help" of a command. */
char *kiln_command_help(const KilnCommand *command, const KilnFlag *flags, guint n);

/* Sets or adds a path, made absolute by the current directory; "-" stays as it is. */
void kiln_request_set_path(KilnRequest *r, const char *key, const char *path);
/* g_free(). */
char *kiln_path_absolute(const char *path);

/* Runs the request to its end, showing its events on standard error by `progress` ("auto", …).
 * Signals to end are passed to it. Returns the exit code; *result (json_object_put) is the result's
 * document, NULL without one. title: for a tty, "Building". */
int kiln_call_run(KilnCall *call, KilnRequest *r, const char *progress, const char *title,
                  json_object **result, GError **error);

/* Fields of a result: NULL or empty if it is not there or of another kind. Borrowed. */
const char *kiln_result_string(json_object *o, const char *key);
json_object *kiln_result_array(json_object *o, const char *key); /* may be NULL: length 0 */
guint kiln_array_length(json_object *array);

int kiln_command_advise(KilnCall *call, GError **error);
int kiln_command_ast(KilnCall *call, GError **error);
int kiln_command_build(KilnCall *call, GError **error);
int kiln_command_check(KilnCall *call, GError **error);
int kiln_command_doctor(KilnCall *call, GError **error);
int kiln_command_history(KilnCall *call, GError **error);
int kiln_command_du(KilnCall *call, GError **error);
int kiln_command_fsck(KilnCall *call, GError **error);
int kiln_command_images(KilnCall *call, GError **error);
int kiln_command_import(KilnCall *call, GError **error);
int kiln_command_inspect(KilnCall *call, GError **error);
int kiln_command_load(KilnCall *call, GError **error);
int kiln_command_plan(KilnCall *call, GError **error);
int kiln_command_prune(KilnCall *call, GError **error);
int kiln_command_pull(KilnCall *call, GError **error);
int kiln_command_reset(KilnCall *call, GError **error);
int kiln_command_rmi(KilnCall *call, GError **error);
int kiln_command_run(KilnCall *call, GError **error);
int kiln_command_save(KilnCall *call, GError **error);
int kiln_command_tag(KilnCall *call, GError **error);
int kiln_command_unshare(KilnCall *call, GError **error);
int kiln_command_why(KilnCall *call, GError **error);
