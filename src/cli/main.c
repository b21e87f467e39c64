/* kiln: the command. Finds the subcommand, runs it, and makes errors and exit codes of what it
 * says. */
#include "cli/command.h"
#include "dockerfile/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const KilnCommand commands[] = {
    {"build", "[OPTIONS] PATH|URL|-", "Build an image from a Dockerfile", 1, 1, kiln_command_build},
    {"check", "[OPTIONS] [PATH]", "Check a Dockerfile, and how well its steps are cached", 0, 1,
     kiln_command_check},
    {"import", "[OPTIONS] FILE|- [NAME[:TAG]]", "Make an image of a root file system's tar archive",
     1, 2, kiln_command_import},
    {"load", "[OPTIONS]", "Load images from an archive or an OCI layout directory", 0, 0,
     kiln_command_load},
    {"pull", "[OPTIONS] NAME[:TAG|@DIGEST]", "Fetch an image from a registry", 1, 1,
     kiln_command_pull},
    {"run", "[OPTIONS] IMAGE [COMMAND] [ARG...]", "Run a command in an image, in the sandbox of a RUN", 1,
     G_MAXUINT, kiln_command_run, 125},
    {"save", "[OPTIONS] IMAGE...", "Write images to an archive", 1, G_MAXUINT, kiln_command_save},
    {"images", "[OPTIONS] [NAME[:TAG]]...", "List the images of the store", 0, G_MAXUINT,
     kiln_command_images},
    {"inspect", "[OPTIONS] IMAGE...", "Show everything about images, as JSON", 1, G_MAXUINT,
     kiln_command_inspect},
    {"tag", "SOURCE NAME[:TAG]", "Give an image another name", 2, 2, kiln_command_tag},
    {"advise", "[OPTIONS] [PATH]", "Show which instructions of a Dockerfile should stand lower", 0, 1,
     kiln_command_advise},
    {"history", "[OPTIONS] [ls | [inspect] BUILD | logs [BUILD] | rm BUILD...]",
     "Show the builds that were made, and what became of their steps", 0, G_MAXUINT, kiln_command_history},
    {"rmi", "[OPTIONS] IMAGE...", "Remove images, or names of them", 1, G_MAXUINT,
     kiln_command_rmi},
    {"du", "[OPTIONS]", "Show what uses the store's space", 0, 0, kiln_command_du},
    {"prune", "[OPTIONS]", "Remove the build cache that no image needs", 0, 0, kiln_command_prune},
    {"fsck", "[OPTIONS]", "Check that the store is as it was made, and repair it", 0, 0, kiln_command_fsck},
    {"reset", "[OPTIONS]", "Delete the store with everything in it", 0, 0, kiln_command_reset},
    {"unshare", "[OPTIONS] [COMMAND] [ARG...]", "Run a command in the namespaces that kiln builds in", 0,
     G_MAXUINT, kiln_command_unshare, 125},
    {"plan", "[OPTIONS] [PATH]", "Show the steps of a build and which are cached", 0, 1, kiln_command_plan},
    {"why", "[OPTIONS] [STEP]", "Show why steps of a build were not cached", 0, 1, kiln_command_why},
    {"ast", "[OPTIONS] FILE|-", "Show a Dockerfile as kiln reads it", 1, 1, kiln_command_ast},
    {"doctor", "[OPTIONS]", "Show what this host offers and what is missing", 0, 0,
     kiln_command_doctor},
};

static void print_help(void)
{
    fputs("Usage: kiln [--root DIR] [--libexec DIR] COMMAND\n\n"
          "Container images from Dockerfiles, rootless, without a daemon\n\nCommands:\n",
          stdout);
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        printf("  %-9s %s\n", commands[i].name, commands[i].summary);
    }
    fputs("  version   Show the version\n"
          "  help      Show the help of a command\n\n"
          "\"kiln COMMAND --help\" and the manual page kiln-COMMAND(1) say more.\n",
          stdout);
}

