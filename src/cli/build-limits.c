#include "cli/build-limits.h"

#include "limits/limits.h"

static const struct {
    char letter;
    const char *name, *argument, *help;
} flags[KILN_N_LIMIT_FLAGS] = {
    {'m', "memory", "SIZE", "Memory that a RUN may use"},
    {0, "memory-swap", "SIZE", "Memory and swap that a RUN may use; -1: any swap"},
    {0, "cpus", "N", "CPUs that a RUN may use, such as 1.5"},
    {0, "cpu-period", "US", "Period of --cpu-quota in microseconds"},
    {0, "cpu-quota", "US", "CPU time of a RUN in each period, in microseconds"},
    {'c', "cpu-shares", "N", "Weight of a RUN where CPUs are short (1024: as others)"},
    {0, "cpuset-cpus", "LIST", "CPUs that a RUN runs on, such as 0-3 or 0,2"},
    {0, "cpuset-mems", "LIST", "Memory nodes of a RUN"},
    {0, "pids-limit", "N", "Processes and threads that a RUN may have"},
    {0, "cgroup-parent", "CGROUP", "Cgroup that those of RUNs are made in"},
    {0, "shm-size", "SIZE", "Size of /dev/shm of RUN (64m)"},
    {0, "step-timeout", "DURATION", "Stop a RUN that takes longer, such as 90s or 5m30s"},
};

void kiln_limit_flags_init(KilnLimitFlags *f)
{
    *f = (KilnLimitFlags){.ulimits = g_ptr_array_new_with_free_func(g_free)};
}

void kiln_limit_flags_clear(KilnLimitFlags *f)
{
    for (guint i = 0; i < KILN_N_LIMIT_FLAGS; i++) {
        g_free(f->values[i]);
    }
    g_ptr_array_unref(f->ulimits);
    g_free(f->timeout);
}

void kiln_limit_flags_append(KilnLimitFlags *f, GArray *to)
{
    const KilnFlag others[] = {
        {0, "ulimit", KILN_FLAG_LIST, &f->ulimits, "TYPE=SOFT[:HARD]",
         "Resource limit of RUN, such as nofile=1024; may be repeated"},
        {0, "timeout", KILN_FLAG_STRING, &f->timeout, "DURATION",
         "Stop the build if it takes longer"},
    };
    for (guint i = 0; i < KILN_N_LIMIT_FLAGS; i++) {
        const KilnFlag flag = {flags[i].letter,  flags[i].name,     KILN_FLAG_STRING,
                               &f->values[i],    flags[i].argument, flags[i].help};
        g_array_append_val(to, flag);
    }
    g_array_append_vals(to, others, G_N_ELEMENTS(others));
}

static bool add_limit(KilnRequest *r, KilnLimits *limits, const char *name, const char *value,
                      GError **error)
{
    g_autoptr(GError) invalid = NULL;
    if (!kiln_limits_set(limits, name, value, &invalid)) {
        return kiln_usage_error(error, "%s", invalid->message);
    }
    g_autofree char *pair = g_strconcat(name, "=", value, NULL);
    kiln_request_add(r, "limits", pair);
    return true;
}

static bool add_limits(KilnRequest *r, KilnLimits *limits, const KilnLimitFlags *f, GError **error)
{
    for (guint i = 0; i < KILN_N_LIMIT_FLAGS; i++) {
        if (f->values[i] && !add_limit(r, limits, flags[i].name, f->values[i], error)) {
            return false;
        }
    }
    for (guint i = 0; i < f->ulimits->len; i++) {
        if (!add_limit(r, limits, "ulimit", g_ptr_array_index(f->ulimits, i), error)) {
            return false;
        }
    }
    g_autoptr(GError) invalid = NULL;
    return kiln_limits_check(limits, &invalid) || kiln_usage_error(error, "%s", invalid->message);
}

bool kiln_limit_flags_add(KilnRequest *r, const KilnLimitFlags *f, GError **error)
{
    KilnLimits limits = {0};
    guint64 timeout;
    bool ok = add_limits(r, &limits, f, error);
    kiln_limits_clear(&limits);
    if (!ok || !f->timeout) {
        return ok;
    }
    if (!kiln_timeout_parse(f->timeout, &timeout)) {
        return kiln_usage_error(
            error, "--timeout %s: not a duration greater than 0, such as 90s or 5m30s", f->timeout);
    }
    g_autofree char *milliseconds = g_strdup_printf("%" G_GUINT64_FORMAT, timeout);
    kiln_request_set(r, "timeout", milliseconds);
    return true;
}
