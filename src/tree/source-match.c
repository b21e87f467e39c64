/* COPY's source arguments: cleaned like a path, symlinks followed inside the root, wildcards. */
#include "tree/source-private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "tree/glob.h"

enum { MAX_SYMLINKS = 40 }; /* as the kernel, path_resolution(7) */

/* As Go's filepath.Clean("/" + path), then without the slash. */
static char *clean(const char *path)
{
    g_autoptr(GPtrArray) kept = g_ptr_array_new();
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    for (char **part = parts; *part; part++) {
        if (!**part || strcmp(*part, ".") == 0)
            continue;
        if (strcmp(*part, "..") != 0)
            g_ptr_array_add(kept, *part);
        else if (kept->len)
            g_ptr_array_set_size(kept, (gint)kept->len - 1);
    }
    g_ptr_array_add(kept, NULL);
    return g_strjoinv("/", (char **)kept->pdata);
}

static char *join(const char *dir, const char *name)
{
    return g_strconcat(dir, *dir && *name ? "/" : "", name, NULL);
}

/* --- Looking paths up --- */

typedef enum { NOTHING, DIRECTORY, SYMLINK, OTHER } Kind;

/* What is at a resolved path. *target, if not NULL, gets that of a symlink. */
static bool look_up(KilnSource *s, const char *path, Kind *kind, char **target, GError **error)
{
    *kind = NOTHING;
    if (s->view) {
        const KilnEntry *e = kiln_view_lookup(s->view, path, NULL);
        if (e)
            *kind = e->type == KILN_TYPE_DIR       ? DIRECTORY
                    : e->type == KILN_TYPE_SYMLINK ? SYMLINK
                                                   : OTHER;
        if (*kind == SYMLINK && target)
            *target = g_strdup(e->target);
        return true;
    }
    int fd = kiln_open_beneath(s->fd, path, O_PATH | O_NOFOLLOW);
    if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
        return true;
    if (fd < 0)
        return kiln_source_fail(s, error, -fd, "find", path);
    struct stat st;
    char text[PATH_MAX];
    ssize_t n = 0;
    int failed = 0;
    if (fstat(fd, &st) < 0 ||
        (S_ISLNK(st.st_mode) && (n = readlinkat(fd, "", text, sizeof(text))) < 0))
        failed = errno;
    close(fd);
    if (failed)
        return kiln_source_fail(s, error, failed, "find", path);
    *kind = S_ISDIR(st.st_mode) ? DIRECTORY : S_ISLNK(st.st_mode) ? SYMLINK : OTHER;
    if (*kind == SYMLINK && target)
        *target = g_strndup(text, (gsize)n);
    return true;
}

/* Excluded paths are not there for COPY, but for directories that have something in them that is not excluded. */
static bool hide_excluded(KilnSource *s, const char *path, Kind *kind, GError **error)
{
    if (*kind == NOTHING || s->view || !kiln_source_ignores(s, path))
        return true;
    bool any = false;
    if (*kind == DIRECTORY && !kiln_source_any_below(s, path, &any, error))
        return false;
    if (!any)
        *kind = NOTHING;
    return true;
}

/* What is there for COPY at a resolved path. */
static bool is_visible(KilnSource *s, const char *path, Kind *kind, GError **error)
{
    return look_up(s, path, kind, NULL, error) && hide_excluded(s, path, kind, error);
}

/* One step of resolving `rest` below the resolved path `done`. */
static bool step(KilnSource *s, GString *done, char **rest, int *links, GError **error)
{
    char *slash = strchr(*rest, '/');
    g_autofree char *name = slash ? g_strndup(*rest, (gsize)(slash - *rest)) : g_strdup(*rest);
    g_autofree char *next = g_strdup(slash ? slash + 1 : "");
    g_autofree char *target = NULL;
    gsize length = done->len;
    Kind kind = OTHER;

    if (strcmp(name, "..") == 0) { /* of a symlink; ".." stops at the root */
        const char *last = strrchr(done->str, '/');
        g_string_truncate(done, last ? (gsize)(last - done->str) : 0);
    } else if (*name && strcmp(name, ".") != 0) {
        if (length)
            g_string_append_c(done, '/');
        g_string_append(done, name);
        if (!look_up(s, done->str, &kind, &target, error))
            return false;
    }
    /* An excluded symlink is not there to be followed. */
    if (kind == SYMLINK && !kiln_source_ignores(s, done->str)) {
        if (++*links > MAX_SYMLINKS)
            return kiln_source_fail(s, error, ELOOP, "find", done->str);
        g_string_truncate(done, *target == '/' ? 0 : length);
        g_free(*rest);
        *rest = g_strconcat(target, *next ? "/" : "", next, NULL);
        return true;
    }
    g_free(*rest);
    *rest = g_steal_pointer(&next);
    return true;
}

