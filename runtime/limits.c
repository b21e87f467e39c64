#include "limits.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

int limits_join_cgroups(const struct kilnrun_limits *limits, struct kilnrun_failure *failure)
{
    /* cgroups(7): "0" stands for the writer */
    for (size_t i = 0; i < limits->n_cgroups; i++)
        if (write(limits->cgroup_fds[i], "0", 1) < 0)
            return failure_set(failure, -errno, "cgroup", "write to cgroup.procs");
    return 0;
}

static int get(const struct kilnrun_rlimit *l, struct rlimit *now, struct kilnrun_failure *failure)
{
    return getrlimit((__rlimit_resource_t)l->resource, now) < 0
               ? failure_set(failure, -errno, "limits", "getrlimit %d", l->resource)
               : 0;
}

static int set(const struct kilnrun_rlimit *l, uint64_t soft, uint64_t hard,
               struct kilnrun_failure *failure)
{
    const struct rlimit new = {.rlim_cur = soft, .rlim_max = hard};

    return setrlimit((__rlimit_resource_t)l->resource, &new) < 0
               ? failure_set(failure, -errno, "limits", "setrlimit %d to %llu:%llu", l->resource,
                             (unsigned long long)soft, (unsigned long long)hard)
               : 0;
}

int limits_raise(const struct kilnrun_limits *limits, struct kilnrun_failure *failure)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < limits->n_rlimits; i++) {
        const struct kilnrun_rlimit *l = &limits->rlimits[i];
        struct rlimit now;

        rc = get(l, &now, failure);
        if (rc == 0 && l->hard > now.rlim_max) /* RLIM_INFINITY is the largest number */
            rc = set(l, now.rlim_cur, l->hard, failure);
    }
    return rc;
}

static int set_cpus(const struct kilnrun_limits *limits, struct kilnrun_failure *failure)
{
    cpu_set_t cpus;

    if (limits->n_cpus == 0)
        return 0;
    CPU_ZERO(&cpus);
    for (size_t i = 0; i < limits->n_cpus; i++)
        if (limits->cpus[i] < CPU_SETSIZE)
            CPU_SET(limits->cpus[i], &cpus);
    return sched_setaffinity(0, sizeof cpus, &cpus) < 0
               ? failure_set(failure, -errno, "limits", "sched_setaffinity")
               : 0;
}

int limits_apply(const struct kilnrun_limits *limits, struct kilnrun_failure *failure)
{
    int rc = set_cpus(limits, failure);

    for (size_t i = 0; rc == 0 && i < limits->n_rlimits; i++)
        rc = set(&limits->rlimits[i], limits->rlimits[i].soft, limits->rlimits[i].hard, failure);
    return rc;
}
