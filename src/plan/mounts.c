/* RUN --mount. */
#include <string.h>

#include "dockerfile/fields.h"
#include "dockerfile/suggest.h"
#include "limits/limits.h"
#include "plan/plan-private.h"

char **kiln_mount_fields(const char *text)
{
    return kiln_fields_split(text);
}

/* One mount while it is read. */
typedef struct {
    KilnMount mount;
    char *from;
    bool readonly_given;
    const GArray *before; /* KilnMount: the RUN's mounts so far */
} Reading;

typedef bool (*SetFunc)(Reading *r, const char *value);

static bool replace(char **field, const char *value)
{
    g_free(*field);
    *field = g_strdup(value);
    return true;
}

static bool set_from(Reading *r, const char *value)
{
    return replace(&r->from, value);
}

static bool set_source(Reading *r, const char *value)
{
    return replace(&r->mount.source, value);
}

static bool set_target(Reading *r, const char *value)
{
    return replace(&r->mount.target, value);
}

static bool set_id(Reading *r, const char *value)
{
    return replace(&r->mount.id, value);
}

bool kiln_mount_bool(const char *value, bool *result)
{
    static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True", NULL};
    static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False", NULL};
    *result = g_strv_contains(yes, value);
    return *result || g_strv_contains(no, value);
}

static bool set_readonly(Reading *r, const char *value)
{
    r->readonly_given = true;
    return kiln_mount_bool(value, &r->mount.readonly);
}

static bool set_writable(Reading *r, const char *value)
{
    bool writable;
    r->readonly_given = true;
    if (!kiln_mount_bool(value, &writable))
        return false;
    r->mount.readonly = !writable;
    return true;
}

static bool set_sharing(Reading *r, const char *value)
{
    static const char *const names[] = {"shared", "private", "locked"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (g_ascii_strcasecmp(value, names[i]) == 0) {
            r->mount.sharing = (KilnSharing)i;
            return true;
        }
    }
    return false;
}

static bool number(const char *value, guint base, gint64 *result)
{
    guint64 n;
    if (!g_ascii_string_to_unsigned(value, base, 0, base == 8 ? 07777 : G_MAXUINT32 - 1, &n, NULL))
        return false;
    *result = (gint64)n;
    return true;
}

static bool set_mode(Reading *r, const char *value)
{
    return number(value, 8, &r->mount.mode);
}

static bool set_uid(Reading *r, const char *value)
{
    return number(value, 10, &r->mount.uid);
}

static bool set_gid(Reading *r, const char *value)
{
    return number(value, 10, &r->mount.gid);
}

static bool set_size(Reading *r, const char *value)
{
    return kiln_size_parse(value, &r->mount.size);
}

static bool set_env(Reading *r, const char *value)
{
    return replace(&r->mount.env, value);
}

static bool set_required(Reading *r, const char *value)
{
    return kiln_mount_bool(value, &r->mount.required);
}

#define BIND (1u << KILN_MOUNT_BIND)
#define CACHE (1u << KILN_MOUNT_CACHE)
#define TMPFS (1u << KILN_MOUNT_TMPFS)
#define SECRET (1u << KILN_MOUNT_SECRET)
#define SSH (1u << KILN_MOUNT_SSH)
#define ANY (BIND | CACHE | TMPFS | SECRET | SSH)

/* BuildKit's instructions/commands_runmount.go. What it takes and makes nothing of is taken here too. */
static const struct {
    const char *key;
    SetFunc set; /* NULL: the type, which was read before */
    guint types;
    const char *bare; /* the value when there is no "=" */
} keys[] = {
    {"type", NULL, ANY, NULL},
    {"from", set_from, ANY & ~SECRET, NULL},
    {"source", set_source, ANY & ~SSH, NULL},
    {"src", set_source, ANY & ~SSH, NULL},
    {"target", set_target, ANY, NULL},
    {"dst", set_target, ANY, NULL},
    {"destination", set_target, ANY, NULL},
    {"readonly", set_readonly, ANY, "true"},
    {"ro", set_readonly, ANY, "true"},
    {"readwrite", set_writable, ANY, "true"},
    {"rw", set_writable, ANY, "true"},
    {"id", set_id, ANY, NULL},
    {"sharing", set_sharing, CACHE, NULL},
    {"size", set_size, TMPFS, NULL},
    {"mode", set_mode, CACHE | SECRET | SSH, NULL},
    {"uid", set_uid, CACHE | SECRET | SSH, NULL},
    {"gid", set_gid, CACHE | SECRET | SSH, NULL},
    {"env", set_env, ANY, NULL},
    {"required", set_required, SECRET | SSH, "true"},
};

static const char *const types[] = {"bind", "cache", "tmpfs", "secret", "ssh", NULL};

