#include "front/idmap.h"

#include <glib.h>

#include <errno.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Both files are small; a larger one is not read to its end. */
#define FILE_MAX_BYTES (1u << 20)

/* Images use ids up to 65535. */
#define RANGE_WANTED 65536u

extern char **environ;

static bool parse_id(const char *text, uint32_t *out)
{
    guint64 value;
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, &value, NULL)) {
        return false;
    }
    *out = (uint32_t)value;
    return true;
}

/* Keeps the better one. The last id is (uid_t)-1, which is none. */
static void consider(const char *start_text, const char *count_text, KilnIdRange *best)
{
    KilnIdRange range;
    if (!parse_id(start_text, &range.start) || !parse_id(count_text, &range.count)) {
        return;
    }
    if (best->count < RANGE_WANTED && range.count > best->count &&
        (uint64_t)range.start + range.count <= G_MAXUINT32) {
        *best = range;
    }
}

bool kiln_idmap_parse(const char *text, const char *name, uid_t uid, KilnIdRange *out)
{
    KilnIdRange best = {0};
    char number[16];
    g_snprintf(number, sizeof number, "%u", (unsigned)uid);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        g_auto(GStrv) fields = g_strsplit(g_strstrip(lines[i]), ":", -1);
        bool ours = g_strv_length(fields) == 3 &&
                    (g_strcmp0(fields[0], name) == 0 || strcmp(fields[0], number) == 0);
        if (ours) {
            consider(fields[1], fields[2], &best);
        }
    }
    *out = best;
    return best.count > 0;
}

bool kiln_idmap_parse_getsubids(const char *text, KilnIdRange *out)
{
    KilnIdRange best = {0};
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        g_auto(GStrv) fields = g_strsplit(g_strstrip(lines[i]), " ", -1);
        guint n = g_strv_length(fields);
        if (n >= 4) {
            consider(fields[n - 2], fields[n - 1], &best);
        }
    }
    *out = best;
    return best.count > 0;
}

static bool find_in_file(const char *path, const char *name, uid_t uid, KilnIdRange *out)
{
    g_autofree char *text = NULL;
    gsize size;
    return g_file_get_contents(path, &text, &size, NULL) && size < FILE_MAX_BYTES &&
           kiln_idmap_parse(text, name, uid, out);
}

/* getsubids answers from the files too, unless nsswitch.conf has a source of its own for
 * subordinate ids. */
static bool has_other_source(void)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/etc/nsswitch.conf", &text, NULL, NULL)) {
        return false;
    }
    return g_regex_match_simple("^\\s*subid:(?!\\s*files\\s*$)", text, G_REGEX_MULTILINE, 0);
}

static bool ask_getsubids(const char *name, bool groups, KilnIdRange *out)
{
    const char *argv[] = {"getsubids", groups ? "-g" : name, groups ? name : NULL, NULL};
    g_autofree char *output = NULL;
    return g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL,
                        NULL, NULL, &output, NULL, NULL, NULL) &&
           output && kiln_idmap_parse_getsubids(output, out);
}

bool kiln_idmap_find(const char *name, uid_t uid, KilnIdRange *uids, KilnIdRange *gids)
{
    if (find_in_file("/etc/subuid", name, uid, uids) &&
        find_in_file("/etc/subgid", name, uid, gids)) {
        return true;
    }
    return name && has_other_source() && ask_getsubids(name, false, uids) &&
           ask_getsubids(name, true, gids);
}

static int start_mapper(const char *program, pid_t target, unsigned own, KilnIdRange range,
                        int messages, pid_t *pid)
{
    char numbers[4][16];
    g_snprintf(numbers[0], sizeof numbers[0], "%d", (int)target);
    g_snprintf(numbers[1], sizeof numbers[1], "%u", own);
    g_snprintf(numbers[2], sizeof numbers[2], "%u", range.start);
    g_snprintf(numbers[3], sizeof numbers[3], "%u", range.count);
    char *argv[] = {(char *)program, numbers[0], "0", numbers[1], "1", "1",
                    numbers[2],      numbers[3], NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&actions, messages, 1);
    posix_spawn_file_actions_adddup2(&actions, messages, 2);
    /* A process group of its own: a Ctrl-C that ended it would pass for a host without id ranges. */
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int error = posix_spawnp(pid, program, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

static bool wait_success(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return false;
        }
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static char *read_messages(int fd)
{
    char text[1024];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[MAX(n, 0)] = 0;
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_strdelimit(g_strstrip(valid), "\n", ';');
    return *valid ? g_steal_pointer(&valid) : NULL;
}

bool kiln_idmap_write(pid_t pid, KilnIdRange uids, KilnIdRange gids, char **why)
{
    int messages = memfd_create("messages", MFD_CLOEXEC);
    pid_t mappers[2] = {0};
    const char *const programs[] = {"newuidmap", "newgidmap"};
    bool good = true;
    *why = NULL;
    for (guint i = 0; i < 2 && good; i++) {
        int error = start_mapper(programs[i], pid, i == 0 ? geteuid() : getegid(),
                                 i == 0 ? uids : gids, messages, &mappers[i]);
        if (error) {
            *why =
                error == ENOENT
                    ? g_strdup_printf("%s is not installed (Debian and Ubuntu: package uidmap)",
                                      programs[i])
                    : g_strdup_printf("%s cannot be started: %s", programs[i], g_strerror(error));
            mappers[i] = 0;
            good = false;
        }
    }
    for (guint i = 0; i < 2; i++) {
        good = (mappers[i] == 0 || wait_success(mappers[i])) && good;
    }
    if (!good && !*why) {
        *why = read_messages(messages);
    }
    if (!good && !*why) {
        *why = g_strdup("newuidmap or newgidmap failed without saying why");
    }
    close(messages);
    return good;
}
