#include "build/copy-missing.h"

#include "dockerfile/suggest.h"
#include "tree/glob.h"

#include <string.h>

enum {
    SHORTEST_GUESS = 4, /* bytes: any two names that are shorter look alike */
    MOST_NAMES = 5000,  /* that are looked through for a file of the same name elsewhere */
};

/* --- What is there instead
 * ------------------------------------------------------------------------------ */

static char *join(const char *dir, const char *name)
{
    return *dir ? g_strconcat(dir, "/", name, NULL) : g_strdup(name);
}

static GPtrArray *names_in(KilnSource *tree, const char *dir)
{
    GPtrArray *names = kiln_source_names(tree, dir, NULL);
    return names ? names : g_ptr_array_new();
}

static bool exists(KilnSource *tree, const char *path)
{
    g_autoptr(GPtrArray) found = kiln_source_match(tree, path, false, NULL);
    return found && found->len > 0;
}

/* The name in a directory that is meant by `name`: itself, else in other case, else the nearest. */
static char *nearest_name(KilnSource *tree, const char *dir, const char *name)
{
    g_autoptr(GPtrArray) names = names_in(tree, dir);
    const char *found = NULL;
    for (guint i = 0; i < names->len; i++) {
        if (strcmp(names->pdata[i], name) == 0)
            return g_strdup(name);
        if (g_ascii_strcasecmp(names->pdata[i], name) == 0)
            found = names->pdata[i];
    }
    g_ptr_array_add(names, NULL);
    if (!found && strlen(name) >= SHORTEST_GUESS)
        found = kiln_suggest(name, (const char *const *)names->pdata, true);
    return g_strdup(found);
}

static char *nearest_path(KilnSource *tree, const char *path)
{
    g_autofree char *found = g_strdup("");
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    for (char **part = parts; *part; part++) {
        g_autofree char *name = nearest_name(tree, found, *part);
        if (!name)
            return NULL;
        char *longer = join(found, name);
        g_free(found);
        found = longer;
    }
    return exists(tree, found) ? g_steal_pointer(&found) : NULL;
}

/* A file of this name in another directory: the one that is least deep. */
static char *same_name_elsewhere(KilnSource *tree, const char *name)
{
    g_autoptr(GPtrArray) dirs = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(dirs, g_strdup(""));
    guint seen = 0;
    for (guint d = 0; d < dirs->len && seen < MOST_NAMES; d++) {
        g_autoptr(GPtrArray) names = names_in(tree, dirs->pdata[d]);
        seen += names->len;
        for (guint i = 0; i < names->len; i++) {
            char *path = join(dirs->pdata[d], names->pdata[i]);
            if (strcmp(names->pdata[i], name) == 0 && exists(tree, path))
                return path;
            g_ptr_array_add(dirs, path); /* a file has no names in it */
        }
    }
    return NULL;
}

static char *suggestion(KilnSource *tree, const char *path)
{
    char *near = nearest_path(tree, path);
    if (near || strlen(path) < SHORTEST_GUESS)
        return near;
    g_autofree char *name = g_path_get_basename(path);
    return same_name_elsewhere(tree, name);
}

/* --- Why it is not there
 * -------------------------------------------------------------------------------- */

static bool leads_out(const char *path)
{
    int depth = 0;
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    for (char **part = parts; *part && depth >= 0; part++) {
        if (strcmp(*part, "..") == 0)
            depth--;
        else if (**part && strcmp(*part, ".") != 0)
            depth++;
    }
    return depth < 0;
}

/* What hides a file that the context has; NULL if it does not have it. */
static char *hidden_by(const KilnContext *context, const char *clean)
{
    const KilnIgnore *ignore = kiln_context_ignore(context);
    if (!ignore || !kiln_context_has(context, clean))
        return NULL;
    char *pattern = kiln_ignore_explain(ignore, clean);
    return pattern ? pattern
                   : g_strdup("the ignore file"); /* through a symlink, or all that is in it */
}

/* Why nothing is copied of a path that is there. */
static const char *why_nothing(const KilnStep *step, const char *path)
{
    const char *pivot = strstr(path, "/./");
    g_autofree char *kept = kiln_path_clean("/", pivot ? pivot + strlen("/./") : path);
    if (strcmp(kept, "/") == 0)
        return "leaves nothing to copy: --parents needs the path of it behind \"/./\" or the root; "
               "to copy a "
               "whole directory, leave --parents out";
    if (step->excludes)
        return "is excluded by --exclude";
    return "is there by a symlink, which --parents does not follow: name what the symlink points "
           "to, or "
           "write \"/./\" behind the symlink";
}

void kiln_copy_missing(const KilnEngine *e, const KilnStep *step, KilnSource *tree, const char *path,
                       GError **error)
{
    const KilnContext *context = kiln_origin_context(e, &step->from);
    const char *stage = step->from.name ? step->from.name : "the stage";
    const char *where = context ? kiln_context_name(context) : stage;
    g_autofree char *plain = kiln_glob_unescape(path);
    g_autofree char *absolute = kiln_path_clean("/", plain);
    const char *clean = absolute + 1;
    g_autofree char *hidden = context ? hidden_by(context, clean) : NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "\"%s\" ", path);
    if (exists(tree, clean)) {
        g_string_append(text, why_nothing(step, path));
    } else if (hidden) {
        g_string_append_printf(text, "is excluded from %s by %s", where, hidden);
    } else if (step->from.kind == KILN_ORIGIN_CONTEXT && leads_out(path)) {
        g_string_append_printf(
            text,
            "is outside of %s: build with a context that holds it (and -f FILE), or "
            "give its directory a name with --build-context NAME=DIR and use --from=NAME",
            where);
    } else {
        g_autofree char *near = suggestion(tree, clean);
        g_string_append_printf(text, "is not in %s", where);
        if (near)
            g_string_append_printf(text, "; did you mean \"%s%s\"?", *path == '/' ? "/" : "", near);
    }
    g_autofree char *valid = g_utf8_make_valid(text->str, (gssize)text->len);
    g_set_error_literal(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, valid);
}
