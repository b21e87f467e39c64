#include "builder/limits.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

/* Only real root raises a hard limit, and not every one (fs.nr_open bounds nofile): found out by trying, for
 * which the soft limit can stay. */
static bool check_ulimit(const KilnUlimit *u, GError **error)
{
    const __rlimit_resource_t resource = (__rlimit_resource_t)u->resource;
    struct rlimit now;
    if (getrlimit(resource, &now) < 0 || u->hard <= now.rlim_max)
        return true;
    const struct rlimit raised = {.rlim_cur = now.rlim_cur, .rlim_max = u->hard};
    int failed = setrlimit(resource, &raised) < 0 ? errno : 0;
    if (!failed && setrlimit(resource, &now) == 0)
        return true;
    g_autofree char *asked = u->hard == RLIM_INFINITY ? g_strdup("no limit")
                                                       : g_strdup_printf("%" G_GUINT64_FORMAT, u->hard);
    g_set_error(error, KILN_OPERATION_ERROR, 3,
                "--ulimit %s: %s is more than the hard limit of this process, %" G_GUINT64_FORMAT
                ", which it cannot raise (%s); raise it for kiln's user first (limits.conf(5), or LimitX= of a "
                "systemd unit)",
                u->name, asked, (guint64)now.rlim_max, g_strerror(failed));
    return false;
}

static bool set_limit(KilnLimits *out, const char *pair, GError **error)
{
    const char *equals = strchr(pair, '=');
    g_autofree char *name = g_strndup(pair, equals ? (gsize)(equals - pair) : strlen(pair));
    return kiln_limits_set(out, name, equals ? equals + 1 : "", error);
}

bool kiln_request_limits(json_object *request, KilnLimits *out, GError **error)
{
    g_autofree const char **list = kiln_request_list(request, "limits");
    g_autoptr(GError) invalid = NULL;
    bool ok = true;
    for (const char **pair = list; *pair && ok; pair++)
        ok = set_limit(out, *pair, &invalid);
    if (!ok || !kiln_limits_check(out, &invalid)) {
        g_set_error_literal(error, KILN_OPERATION_ERROR, 2, invalid->message);
        return false;
    }
    for (guint i = 0; out->ulimits && i < out->ulimits->len; i++)
        if (!check_ulimit(&g_array_index(out->ulimits, KilnUlimit, i), error))
            return false;
    return true;
}
