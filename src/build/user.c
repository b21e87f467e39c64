#include "build/user.h"

#include <string.h>

typedef struct {
    char *passwd, *group; /* the files' text, or NULL */
} Databases;

void kiln_user_clear(KilnUser *u)
{
    g_clear_pointer(&u->groups, g_array_unref);
    g_clear_pointer(&u->home, g_free);
}

static bool parse_id(const char *text, guint32 *id)
{
    guint64 value;
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT32, &value, NULL))
        return false;
    *id = (guint32)value;
    return true;
}

/* The fields of the first line whose field `at` is `wanted`; NULL if none. passwd(5), group(5). */
static char **find_line(const char *file, guint at, const char *wanted, guint least)
{
    g_auto(GStrv) lines = g_strsplit(file ? file : "", "\n", -1);
    for (char **line = lines; *line; line++) {
        char **fields = g_strsplit(g_strchomp(*line), ":", -1);
        if (g_strv_length(fields) >= least && strcmp(fields[at], wanted) == 0)
            return fields;
        g_strfreev(fields);
    }
    return NULL;
}

static void add_groups_of(const Databases *db, const char *name, GArray *groups)
{
    g_auto(GStrv) lines = g_strsplit(db->group ? db->group : "", "\n", -1);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) fields = g_strsplit(g_strchomp(*line), ":", -1);
        guint32 gid;
        if (g_strv_length(fields) < 4 || !parse_id(fields[2], &gid))
            continue;
        g_auto(GStrv) members = g_strsplit(fields[3], ",", -1);
        if (g_strv_contains((const char *const *)members, name))
            g_array_append_val(groups, gid);
    }
}

static bool lookup_user(const Databases *db, const char *text, bool uid_is_gid, KilnUser *out,
                        GError **error)
{
    bool numeric = parse_id(text, &out->uid);
    g_autofree char *id = numeric ? g_strdup_printf("%u", out->uid) : NULL;
    g_auto(GStrv) entry = numeric ? find_line(db->passwd, 2, id, 6) : find_line(db->passwd, 0, text, 6);
    if (!entry) {
        out->gid = uid_is_gid ? out->uid : 0;
        if (numeric)
            return true;
        if (strcmp(text, "root") == 0) {
            out->uid = out->gid = 0;
            return true;
        }
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                    "no user \"%s\" in /etc/passwd of the image: create it in a RUN before, or use a number",
                    text);
        return false;
    }
    if (!parse_id(entry[2], &out->uid) || !parse_id(entry[3], &out->gid)) {
        g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                    "the entry of \"%s\" in /etc/passwd of the image is malformed", text);
        return false;
    }
    if (numeric && uid_is_gid)
        out->gid = out->uid;
    out->home = g_strdup(entry[5]);
    add_groups_of(db, entry[0], out->groups);
    return true;
}

static bool lookup_group(const Databases *db, const char *text, guint32 *gid, GError **error)
{
    if (parse_id(text, gid))
        return true;
    g_auto(GStrv) entry = find_line(db->group, 0, text, 3);
    if (entry && parse_id(entry[2], gid))
        return true;
    if (!entry && strcmp(text, "root") == 0) {
        *gid = 0;
        return true;
    }
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP,
                "no group \"%s\" in /etc/group of the image: create it in a RUN before, or use a number",
                text);
    return false;
}

bool kiln_user_lookup(KilnEngine *e, const KilnStep *step, const KilnView *view, const char *text,
                      bool uid_is_gid, KilnUser *out, GError **error)
{
    *out = (KilnUser){.groups = g_array_new(FALSE, FALSE, sizeof(guint32))};
    g_auto(GStrv) parts = g_strsplit(text && *text ? text : "0", ":", 2);
    guint32 ignored;
    bool need_files = !(parts[1] && parse_id(parts[0], &ignored) && parse_id(parts[1], &ignored));

    g_autoptr(GError) local = NULL;
    g_autofree char *passwd = need_files ? kiln_step_read_file(e, step, view, "/etc/passwd", &local) : NULL;
    g_autofree char *group =
        need_files && !local ? kiln_step_read_file(e, step, view, "/etc/group", &local) : NULL;
    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    Databases db = {passwd, group};
    bool ok = lookup_user(&db, *parts[0] ? parts[0] : "0", uid_is_gid, out, error);
    if (ok && parts[1] && !*parts[1] && uid_is_gid)
        out->gid = 0; /* "app:" is no login group, but group 0, to BuildKit's COPY */
    if (ok && parts[1] && *parts[1]) {
        ok = lookup_group(&db, parts[1], &out->gid, error);
        g_array_set_size(out->groups, 0); /* a group that is named stands for all, as in runc */
    }
    /* Without it a file that its group is denied could be read by others' rights (CVE-2022-36109). */
    if (ok)
        g_array_prepend_val(out->groups, out->gid);
    return ok;
}