static const KilnCommand *find_command(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[G_N_ELEMENTS(commands) + 3] = {0};
    for (guint i = 0; i < G_N_ELEMENTS(commands); i++) {
        names[i] = commands[i].name;
    }
    names[G_N_ELEMENTS(commands)] = "version";
    names[G_N_ELEMENTS(commands) + 1] = "help";
    const char *near = kiln_suggest(name, names, true);
    fprintf(stderr, "kiln: unknown command \"%s\"%s%s%s; see \"kiln --help\"\n", name,
            near ? " (did you mean \"" : "", near ? near : "", near ? "\"?)" : "");
    return KILN_ERROR_USAGE;
}

/* What came out on standard output must have arrived: a full disk is an error. */
static int flush_output(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return code;
    }
    fprintf(stderr, "ERROR: cannot write to standard output: %s\n", g_strerror(errno));
    return code ? code : 1;
}

static int report_error(const KilnCommand *command, const GError *error)
{
    if (error->domain == KILN_ERROR && error->code == KILN_ERROR_USAGE) {
        fprintf(stderr, "kiln %s: %s; see \"kiln %s --help\"\n", command->name, error->message,
                command->name);
        return KILN_ERROR_USAGE;
    }
    fprintf(stderr, "ERROR: %s\n", error->message);
    return error->domain == KILN_ERROR ? error->code : 1;
}

static int run(KilnCall *call)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = kiln_settings_path();
    int code = 0;
    call->arguments = g_ptr_array_new();
    if (kiln_settings_load(path, &call->settings, &error)) {
        code = call->command->run(call, &error);
    }
    if (error) {
        code = report_error(call->command, error);
        code = call->command->failure_code ? call->command->failure_code : code;
    }
    g_ptr_array_unref(call->arguments);
    kiln_settings_clear(&call->settings);
    g_clear_pointer(&call->root, g_free);
    g_clear_pointer(&call->libexec, g_free);
    return flush_output(code);
}

/* kiln help [COMMAND] */
static int run_help(int argc, char **argv)
{
    if (argc == 0) {
        print_help();
        return flush_output(0);
    }
    KilnCall call = {
        .command = find_command(argv[0]), .argc = 1, .argv = (char *[]){"--help", NULL}};
    return call.command ? run(&call) : unknown_command(argv[0]);
}

static int dispatch(KilnCall *call, int argc, char **argv)
{
    bool help = false, version = false;
    const KilnFlag flags[] = {
        {0, "root", KILN_FLAG_STRING, &call->root},
        {0, "libexec", KILN_FLAG_STRING, &call->libexec},
        {'h', "help", KILN_FLAG_SWITCH, &help},
        {'v', "version", KILN_FLAG_SWITCH, &version},
    };
    /* Up to the first word that is no flag's value: the command. */
    int i = 1;
    while (i < argc && argv[i][0] == '-') {
        bool apart = strcmp(argv[i], "--root") == 0 || strcmp(argv[i], "--libexec") == 0;
        i += apart ? 2 : 1;
    }
    i = MIN(i, argc);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    if (!kiln_flags_parse(flags, G_N_ELEMENTS(flags), i - 1, argv + 1, none, &error)) {
        fprintf(stderr, "kiln: %s; see \"kiln --help\"\n", error->message);
        return KILN_ERROR_USAGE;
    }
    const char *name = i < argc ? argv[i] : NULL;
    if (version || g_strcmp0(name, "version") == 0) {
        puts("kiln " KILN_VERSION);
        return flush_output(0);
    }
    if (help || !name) {
        print_help();
        return flush_output(0);
    }
    if (strcmp(name, "help") == 0) {
        return run_help(argc - i - 1, argv + i + 1);
    }
    call->command = find_command(name);
    call->argc = argc - i - 1;
    call->argv = argv + i + 1;
    return call->command ? run(call) : unknown_command(name);
}

int main(int argc, char **argv)
{
    KilnCall call = {0};
    int code = dispatch(&call, argc, argv);
    g_free(call.root);
    g_free(call.libexec);
    return code;
}
