#include "cli/checks.h"

#include "cli/command.h"
#include "cli/table.h"
#include "host/refusal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A build of a usual size needs about so much of the disk. */
#define FREE_LOW ((gint64)1 << 30)
#define FREE_NONE ((gint64)64 << 20)

static void free_check(gpointer data)
{
    KilnCheck *c = data;
    g_free(c->detail);
    g_free(c->remedy);
    g_free(c);
}

GPtrArray *kiln_checks_new(void)
{
    return g_ptr_array_new_with_free_func(free_check);
}

void kiln_checks_add(GPtrArray *checks, const char *name, KilnCheckStatus status,
                     const char *detail, const char *remedy)
{
    KilnCheck *c = g_new0(KilnCheck, 1);
    c->name = name;
    c->status = status;
    c->detail = g_strdup(detail);
    c->remedy = g_strdup(remedy);
    g_ptr_array_add(checks, c);
}

void kiln_checks_add_kernel(GPtrArray *checks, const char *release)
{
    unsigned major = 0, minor = 0;
    bool known = sscanf(release, "%u.%u", &major, &minor) == 2;
    bool enough = known && (major > 5 || (major == 5 && minor >= 12));
    kiln_checks_add(checks, "kernel", enough ? KILN_CHECK_OK : KILN_CHECK_FAIL, release,
                    enough ? NULL : "use Linux 5.12 or newer: the sandbox needs its mount_setattr(2)");
}

/* --- Probe ------------------------------------------------------------------------------------ */

/* What the builder tried: 0, or a negative errno. */
static const struct {
    const char *key, *name;
    KilnCheckStatus status; /* if it cannot be done */
    const char *good, *bad, *remedy;
} tried[] = {
    {"lowerdir_plus", "lowerdir+", KILN_CHECK_OK, "layers are mounted one by one (Linux 6.8)",
     "not in this kernel (Linux 6.8 has it); the older way is used", NULL},
    {"fresh_proc", "fresh /proc", KILN_CHECK_WARN, "each RUN gets a /proc of its own",
     "RUN gets the outer /proc and no process namespace: weaker", NULL},
    {"nested_userns", "nested user namespace", KILN_CHECK_FAIL, "commands run in one of their own",
     "commands cannot get a user namespace of their own",
     "sudo sysctl -w user.max_user_namespaces=15000; in a container: --security-opt "
     "seccomp=unconfined"},
    {"seccomp", "seccomp", KILN_CHECK_WARN, "commands run under Docker's default filter",
     "commands run without a system call filter", "use a kernel with CONFIG_SECCOMP_FILTER"},
};

/* Which of the refusals that kiln knows it is, if it is one: the words are those of a failing build. */
static KilnRefusal find_refusal(json_object *probe, const char *key, int code)
{
    json_object *store = NULL, *xattrs = NULL;
    if (strcmp(key, "fresh_proc") == 0) {
        return code == -EPERM ? KILN_REFUSAL_MASKED_PROC : KILN_N_REFUSALS;
    }
    if (strcmp(key, "overlay") != 0) {
        return KILN_N_REFUSALS;
    }
    json_object_object_get_ex(probe, "store", &store);
    if (json_object_object_get_ex(store, "xattrs", &xattrs) && json_object_get_int(xattrs) == -EOPNOTSUPP) {
        return KILN_REFUSAL_NO_XATTRS;
    }
    return g_strcmp0(kiln_result_string(store, "fs"), "overlay") == 0 ? KILN_REFUSAL_OVERLAY_ON_OVERLAY
                                                                      : KILN_REFUSAL_OVERLAY;
}

static void add_failed(GPtrArray *checks, json_object *probe, guint i, int code)
{
    KilnRefusal refusal = find_refusal(probe, tried[i].key, code);
    g_autofree char *detail =
        refusal < KILN_N_REFUSALS ? g_strdup_printf("%s: %s: %s", tried[i].bad, g_strerror(-code),
                                                    kiln_refusal_cause(refusal))
        : tried[i].status == KILN_CHECK_OK ? g_strdup(tried[i].bad)
                                           : g_strdup_printf("%s: %s", tried[i].bad, g_strerror(-code));
    kiln_checks_add(checks, tried[i].name, tried[i].status, detail,
                    refusal < KILN_N_REFUSALS ? kiln_refusal_remedy(refusal) : tried[i].remedy);
}

static void add_tried(GPtrArray *checks, json_object *probe)
{
    for (guint i = 0; i < G_N_ELEMENTS(tried); i++) {
        json_object *value;
        if (!json_object_object_get_ex(probe, tried[i].key, &value)) {
            continue;
        }
        int code = json_object_get_int(value);
        if (code == 0) {
            kiln_checks_add(checks, tried[i].name, KILN_CHECK_OK, tried[i].good, NULL);
            continue;
        }
        add_failed(checks, probe, i, code);
    }
}

