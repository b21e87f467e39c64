/* Where cgroups are and what is written to them: what can be said without touching any. */
#include "build/cgroup.h"

#include <string.h>

static const char *const names[KILN_N_CONTROLLERS] = {"memory", "pids", "cpu", "cpuset"};

const char *kiln_controller_name(KilnController c)
{
    return names[c];
}

static bool listed(const char *list, const char *name)
{
    g_auto(GStrv) items = g_strsplit(list, ",", -1);
    return g_strv_contains((const char *const *)items, name);
}

/* A line of /proc/PID/cgroup: "ID:CONTROLLERS:PATH"; v2's has no controllers (cgroups(7)). */
static void take_cgroup(const char *line, char *paths[KILN_N_CONTROLLERS], char **unified)
{
    g_auto(GStrv) parts = g_strsplit(line, ":", 3);
    if (g_strv_length(parts) < 3)
        return;
    if (strcmp(parts[0], "0") == 0 && !*parts[1] && !*unified)
        *unified = g_strdup(parts[2]);
    for (guint c = 0; c < KILN_N_CONTROLLERS; c++)
        if (listed(parts[1], names[c]) && !paths[c])
            paths[c] = g_strdup(parts[2]);
}

/* `path` as it is found below the mount point of a mount that shows `root` and what is below it. */
static void set_place(KilnCgroupPlace *place, int version, const char *mount, const char *root,
                      const char *path)
{
    gsize length = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (place->version || !path || strncmp(path, root, length) != 0 ||
        (path[length] && path[length] != '/') || g_str_has_prefix(path, "/.."))
        return;
    place->version = version;
    place->mount = g_strdup(mount);
    place->own = g_strdup(path[length] ? path + length : "/");
}

/* A line of mountinfo (proc(5)): … ROOT MOUNTPOINT OPTIONS [TAGS] - TYPE SOURCE SUPEROPTIONS. */
static void take_mount(const char *line, char *const paths[KILN_N_CONTROLLERS], const char *unified,
                       KilnCgroupPlace places[KILN_N_CONTROLLERS])
{
    const char *tail = strstr(line, " - ");
    g_auto(GStrv) head = g_strsplit(line, " ", 6);
    g_auto(GStrv) type = tail ? g_strsplit(tail + 3, " ", 3) : NULL;
    if (g_strv_length(head) < 6 || !type || g_strv_length(type) < 3)
        return;
    g_autofree char *root = g_strcompress(head[3]), *mount = g_strcompress(head[4]);
    bool v1 = strcmp(type[0], "cgroup") == 0, v2 = strcmp(type[0], "cgroup2") == 0;
    for (guint c = 0; c < KILN_N_CONTROLLERS; c++) {
        if (v1 && listed(type[2], names[c]))
            set_place(&places[c], 1, mount, root, paths[c]);
        else if (v2 && !paths[c])
            set_place(&places[c], 2, mount, root, unified);
    }
}

void kiln_cgroup_places(const char *cgroups, const char *mountinfo,
                        KilnCgroupPlace places[KILN_N_CONTROLLERS])
{
    char *paths[KILN_N_CONTROLLERS] = {NULL};
    g_autofree char *unified = NULL;
    g_auto(GStrv) lines = g_strsplit(cgroups, "\n", -1);
    g_auto(GStrv) mounts = g_strsplit(mountinfo, "\n", -1);
    memset(places, 0, sizeof *places * KILN_N_CONTROLLERS);
    for (char **line = lines; *line; line++)
        take_cgroup(*line, paths, &unified);
    for (char **line = mounts; *line; line++)
        take_mount(*line, paths, unified, places);
    for (guint c = 0; c < KILN_N_CONTROLLERS; c++)
        g_free(paths[c]);
}

void kiln_cgroup_places_clear(KilnCgroupPlace places[KILN_N_CONTROLLERS])
{
    for (guint c = 0; c < KILN_N_CONTROLLERS; c++) {
        g_free(places[c].mount);
        g_free(places[c].own);
    }
}