/* Expands the value of "key=value"; the key is cut off in place. */
static char *field_value(const KilnSite *site, const KilnPlace *place, char *field, GError **error)
{
    char *equals = strchr(field, '=');
    *equals = '\0';
    /* What a from names is known before anything is expanded. */
    if (g_ascii_strcasecmp(field, "from") == 0)
        return g_strdup(equals + 1);
    return kiln_site_word(site, equals + 1, place, error);
}

/* The type is looked for first: which keys there are depends on it. */
static bool read_type(const KilnSite *site, const KilnPlace *place, char **fields, Reading *r,
                      GError **error)
{
    for (char **field = fields; *field; field++) {
        if (g_ascii_strncasecmp(*field, "type=", strlen("type=")) != 0)
            continue;
        g_autofree char *copy = g_strdup(*field);
        g_autofree char *value = field_value(site, place, copy, error);
        if (!value)
            return false;
        g_autofree char *type = g_ascii_strdown(value, -1);
        guint n = 0;
        while (types[n] && strcmp(types[n], type) != 0)
            n++;
        const char *near = types[n] ? NULL : kiln_suggest(type, types, true);
        if (!types[n])
            return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                                  "RUN --mount: unknown type \"%s\"%s%s%s (bind, cache, tmpfs, "
                                  "secret, ssh)",
                                  value, near ? ", did you mean " : "", near ? near : "",
                                  near ? "?" : "");
        r->mount.type = (KilnMountType)n;
    }
    return true;
}

static bool read_field(const KilnSite *site, const KilnPlace *place, char *field, Reading *r,
                       GError **error)
{
    bool has_value = strchr(field, '=') != NULL;
    g_autofree char *given = has_value ? field_value(site, place, field, error) : NULL;
    if (has_value && !given)
        return false;
    const char *names[G_N_ELEMENTS(keys) + 1] = {NULL};
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        names[i] = keys[i].key;
        if (g_ascii_strcasecmp(field, keys[i].key) != 0)
            continue;
        const char *value = has_value ? given : keys[i].bare;
        if (!(keys[i].types & (1u << r->mount.type)))
            return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                                  "RUN --mount=type=%s takes no \"%s\"", types[r->mount.type],
                                  field);
        if (!value)
            return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                                  "RUN --mount: \"%s\" needs a value (%s=…)", field, field);
        if (keys[i].set && !keys[i].set(r, value))
            return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                                  "RUN --mount: \"%s\" is not a value for %s", value, field);
        return true;
    }
    const char *near = kiln_suggest(field, names, true);
    return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                          "RUN --mount: unknown key \"%s\"%s%s%s", field,
                          near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static bool given(const char *value)
{
    return value && *value;
}

/* The id is what "source" or "id" says, or the name of the target. A variable alone needs no file. */
static bool complete_secret(const KilnSite *site, const KilnPlace *place, KilnMount *m,
                            GError **error)
{
    if (!given(m->source) && !given(m->target) && !given(m->id))
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                              "RUN --mount=type=secret needs id=ID (or target=PATH)");
    if (given(m->source) && given(m->id))
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                              "RUN --mount=type=secret: id and source are the same; give one");
    if (given(m->source))
        replace(&m->id, m->source);
    g_autofree char *name = g_path_get_basename(given(m->id) ? m->id : m->target);
    if (!given(m->id))
        replace(&m->id, name);
    if (m->env && !*m->env)
        replace(&m->env, m->id);
    if (!given(m->target))
        g_clear_pointer(&m->target, g_free);
    if (!m->target && !m->env)
        m->target = g_strconcat("/run/secrets/", name, NULL);
    g_clear_pointer(&m->source, g_free);
    return true;
}

static guint count_type(const GArray *mounts, KilnMountType type)
{
    guint n = 0;
    for (guint i = 0; i < mounts->len; i++)
        n += g_array_index(mounts, KilnMount, i).type == type;
    return n;
}

/* What was left out, by the type's own rules. */
static bool complete_type(KilnPlanner *p, const KilnSite *site, const KilnPlace *place, Reading *r,
                          GError **error)
{
    KilnMount *m = &r->mount;
    const char *target = m->target ? m->target : "";
    const char *namespace = g_hash_table_lookup(p->build_args, "BUILDKIT_CACHE_MOUNT_NS");
    switch (m->type) {
    case KILN_MOUNT_CACHE:
        if (!given(m->id)) { /* path.Clean of the target as written, in BuildKit */
            g_autofree char *clean = kiln_path_clean("/", target);
            replace(&m->id, *target == '/' ? clean : clean[1] ? clean + 1 : ".");
        }
        if (given(namespace)) {
            g_autofree char *id = g_strconcat(namespace, "/", m->id, NULL);
            replace(&m->id, id);
        }
        return true;
    case KILN_MOUNT_SECRET:
        m->mode = m->mode >= 0 ? m->mode : 0400;
        return complete_secret(site, place, m, error);
    case KILN_MOUNT_SSH:
        m->mode = m->mode >= 0 ? m->mode : 0600;
        if (!given(m->id))
            replace(&m->id, "default");
        if (!*target) { /* client/llb/exec.go */
            g_free(m->target);
            m->target = g_strdup_printf("/run/buildkit/ssh_agent.%u",
                                        count_type(r->before, KILN_MOUNT_SSH));
        }
        return true;
    default:
        g_clear_pointer(&m->id, g_free);
        return true;
    }
}