/* "copy (overlay: …; fuse-overlayfs: …)" */
static void add_snapshotter(GPtrArray *checks, json_object *probe)
{
    const char *name = kiln_result_string(probe, "snapshotter");
    json_object *refused = NULL;
    if (!name) {
        return;
    }
    g_autoptr(GString) text = g_string_new(name);
    bool first = true;
    if (json_object_object_get_ex(probe, "snapshotters_refused", &refused)) {
        json_object_object_foreach(refused, other, why)
        {
            g_string_append_printf(text, "%s%s: %s", first ? " (" : "; ", other,
                                   json_object_get_string(why));
            first = false;
        }
    }
    g_string_append(text, first ? "" : ")");
    kiln_checks_add(checks, "snapshotter", first ? KILN_CHECK_OK : KILN_CHECK_WARN, text->str,
                    first ? NULL
                          : "for speed, put the store on ext4, xfs, btrfs or tmpfs: --root DIR or "
                            "KILN_ROOT=DIR");
}

static void add_free_space(GPtrArray *checks, json_object *store)
{
    json_object *value;
    if (!json_object_object_get_ex(store, "free_bytes", &value)) {
        return;
    }
    gint64 bytes = json_object_get_int64(value);
    g_autofree char *size = kiln_human_size(bytes);
    g_autofree char *detail = g_strconcat(size, " free", NULL);
    kiln_checks_add(checks, "disk space",
                    bytes < FREE_NONE  ? KILN_CHECK_FAIL
                    : bytes < FREE_LOW ? KILN_CHECK_WARN
                                       : KILN_CHECK_OK,
                    detail,
                    bytes < FREE_LOW
                        ? "free some, for example with \"kiln rmi\" or \"kiln reset\", "
                          "or move the store: --root DIR"
                        : NULL);
}

void kiln_checks_add_probe(GPtrArray *checks, json_object *probe)
{
    json_object *store = NULL;
    json_object_object_get_ex(probe, "store", &store);
    const char *root = kiln_result_string(store, "root");
    if (root) {
        const char *fs = kiln_result_string(store, "fs");
        bool real = g_strcmp0(kiln_result_string(store, "owners"), "real") == 0;
        g_autofree char *detail =
            g_strdup_printf("%s (%s), %s", root, fs ? fs : "unknown file system",
                            real ? "owners of files are real" : "owners of files are recorded");
        kiln_checks_add(checks, "store", KILN_CHECK_OK, detail, NULL);
    }
    const char *missing = kiln_result_string(probe, "missing");
    if (missing) {
        kiln_checks_add(checks, "system calls", KILN_CHECK_FAIL, missing, NULL);
    }
    add_snapshotter(checks, probe);
    add_tried(checks, probe);
    kiln_checks_add_network(checks, probe);
    add_free_space(checks, store);
}

/* --- Shown ------------------------------------------------------------------------------------ */

bool kiln_checks_failed(const GPtrArray *checks)
{
    for (guint i = 0; i < checks->len; i++) {
        if (((KilnCheck *)g_ptr_array_index(checks, i))->status == KILN_CHECK_FAIL) {
            return true;
        }
    }
    return false;
}

char *kiln_checks_text(const GPtrArray *checks)
{
    static const char *const words[] = {"OK", "WARN", "FAIL"};
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < checks->len; i++) {
        const KilnCheck *c = g_ptr_array_index(checks, i);
        g_string_append_printf(text, "%-4s  %-22s %s\n", words[c->status], c->name, c->detail);
        if (c->remedy) {
            g_string_append_printf(text, "%-28s → %s\n", "", c->remedy);
        }
    }
    return g_string_free(text, FALSE);
}

char *kiln_checks_json(const GPtrArray *checks)
{
    static const char *const words[] = {"ok", "warn", "fail"};
    json_object *list = json_object_new_array();
    for (guint i = 0; i < checks->len; i++) {
        const KilnCheck *c = g_ptr_array_index(checks, i);
        json_object *o = json_object_new_object();
        json_object_object_add(o, "check", json_object_new_string(c->name));
        json_object_object_add(o, "status", json_object_new_string(words[c->status]));
        json_object_object_add(o, "detail", json_object_new_string(c->detail));
        json_object_object_add(o, "remedy", c->remedy ? json_object_new_string(c->remedy) : NULL);
        json_object_array_add(list, o);
    }
    char *text = g_strdup(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY |
                                                                   JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(list);
    return text;
}
