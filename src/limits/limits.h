/* What the user lets each RUN have of the host: --memory, --cpus, --ulimit …, as written on the command line
 * and in requests. The front reads them to say at once what is wrong, the builder to act on them.
 *
 * Names and syntax are those of `docker build` and, where it has none, of `docker run` (docker/cli,
 * cli/command/image/build.go and container/opts.go; docker/go-units). */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define KILN_LIMITS_ERROR (kiln_limits_error_quark())
GQuark kiln_limits_error_quark(void); /* code 0: the text is not valid; the message names the flag */

typedef struct {
    int resource;       /* RLIMIT_… */
    const char *name;   /* "nofile" */
    guint64 soft, hard; /* RLIM_INFINITY: none */
} KilnUlimit;

typedef struct {
    guint64 shm_size;    /* bytes of /dev/shm; 0: the default */
    guint64 memory;      /* bytes; 0: no limit */
    gint64 memory_swap;  /* bytes of memory and swap; -1: no limit; 0: twice the memory */
    gint64 pids;         /* 0: no limit */
    double cpus;         /* as many; 0: no limit */
    guint64 cpu_quota;   /* or microseconds of CPU time in each period; 0: no limit */
    guint64 cpu_period;  /* microseconds; 0: 100,000 */
    guint64 cpu_shares;  /* 2…262144; 0: the default */
    char *cpuset_cpus, *cpuset_mems; /* lists as "0-3,5"; NULL: all */
    char *cgroup_parent; /* NULL: kiln's own cgroup */
    GArray *ulimits;     /* KilnUlimit, one a resource; NULL: none */
    guint64 step_timeout; /* milliseconds; 0: none */
} KilnLimits;

/* Sets what the flag --NAME=VALUE says. False: not valid. */
bool kiln_limits_set(KilnLimits *l, const char *name, const char *value, GError **error);
/* Whether they go together, when all are set. */
bool kiln_limits_check(const KilnLimits *l, GError **error);
void kiln_limits_clear(KilnLimits *l);

/* "64m", "1.5GiB": bytes in units of 1024, as docker/go-units' RAMInBytes. */
bool kiln_size_parse(const char *text, guint64 *bytes);
/* "90s", "5m30s": a duration as dockerfile/duration.h reads them, that is longer than none. */
bool kiln_timeout_parse(const char *text, guint64 *milliseconds);
/* "0-3,5" → numbers (guint), sorted, each once; NULL: not valid. g_array_unref(). */
GArray *kiln_list_parse(const char *text);