bool kiln_cgroup_wants(const KilnLimits *l, KilnController c)
{
    const bool wants[KILN_N_CONTROLLERS] = {
        [KILN_CONTROLLER_MEMORY] = l->memory > 0,
        [KILN_CONTROLLER_PIDS] = l->pids > 0,
        [KILN_CONTROLLER_CPU] = l->cpus > 0 || l->cpu_quota || l->cpu_shares,
        [KILN_CONTROLLER_CPUSET] = l->cpuset_cpus || l->cpuset_mems,
    };
    return wants[c];
}

static void free_value(gpointer setting)
{
    g_free(((KilnCgroupSetting *)setting)->value);
}

G_GNUC_PRINTF(4, 5)
static void add(GArray *list, const char *file, bool optional, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    KilnCgroupSetting setting = {file, g_strdup_vprintf(format, ap), optional};
    va_end(ap);
    g_array_append_val(list, setting);
}

/* Swap is counted with memory in v1, and by itself in v2. Without a word of it as much swap as memory may be
 * used (docker run(1)); kernels without swap accounting have no file to say so. */
static void add_memory(GArray *list, const KilnLimits *l, int version)
{
    guint64 both = l->memory_swap > 0 ? (guint64)l->memory_swap : 2 * l->memory;
    bool said = l->memory_swap != 0;
    add(list, version == 1 ? "memory.limit_in_bytes" : "memory.max", false, "%" G_GUINT64_FORMAT, l->memory);
    if (l->memory_swap < 0 && version == 2)
        add(list, "memory.swap.max", true, "max");
    else if (l->memory_swap >= 0 && version == 1)
        add(list, "memory.memsw.limit_in_bytes", !said, "%" G_GUINT64_FORMAT, both);
    else if (l->memory_swap >= 0)
        add(list, "memory.swap.max", !said, "%" G_GUINT64_FORMAT, both - l->memory);
}

static void add_cpu(GArray *list, const KilnLimits *l, int version)
{
    guint64 period = l->cpu_period ? l->cpu_period : 100000;
    guint64 quota = l->cpus > 0 ? (guint64)MAX(l->cpus * (double)period, 1000) : l->cpu_quota;
    if (quota && version == 1) {
        add(list, "cpu.cfs_period_us", false, "%" G_GUINT64_FORMAT, period);
        add(list, "cpu.cfs_quota_us", false, "%" G_GUINT64_FORMAT, quota);
    } else if (quota) {
        add(list, "cpu.max", false, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, quota, period);
    }
    if (l->cpu_shares && version == 1)
        add(list, "cpu.shares", false, "%" G_GUINT64_FORMAT, l->cpu_shares);
    else if (l->cpu_shares) /* [2, 262144] to [1, 10000], as the OCI runtimes do */
        add(list, "cpu.weight", false, "%" G_GUINT64_FORMAT, 1 + (l->cpu_shares - 2) * 9999 / 262142);
}

GArray *kiln_cgroup_settings(const KilnLimits *l, KilnController c, int version)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(KilnCgroupSetting));
    g_array_set_clear_func(list, free_value);
    if (c == KILN_CONTROLLER_MEMORY && l->memory)
        add_memory(list, l, version);
    else if (c == KILN_CONTROLLER_PIDS && l->pids)
        add(list, "pids.max", false, "%" G_GINT64_FORMAT, l->pids + 1); /* the init */
    else if (c == KILN_CONTROLLER_CPU)
        add_cpu(list, l, version);
    else if (c == KILN_CONTROLLER_CPUSET && l->cpuset_cpus)
        add(list, "cpuset.cpus", false, "%s", l->cpuset_cpus);
    if (c == KILN_CONTROLLER_CPUSET && l->cpuset_mems)
        add(list, "cpuset.mems", false, "%s", l->cpuset_mems);
    return list;
}

guint64 kiln_cgroup_count(const char *text, const char *name)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    gsize length = strlen(name);
    for (char **line = lines; *line; line++)
        if (strncmp(*line, name, length) == 0 && (*line)[length] == ' ')
            return g_ascii_strtoull(*line + length, NULL, 10);
    return 0;
}
