#include "limits/limits.h"

#include <string.h>
#include <sys/resource.h>

G_DEFINE_QUARK(kiln-limits-error-quark, kiln_limits_error)

#define MIN_MEMORY (6 << 20) /* moby, daemon/daemon_unix.go: a runtime needs that much to start at all */

/* docker/go-units, ulimit.go. */
static const struct {
    const char *name;
    int resource;
} ulimits[] = {
    {"core", RLIMIT_CORE},     {"cpu", RLIMIT_CPU},           {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},   {"locks", RLIMIT_LOCKS},       {"memlock", RLIMIT_MEMLOCK},
    {"nice", RLIMIT_NICE},     {"msgqueue", RLIMIT_MSGQUEUE}, {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC},   {"rss", RLIMIT_RSS},           {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME}, {"stack", RLIMIT_STACK},       {"sigpending", RLIMIT_SIGPENDING},
};

G_GNUC_PRINTF(2, 3) static bool invalid(GError **error, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    g_autofree char *text = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_set_error_literal(error, KILN_LIMITS_ERROR, 0, text);
    return false;
}

static bool set_string(char **to, const char *value)
{
    g_free(*to);
    *to = g_strdup(value);
    return true;
}

static bool set_shm_size(KilnLimits *l, const char *value, GError **error)
{
    if (kiln_size_parse(value, &l->shm_size) && l->shm_size > 0)
        return true;
    return invalid(error, "--shm-size %s: not a size greater than 0, such as 64m or 1g", value);
}

static bool set_memory(KilnLimits *l, const char *value, GError **error)
{
    if (!kiln_size_parse(value, &l->memory))
        return invalid(error, "--memory %s: not a size, such as 512m or 2g", value);
    if (l->memory > 0 && l->memory < MIN_MEMORY)
        return invalid(error, "--memory %s: at least 6m is needed", value);
    return true;
}

static bool set_memory_swap(KilnLimits *l, const char *value, GError **error)
{
    guint64 size;
    if (strcmp(value, "-1") == 0) {
        l->memory_swap = -1;
        return true;
    }
    if (!kiln_size_parse(value, &size))
        return invalid(error, "--memory-swap %s: not a size, such as 2g, nor -1", value);
    l->memory_swap = (gint64)size;
    return true;
}

static bool set_pids(KilnLimits *l, const char *value, GError **error)
{
    gint64 pids;
    if (!g_ascii_string_to_signed(value, 10, -1, 4194304, &pids, NULL)) /* PID_MAX_LIMIT */
        return invalid(error, "--pids-limit %s: not a number of processes (-1: no limit)", value);
    l->pids = MAX(pids, 0);
    return true;
}

static bool set_cpus(KilnLimits *l, const char *value, GError **error)
{
    char *end;
    double cpus = g_ascii_strtod(value, &end);
    if (end == value || *end || !g_ascii_isdigit(*value) || strspn(value, "0123456789.") != strlen(value) ||
        cpus > 8192 || (cpus > 0 && cpus < 0.01))
        return invalid(error, "--cpus %s: not a number of CPUs, such as 1.5 (at least 0.01)", value);
    l->cpus = cpus;
    return true;
}

/* 0 means the default. */
static bool set_number(const char *flag, const char *value, guint64 least, guint64 most, guint64 *number,
                       GError **error)
{
    if (g_ascii_string_to_unsigned(value, 10, 0, most, number, NULL) && (*number == 0 || *number >= least))
        return true;
    return invalid(error, "--%s %s: not a number between %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT, flag,
                   value, least, most);
}

/* Ranges of the kernel's: Documentation/scheduler/sched-bwc.rst. */
static bool set_cpu_period(KilnLimits *l, const char *value, GError **error)
{
    return set_number("cpu-period", value, 1000, 1000000, &l->cpu_period, error);
}

static bool set_cpu_quota(KilnLimits *l, const char *value, GError **error)
{
    if (strcmp(value, "-1") == 0) { /* as docker: no limit */
        l->cpu_quota = 0;
        return true;
    }
    return set_number("cpu-quota", value, 1000, G_MAXINT32, &l->cpu_quota, error);
}

static bool set_cpu_shares(KilnLimits *l, const char *value, GError **error)
{
    return set_number("cpu-shares", value, 2, 262144, &l->cpu_shares, error);
}

static bool set_list(const char *flag, const char *value, char **to, GError **error)
{
    g_autoptr(GArray) list = kiln_list_parse(value);
    if (list)
        return set_string(to, value);
    return invalid(error, "--%s %s: not a list such as 0-3 or 0,2", flag, value);
}

static bool set_cpuset_cpus(KilnLimits *l, const char *value, GError **error)
{
    return set_list("cpuset-cpus", value, &l->cpuset_cpus, error);
}

static bool set_cpuset_mems(KilnLimits *l, const char *value, GError **error)
{
    return set_list("cpuset-mems", value, &l->cpuset_mems, error);
}

