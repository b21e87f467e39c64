#include "build/isolation.h"

#include <string.h>

/* What is said of each; NULL: nothing. %s: why it has come to this. */
static const char *const warnings[] = {
    [KILNRUN_NAMESPACES] = NULL,
    [KILNRUN_OUTER_PROC] =
        "parts of /proc are covered here, so that no RUN can have one of its own: RUNs see this container's "
        "processes, and can send signals to kiln's",
    [KILNRUN_CHROOT] =
        "RUN is isolated by chroot alone%s: it has no /proc, no /sys, no private process ids and the network of "
        "this container, and this is no security boundary: build only Dockerfiles that you trust",
    [KILNRUN_PROOT] =
        "RUN is run by proot%s: owners of files are all root in the image, it sees this container's processes, "
        "/proc and network, every system call is slow, and this is no security boundary: build only Dockerfiles "
        "that you trust",
};

/* What was asked for and has no effect, or not all of it. */
static void warn_of_settings(KilnEngine *e)
{
    const KilnRunSettings *s = &e->options->run_settings;
    const struct {
        bool asked;
        const char *what;
    } settings[] = {
        {s->emulate > KILN_EMULATE_OFF,
         "--emulate has no effect: commands are not given owners or devices"},
        {s->limits.shm_size > 0,
         "--shm-size is not kept: /dev/shm is a directory on disk, or this container's"},
        {e->options->plan->hostname,
         "the host name is that of this container, except in /etc/hostname and /etc/hosts"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(settings); i++) {
        g_autofree char *text = g_strdup_printf("%s (isolation \"%s\")", settings[i].what,
                                                kiln_run_isolation_name(s->isolation));
        if (settings[i].asked)
            kiln_emit_warning(e->options->emitter, NULL, text);
    }
}

void kiln_isolation_warn(KilnEngine *e)
{
    const KilnRunSettings *s = &e->options->run_settings;
    g_mutex_lock(&e->lock);
    bool said = e->isolation_warned;
    e->isolation_warned = true;
    g_mutex_unlock(&e->lock);
    const char *warning = warnings[s->isolation], *gap = warning ? strstr(warning, "%s") : NULL;
    if (said || !warning)
        return;
    g_autofree char *reason = s->isolation_reason ? g_strdup_printf(" (%s)", s->isolation_reason) : g_strdup("");
    g_autofree char *text = gap ? g_strdup_printf("%.*s%s%s", (int)(gap - warning), warning, reason, gap + 2)
                                : g_strdup(warning);
    kiln_emit_warning(e->options->emitter, NULL, text);
    if (kiln_isolation_is_bare(e))
        warn_of_settings(e);
}

const char *kiln_run_isolation_name(enum kilnrun_isolation isolation)
{
    static const char *const names[] = {[KILNRUN_NAMESPACES] = "userns",
                                        [KILNRUN_OUTER_PROC] = "userns",
                                        [KILNRUN_CHROOT] = "chroot",
                                        [KILNRUN_PROOT] = "proot"};
    return names[isolation];
}

bool kiln_isolation_is_bare(const KilnEngine *e)
{
    return e->options->run_settings.isolation >= KILNRUN_CHROOT;
}

bool kiln_isolation_allows(const KilnEngine *e, const KilnStep *step, GError **error)
{
    if (!kiln_isolation_is_bare(e) || step->network != KILN_NETWORK_NONE)
        return true;
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_UNSUPPORTED,
                "network \"none\" needs a network namespace, and none can be made here (isolation \"%s\"): leave "
                "--network=none out, or run kiln where it may make namespaces (kiln doctor says what is missing)",
                kiln_run_isolation_name(e->options->run_settings.isolation));
    return false;
}