/* Follows all symlinks of a clean path inside the root, the last one too. */
static char *follow(KilnSource *s, const char *path, GError **error)
{
    if (s->view)
        return kiln_view_resolve(s->view, path, true, error);
    g_autoptr(GString) done = g_string_new(NULL);
    char *rest = g_strdup(path);
    int links = 0;
    bool ok = true;
    while (ok && *rest)
        ok = step(s, done, &rest, &links, error);
    g_free(rest);
    return ok ? g_strdup(done->str) : NULL;
}

/* The same, and what is there for COPY. NULL on error. */
static char *resolve(KilnSource *s, const char *path, Kind *kind, GError **error)
{
    if (!s->view && !look_up(s, path, kind, NULL, error))
        return NULL;
    if (!s->view && (*kind == DIRECTORY || *kind == OTHER)) /* it was opened without meeting a symlink */
        return hide_excluded(s, path, kind, error) ? g_strdup(path) : NULL;
    g_autofree char *resolved = follow(s, path, error);
    return resolved && is_visible(s, resolved, kind, error) ? g_steal_pointer(&resolved) : NULL;
}

/* --- Wildcards --- */

static bool fail_pattern(GError **error, const char *pattern)
{
    g_autofree char *shown = g_utf8_make_valid(pattern, -1);
    g_set_error(error, KILN_SOURCE_ERROR, EINVAL, "the wildcards in “%s” are malformed", shown);
    return false;
}

/* Adds what the remaining components match below dir, a resolved directory. Wildcards match names
 * and never lead through symlinks (BuildKit walks the tree and compares paths). */
static bool expand(KilnSource *s, const char *dir, char *const *parts, GPtrArray *out,
                   GError **error)
{
    g_autoptr(GPtrArray) names = NULL;
    if (kiln_glob_has_wildcard(*parts)) {
        names = kiln_source_names(s, dir, error);
        if (!names)
            return false;
    } else {
        names = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(names, kiln_glob_unescape(*parts));
    }
    bool wildcard = kiln_glob_has_wildcard(*parts);
    for (guint i = 0; i < names->len; i++) {
        if (wildcard && !kiln_glob_match(*parts, names->pdata[i], NULL))
            continue;
        g_autofree char *path = join(dir, names->pdata[i]);
        Kind kind;
        if (!is_visible(s, path, &kind, error))
            return false;
        if (kind == NOTHING)
            continue;
        if (!parts[1])
            g_ptr_array_add(out, g_steal_pointer(&path));
        else if (kind == DIRECTORY && !expand(s, path, parts + 1, out, error))
            return false;
    }
    return true;
}

/* The part before the first wildcard is resolved, the rest expanded. */
static bool match_wildcards(KilnSource *s, const char *pattern, GPtrArray *out, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(pattern, "/", -1);
    g_autofree char *literal = g_strdup("");
    char **part = parts;
    for (; *part && !kiln_glob_has_wildcard(*part); part++) {
        g_autofree char *name = kiln_glob_unescape(*part);
        char *longer = join(literal, name);
        g_free(literal);
        literal = longer;
    }
    for (char **rest = part; *rest; rest++) {
        bool bad = false;
        kiln_glob_match(*rest, "", &bad);
        if (bad)
            return fail_pattern(error, pattern);
    }
    Kind kind;
    g_autofree char *dir = resolve(s, literal, &kind, error);
    if (!dir)
        return false;
    if (!*part) {
        if (kind != NOTHING)
            g_ptr_array_add(out, g_steal_pointer(&dir));
        return true;
    }
    return kind != DIRECTORY || expand(s, dir, part, out, error);
}

GPtrArray *kiln_source_match(KilnSource *s, const char *pattern, bool wildcards, GError **error)
{
    g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *path = clean(pattern);
    if (wildcards)
        return match_wildcards(s, path, out, error) ? g_steal_pointer(&out) : NULL;
    Kind kind;
    g_autofree char *resolved = resolve(s, path, &kind, error);
    if (!resolved)
        return NULL;
    if (kind != NOTHING)
        g_ptr_array_add(out, g_steal_pointer(&resolved));
    return g_steal_pointer(&out);
}
