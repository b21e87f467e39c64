#include "build/step-limits.h"
#include "build/cgroup.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct KilnBuildLimits {
    KilnCgroups *cgroups;
    GArray *rlimits; /* struct kilnrun_rlimit */
    GArray *cpus;    /* unsigned: where RUNs may run; NULL: anywhere */
    guint n_cpus;    /* as many of these for each; 0: all */
    gint next_cpu;   /* atomic: where the next step's begin */
};

struct KilnStepLimits {
    KilnCgroup *cgroup;
    GArray *cpus; /* unsigned */
};

/* --- What stands in for a cgroup ------------------------------------------------------------------------- */

/* user_namespaces(7), setrlimit(2): processes of the host's root are not counted. */
static bool is_host_root(void)
{
    g_autofree char *map = NULL;
    guint inside, outside, count;
    return geteuid() == 0 && g_file_get_contents("/proc/self/uid_map", &map, NULL, NULL) &&
           sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 && outside == 0;
}

G_GNUC_PRINTF(3, 4)
static void warn(KilnEngine *e, const char *reason, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    g_autofree char *what = g_strdup_vprintf(format, ap);
    va_end(ap);
    g_autofree char *text = g_strconcat(what, ": ", reason, NULL);
    kiln_emit_warning(e->options->emitter, NULL, text);
}

/* One that the user asked for himself stays. */
static void add_rlimit(KilnBuildLimits *b, int resource, guint64 soft, guint64 hard)
{
    for (guint i = 0; i < b->rlimits->len; i++)
        if (g_array_index(b->rlimits, struct kilnrun_rlimit, i).resource == resource)
            return;
    struct kilnrun_rlimit new = {.resource = resource, .soft = soft, .hard = hard};
    g_array_append_val(b->rlimits, new);
}

static void add_lower_rlimit(KilnBuildLimits *b, int resource, guint64 value)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now) == 0 && now.rlim_max < value)
        value = now.rlim_max;
    add_rlimit(b, resource, value, value);
}

/* RLIMIT_DATA rather than RLIMIT_AS: programs reserve address space that they never use (Go, Java, sanitizers). */
static void without_memory(KilnEngine *e, KilnBuildLimits *b, const KilnLimits *l, const char *reason)
{
    add_lower_rlimit(b, RLIMIT_DATA, l->memory);
    warn(e, reason, "--memory holds for each process alone, not for all of a RUN");
    if (l->memory_swap)
        warn(e, reason, "--memory-swap is not kept");
}

static void without_pids(KilnEngine *e, KilnBuildLimits *b, const KilnLimits *l, const char *reason)
{
    if (is_host_root()) {
        warn(e, reason, "--pids-limit is not kept");
        return;
    }
    add_lower_rlimit(b, RLIMIT_NPROC, (guint64)l->pids);
    warn(e, reason, "--pids-limit holds for all RUNs at once, each user by itself, not for a RUN");
}

static GArray *own_cpus(void)
{
    GArray *cpus = g_array_new(FALSE, FALSE, sizeof(unsigned));
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        for (unsigned i = 0; i < CPU_SETSIZE; i++)
            if (CPU_ISSET(i, &set))
                g_array_append_val(cpus, i);
    return cpus;
}

static void without_cpu(KilnEngine *e, KilnBuildLimits *b, const KilnLimits *l, const char *reason)
{
    double n = l->cpus > 0      ? l->cpus
               : l->cpu_quota ? (double)l->cpu_quota / (double)(l->cpu_period ? l->cpu_period : 100000)
                              : 0;
    const char *flag = l->cpus > 0 ? "--cpus" : "--cpu-quota";
    if (!b->cpus)
        b->cpus = own_cpus();
    const guint64 whole = n > 0 ? (guint64)n + (n > (double)(guint64)n) : 0; /* rounded up */
    if (n > 0 && whole >= b->cpus->len) {
        if (n < b->cpus->len)
            warn(e, reason, "%s is not kept", flag);
    } else if (n > 0) {
        b->n_cpus = (guint)whole;
        warn(e, reason, "%s is kept by running on %u of %u CPUs, which a program can undo", flag, b->n_cpus,
             b->cpus->len);
    }
    if (l->cpu_shares)
        warn(e, reason, "--cpu-shares is not kept");
}

/* Of those asked for, those that there are. */
static void without_cpuset(KilnEngine *e, KilnBuildLimits *b, const KilnLimits *l, const char *reason)
{
    if (l->cpuset_cpus) {
        g_autoptr(GArray) there = own_cpus(), asked = kiln_list_parse(l->cpuset_cpus);
        GArray *cpus = g_array_new(FALSE, FALSE, sizeof(unsigned));
        for (guint i = 0; i < there->len; i++)
            for (guint k = 0; k < asked->len; k++)
                if (g_array_index(asked, guint, k) == g_array_index(there, unsigned, i))
                    g_array_append_val(cpus, g_array_index(there, unsigned, i));
        g_clear_pointer(&b->cpus, g_array_unref);
        b->cpus = cpus;
        warn(e, reason, "--cpuset-cpus is kept in a way that a program can undo");
    }
    if (l->cpuset_mems)
        warn(e, reason, "--cpuset-mems is not kept");
}

/* --- A build's -------------------------------------------------------------------------------------------- */

static bool check_cpuset(const KilnBuildLimits *b, const KilnLimits *l, GError **error)
{
    if (!l->cpuset_cpus || !b->cpus || b->cpus->len > 0)
        return true;
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_UNSUPPORTED,
                "--cpuset-cpus %s: kiln itself may run on none of these CPUs", l->cpuset_cpus);
    return false;
}