static bool set_cgroup_parent(KilnLimits *l, const char *value, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(value, "/", -1);
    if (!*value || g_strv_contains((const char *const *)parts, ".."))
        return invalid(error, "--cgroup-parent %s: not a path below the root of the cgroups", value);
    return set_string(&l->cgroup_parent, value);
}

static bool set_step_timeout(KilnLimits *l, const char *value, GError **error)
{
    if (kiln_timeout_parse(value, &l->step_timeout))
        return true;
    return invalid(error, "--step-timeout %s: not a duration greater than 0, such as 90s or 5m30s", value);
}

static bool take_ulimit_value(const char *text, guint64 *value)
{
    if (strcmp(text, "-1") == 0) {
        *value = RLIM_INFINITY;
        return true;
    }
    return g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, value, NULL);
}

/* The last one of a resource counts. */
static void add_ulimit(KilnLimits *l, const KilnUlimit *new)
{
    if (!l->ulimits)
        l->ulimits = g_array_new(FALSE, FALSE, sizeof(KilnUlimit));
    for (guint i = 0; i < l->ulimits->len; i++)
        if (g_array_index(l->ulimits, KilnUlimit, i).resource == new->resource) {
            g_array_index(l->ulimits, KilnUlimit, i) = *new;
            return;
        }
    g_array_append_val(l->ulimits, *new);
}

static bool set_ulimit(KilnLimits *l, const char *value, GError **error)
{
    const char *equals = strchr(value, '=');
    g_autofree char *name = g_strndup(value, equals ? (gsize)(equals - value) : strlen(value));
    KilnUlimit new = {.name = NULL};
    for (guint i = 0; i < G_N_ELEMENTS(ulimits); i++)
        if (strcmp(ulimits[i].name, name) == 0)
            new = (KilnUlimit){.name = ulimits[i].name, .resource = ulimits[i].resource};
    if (!new.name) {
        g_autoptr(GString) known = g_string_new(NULL);
        for (guint i = 0; i < G_N_ELEMENTS(ulimits); i++)
            g_string_append_printf(known, "%s%s", i ? ", " : "", ulimits[i].name);
        return invalid(error, "--ulimit %s: unknown limit \"%s\" (%s)", value, name, known->str);
    }
    g_auto(GStrv) numbers = g_strsplit(equals ? equals + 1 : "", ":", -1);
    guint n = g_strv_length(numbers);
    if (n < 1 || n > 2 || !take_ulimit_value(numbers[0], &new.soft) ||
        !take_ulimit_value(numbers[n - 1], &new.hard))
        return invalid(error, "--ulimit %s: not %s=SOFT[:HARD] with numbers (-1: no limit)", value, name);
    if (new.soft > new.hard)
        return invalid(error, "--ulimit %s: the soft limit is above the hard limit", value);
    add_ulimit(l, &new);
    return true;
}

static const struct {
    const char *name;
    bool (*set)(KilnLimits *l, const char *value, GError **error);
} setters[] = {
    {"memory", set_memory},
    {"memory-swap", set_memory_swap},
    {"cpus", set_cpus},
    {"cpu-period", set_cpu_period},
    {"cpu-quota", set_cpu_quota},
    {"cpu-shares", set_cpu_shares},
    {"cpuset-cpus", set_cpuset_cpus},
    {"cpuset-mems", set_cpuset_mems},
    {"pids-limit", set_pids},
    {"cgroup-parent", set_cgroup_parent},
    {"shm-size", set_shm_size},
    {"ulimit", set_ulimit},
    {"step-timeout", set_step_timeout},
};

bool kiln_limits_set(KilnLimits *l, const char *name, const char *value, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(setters); i++)
        if (strcmp(setters[i].name, name) == 0)
            return setters[i].set(l, value, error);
    return invalid(error, "there is no limit \"%s\"", name);
}

/* The conditions of moby, daemon/daemon_unix.go. */
bool kiln_limits_check(const KilnLimits *l, GError **error)
{
    if (l->memory_swap != 0 && l->memory == 0)
        return invalid(error, "--memory-swap is the sum of memory and swap: it needs --memory");
    if (l->memory_swap > 0 && (guint64)l->memory_swap < l->memory)
        return invalid(error, "--memory-swap is the sum of memory and swap: it cannot be below --memory");
    if (l->cpus > 0 && (l->cpu_quota || l->cpu_period))
        return invalid(error, "--cpus stands for a --cpu-quota in a --cpu-period: give the one or the others");
    return true;
}

void kiln_limits_clear(KilnLimits *l)
{
    g_free(l->cpuset_cpus);
    g_free(l->cpuset_mems);
    g_free(l->cgroup_parent);
    g_clear_pointer(&l->ulimits, g_array_unref);
    *l = (KilnLimits){0};
}