/* What was left out, and paths made absolute. */
static bool complete(KilnPlanner *p, const KilnSite *site, const KilnPlace *place, Reading *r,
                     GPtrArray *needs, GError **error)
{
    KilnMount *m = &r->mount;
    if (!complete_type(p, site, place, r, error))
        return false;
    if (m->type == KILN_MOUNT_SECRET && !m->target)
        return true;
    const char *target = m->target ? m->target : "";
    const char *workdir = kiln_config_string(site->config, "WorkingDir");
    g_autofree char *base = kiln_path_clean("/", workdir ? workdir : "/");
    g_autofree char *absolute = kiln_path_clean(base, target);
    if (strcmp(absolute, "/") == 0)
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                              "RUN --mount: the target cannot be \"/\"; give target=PATH");
    replace(&m->target, absolute);
    g_autofree char *source = kiln_path_clean("/", m->source ? m->source : "/");
    replace(&m->source, source);
    if (!r->readonly_given)
        m->readonly = m->type == KILN_MOUNT_BIND;
    m->from.kind = m->type == KILN_MOUNT_BIND ? KILN_ORIGIN_CONTEXT : KILN_ORIGIN_STAGE;
    if (given(r->from) && (m->type == KILN_MOUNT_BIND || m->type == KILN_MOUNT_CACHE))
        return kiln_planner_origin(p, site, r->from, &m->from, needs, error);
    return true;
}

static bool read_mount(KilnPlanner *p, const KilnSite *site, const char *text,
                       const KilnPlace *place, GPtrArray *needs, Reading *r, GError **error)
{
    g_auto(GStrv) fields = kiln_mount_fields(text);
    if (!fields)
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                              "RUN --mount=%s: a quote is not closed, or stands inside a field",
                              text);
    if (!read_type(site, place, fields, r, error))
        return false;
    for (char **field = fields; *field; field++) {
        if (!read_field(site, place, *field, r, error))
            return false;
    }
    return complete(p, site, place, r, needs, error);
}

bool kiln_mounts_set_variable(const GArray *mounts, const char *name)
{
    for (guint i = 0; mounts && i < mounts->len; i++) {
        const KilnMount *m = &g_array_index(mounts, KilnMount, i);
        if (m->type == KILN_MOUNT_SECRET && g_strcmp0(m->env, name) == 0)
            return true;
    }
    return false;
}

/* BuildKit mounts them in the order of their targets, so that one inside another is not hidden by
 * it, however they were written; then secrets and agents, as written (llb's exec.go). */
static gint mount_order(gconstpointer first, gconstpointer second)
{
    const KilnMount *a = first, *b = second;
    guint a_class = MAX(a->type, KILN_MOUNT_TMPFS), b_class = MAX(b->type, KILN_MOUNT_TMPFS);
    if (a_class != b_class)
        return a_class < b_class ? -1 : 1;
    return a_class == KILN_MOUNT_TMPFS ? strcmp(a->target, b->target) : 0;
}

bool kiln_site_mounts(KilnPlanner *p, const KilnSite *site, GPtrArray *needs, GArray **mounts,
                      GError **error)
{
    *mounts = NULL;
    const KilnList *flags = site->instruction->flags;
    g_autoptr(GArray) list = g_array_new(FALSE, TRUE, sizeof(KilnMount));
    bool ok = true;
    for (guint i = 0; ok && i < flags->len; i++) {
        const KilnFlag *flag = g_ptr_array_index(flags, i);
        if (strcmp(flag->name, "mount") != 0)
            continue;
        Reading r = {.mount = {.mode = -1, .uid = -1, .gid = -1}, .before = list};
        ok = read_mount(p, site, flag->value ? flag->value : "", &flag->place, needs, &r, error);
        g_free(r.from);
        g_array_append_val(list, r.mount);
    }
    if (!ok) {
        kiln_mounts_free(g_steal_pointer(&list));
        return false;
    }
    g_array_sort(list, mount_order); /* stable */
    if (list->len > 0)
        *mounts = g_steal_pointer(&list);
    return true;
}