static KilnBuildLimits *build_limits_new(KilnEngine *e, GError **error)
{
    static void (*const without[KILN_N_CONTROLLERS])(KilnEngine *, KilnBuildLimits *, const KilnLimits *,
                                                     const char *) = {
        [KILN_CONTROLLER_MEMORY] = without_memory,
        [KILN_CONTROLLER_PIDS] = without_pids,
        [KILN_CONTROLLER_CPU] = without_cpu,
        [KILN_CONTROLLER_CPUSET] = without_cpuset,
    };
    const KilnLimits *l = &e->options->run_settings.limits;
    static const KilnController order[] = {KILN_CONTROLLER_MEMORY, KILN_CONTROLLER_PIDS,
                                           KILN_CONTROLLER_CPUSET, KILN_CONTROLLER_CPU};
    KilnBuildLimits *b = g_new0(KilnBuildLimits, 1);
    b->rlimits = g_array_new(FALSE, FALSE, sizeof(struct kilnrun_rlimit));
    for (guint i = 0; l->ulimits && i < l->ulimits->len; i++) {
        const KilnUlimit *u = &g_array_index(l->ulimits, KilnUlimit, i);
        add_rlimit(b, u->resource, u->soft, u->hard);
    }
    b->cgroups = kiln_cgroups_new(l, error);
    for (guint i = 0; b->cgroups && i < G_N_ELEMENTS(order); i++) {
        const char *reason = kiln_cgroups_reason(b->cgroups, order[i]);
        if (reason && kiln_cgroup_wants(l, order[i]))
            without[order[i]](e, b, l, reason);
    }
    if (!b->cgroups || !check_cpuset(b, l, error))
        g_clear_pointer(&b, kiln_build_limits_free);
    return b;
}

void kiln_build_limits_free(KilnBuildLimits *b)
{
    g_clear_pointer(&b->cgroups, kiln_cgroups_free);
    g_clear_pointer(&b->cpus, g_array_unref);
    g_array_unref(b->rlimits);
    g_free(b);
}

static KilnBuildLimits *build_limits(KilnEngine *e, GError **error)
{
    g_mutex_lock(&e->lock);
    if (!e->limits)
        e->limits = build_limits_new(e, error);
    KilnBuildLimits *b = e->limits;
    g_mutex_unlock(&e->lock);
    return b;
}

/* --- A step's --------------------------------------------------------------------------------------------- */

/* Steps that run at once get different ones, as far as there are. */
static GArray *choose_cpus(KilnBuildLimits *b)
{
    GArray *cpus = g_array_new(FALSE, FALSE, sizeof(unsigned));
    guint n = b->cpus ? b->cpus->len : 0;
    guint wanted = b->n_cpus ? MIN(b->n_cpus, n) : n;
    guint first = b->n_cpus && n ? (guint)g_atomic_int_add(&b->next_cpu, (gint)b->n_cpus) % n : 0;
    for (guint i = 0; i < wanted; i++)
        g_array_append_val(cpus, g_array_index(b->cpus, unsigned, (first + i) % n));
    return cpus;
}

static bool is_limited(const KilnLimits *l)
{
    for (guint c = 0; c < KILN_N_CONTROLLERS; c++)
        if (kiln_cgroup_wants(l, c))
            return true;
    return l->ulimits || l->cgroup_parent;
}

KilnStepLimits *kiln_step_limits_new(KilnEngine *e, struct kilnrun_limits *out, GError **error)
{
    const KilnLimits *l = &e->options->run_settings.limits;
    *out = (struct kilnrun_limits){.shm_size = l->shm_size, .timeout = l->step_timeout};
    KilnStepLimits *s = g_new0(KilnStepLimits, 1);
    if (!is_limited(l))
        return s;
    KilnBuildLimits *b = build_limits(e, error);
    s->cgroup = b ? kiln_cgroup_new(b->cgroups, error) : NULL;
    if (!s->cgroup) {
        kiln_step_limits_free(s);
        return NULL;
    }
    s->cpus = choose_cpus(b);
    out->cgroup_fds = kiln_cgroup_procs(s->cgroup, &out->n_cgroups);
    out->rlimits = (const struct kilnrun_rlimit *)(void *)b->rlimits->data;
    out->n_rlimits = b->rlimits->len;
    out->cpus = (const unsigned *)(void *)s->cpus->data;
    out->n_cpus = s->cpus->len;
    return s;
}

void kiln_step_limits_free(KilnStepLimits *l)
{
    g_clear_pointer(&l->cgroup, kiln_cgroup_free);
    g_clear_pointer(&l->cpus, g_array_unref);
    g_free(l);
}

static char *size_text(guint64 bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes;
    guint unit = 0;
    for (; size >= 1024 && unit + 1 < G_N_ELEMENTS(units); unit++)
        size /= 1024;
    return g_strdup_printf("%.4g %s", size, units[unit]);
}

char *kiln_step_limits_verdict(const KilnEngine *e, const KilnStepLimits *l,
                               const struct kilnrun_result *result)
{
    const KilnLimits *limits = &e->options->run_settings.limits;
    if (result->timed_out)
        return g_strdup_printf("stopped after %g s (--step-timeout)", (double)limits->step_timeout / 1000);
    if (!l->cgroup || !limits->memory || kiln_cgroup_oom_kills(l->cgroup) == 0)
        return NULL;
    g_autofree char *size = size_text(limits->memory);
    return g_strdup_printf("killed: it used more than --memory %s, exit code: %d", size, result->exit_code);
}
