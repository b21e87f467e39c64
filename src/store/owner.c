#include "store/owner.h"

#include "store/error.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char *text;    /* "INSIDE:OUTSIDE:COUNT,…" */
    uint64_t ids;  /* how many it maps */
    int64_t outer; /* what the id asked for is outside, -1: not mapped */
} IdMap;

static bool read_map(const char *path, uint64_t id, IdMap *map, GError **error)
{
    g_autofree char *content = NULL;
    if (!g_file_get_contents(path, &content, NULL, error))
        return false;
    g_auto(GStrv) lines = g_strsplit(content, "\n", -1);
    g_autoptr(GString) text = g_string_new(NULL);
    map->ids = 0;
    map->outer = -1;
    for (char **line = lines; *line != NULL; line++) {
        uint64_t inside, outside, count;
        if (sscanf(*line, "%" SCNu64 " %" SCNu64 " %" SCNu64, &inside, &outside, &count) != 3)
            continue;
        g_string_append_printf(text, "%s%" PRIu64 ":%" PRIu64 ":%" PRIu64, text->len > 0 ? "," : "",
                               inside, outside, count);
        map->ids += count;
        if (id >= inside && id - inside < count)
            map->outer = (int64_t)(outside + (id - inside));
    }
    map->text = g_string_free(g_steal_pointer(&text), FALSE);
    return true;
}

bool kiln_owner_find(KilnOwner *owner, GError **error)
{
    IdMap uids = {0}, gids = {0};
    bool ok = read_map("/proc/self/uid_map", geteuid(), &uids, error) &&
              read_map("/proc/self/gid_map", getegid(), &gids, error);
    if (ok) {
        bool recorded = geteuid() != 0 || uids.ids == 1;
        owner->owners = recorded ? KILN_OWNERS_RECORDED : KILN_OWNERS_REAL;
        owner->text = g_strdup_printf(
            KILN_VERSION_MAGIC "%d\nowner %" PRId64 "\nuids %s\ngids %s\nowners %s\n",
            KILN_STORE_FORMAT, uids.outer, recorded ? "self" : uids.text,
            recorded ? "self" : gids.text, recorded ? "recorded" : "real");
    }
    g_free(uids.text);
    g_free(gids.text);
    return ok;
}

void kiln_owner_clear(KilnOwner *owner)
{
    g_clear_pointer(&owner->text, g_free);
}

/* The value of the line "key value", or NULL. */
static char *field(char **lines, const char *key)
{
    size_t length = strlen(key);
    for (; *lines != NULL; lines++)
        if (strncmp(*lines, key, length) == 0 && (*lines)[length] == ' ')
            return *lines + length + 1;
    return NULL;
}

static bool check_format(char **lines, const char *root, GError **error)
{
    char *number = field(lines, "kiln-store");
    guint64 format = number != NULL ? g_ascii_strtoull(number, NULL, 10) : 0;
    if (format == 0) {
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_CORRUPT,
                    "%s/version is not the version file of a kiln store; use another --root", root);
        return false;
    }
    if (format > KILN_STORE_FORMAT) {
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_VERSION,
                    "the store %s was made by a newer kiln (format %" G_GUINT64_FORMAT
                    ", this one knows %d); upgrade kiln, or use another --root",
                    root, format, KILN_STORE_FORMAT);
        return false;
    }
    return true;
}

bool kiln_owner_check_reader(const char *found, const char *root, KilnOwners *owners,
                             GError **error)
{
    g_auto(GStrv) is = g_strsplit(found, "\n", -1);
    if (!check_format(is, root, error))
        return false;
    g_autofree char *self = g_strdup_printf("%u", (unsigned)geteuid());
    if (g_strcmp0(field(is, "owner"), self) != 0) {
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_PERMISSION,
                    "the store %s belongs to another user", root);
        return false;
    }
    *owners = g_strcmp0(field(is, "owners"), "recorded") == 0 ? KILN_OWNERS_RECORDED : KILN_OWNERS_REAL;
    return true;
}

bool kiln_owner_check(const KilnOwner *owner, const char *found, const char *root, GError **error)
{
    if (strcmp(owner->text, found) == 0)
        return true;

    g_auto(GStrv) is = g_strsplit(found, "\n", -1);
    g_auto(GStrv) mine = g_strsplit(owner->text, "\n", -1);
    if (!check_format(is, root, error))
        return false;
    static const struct {
        const char *key, *what;
    } fields[] = {
        {"owner", "belongs to user id"},
        {"owners", "keeps file owners in the mode"},
        {"uids", "was made with the user id map"},
        {"gids", "was made with the group id map"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
        const char *theirs = field(is, fields[i].key), *ours = field(mine, fields[i].key);
        if (theirs != NULL && strcmp(theirs, ours) == 0)
            continue;
        g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_MISMATCH,
                    "the store %s %s %s, but this kiln runs with %s; remove it with "
                    "\"kiln reset --root %s\", or use another --root",
                    root, fields[i].what, theirs != NULL ? theirs : "(none)", ours, root);
        return false;
    }
    g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_CORRUPT, "%s/version has been altered",
                root);
    return false;
}
