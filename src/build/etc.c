#include "build/etc.h"
#include "build/resolv.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_file(int dirfd, const char *name, const char *text, GError **error)
{
    int fd = openat(dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    size_t size = strlen(text);
    if (fd < 0 || write(fd, text, size) != (ssize_t)size || fchmod(fd, 0644) < 0) {
        g_set_error(error, KILN_STORE_ERROR,
                    errno == ENOSPC ? KILN_STORE_ERROR_SPACE : KILN_STORE_ERROR_IO,
                    "writing the sandbox's /etc/%s: %s", name, g_strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

const char *kiln_etc_hostname(const KilnEngine *e)
{
    const char *name = e->options->plan->hostname;
    return name ? name : "buildkitsandbox"; /* as BuildKit's: some installers record it */
}

static bool write_resolv(KilnEtc *etc, const KilnRunSettings *settings, GError **error)
{
    int dirfd = kiln_work_fd(etc->work);
    g_autofree char *conf = NULL;
    g_auto(KilnResolv) resolv = {0};
    g_file_get_contents("/etc/resolv.conf", &conf, NULL, NULL);
    kiln_resolv_make(conf, settings, &resolv);
    etc->dns_server = g_steal_pointer(&resolv.dns_server);
    etc->dns_address = g_steal_pointer(&resolv.dns_address);
    etc->resolv = write_file(dirfd, "resolv.conf", resolv.host, error);
    if (etc->resolv < 0 || !resolv.private)
        return etc->resolv >= 0;
    etc->resolv_private = write_file(dirfd, "resolv.conf.private", resolv.private, error);
    return etc->resolv_private >= 0;
}

/* As BuildKit's executor/oci/hosts.go. */
static char *make_hosts(const char *hostname, char *const *extra)
{
    GString *text = g_string_new(NULL);
    g_string_printf(text,
                    "127.0.0.1\tlocalhost %s\n"
                    "::1\tlocalhost ip6-localhost ip6-loopback\n",
                    hostname);
    for (; extra && *extra; extra++) {
        const char *equals = strchr(*extra, '=');
        g_string_append_printf(text, "%s\t%.*s\n", equals + 1, (int)(equals - *extra), *extra);
    }
    return g_string_free(text, FALSE);
}

static bool write_files(KilnEtc *etc, const char *hostname, const KilnRunSettings *settings, GError **error)
{
    int dirfd = kiln_work_fd(etc->work);
    g_autofree char *hosts = make_hosts(hostname, settings->extra_hosts);
    g_autofree char *name = g_strconcat(hostname, "\n", NULL);
    if (write_resolv(etc, settings, error))
        etc->hosts = write_file(dirfd, "hosts", hosts, error);
    if (etc->hosts >= 0)
        etc->hostname = write_file(dirfd, "hostname", name, error);
    return etc->hostname >= 0;
}

static KilnEtc *etc_new(const KilnEngine *e, GError **error)
{
    KilnEtc *etc = g_new0(KilnEtc, 1);
    etc->resolv = etc->resolv_private = etc->hosts = etc->hostname = -1;
    etc->work = kiln_work_new(e->options->store, error);
    if (!etc->work || !write_files(etc, kiln_etc_hostname(e), &e->options->run_settings, error))
        g_clear_pointer(&etc, kiln_etc_free);
    return etc;
}

const KilnEtc *kiln_etc_files(KilnEngine *e, GError **error)
{
    g_mutex_lock(&e->lock);
    if (!e->etc)
        e->etc = etc_new(e, error);
    KilnEtc *etc = e->etc;
    g_mutex_unlock(&e->lock);
    return etc;
}

void kiln_etc_free(KilnEtc *etc)
{
    const int fds[] = {etc->resolv, etc->resolv_private, etc->hosts, etc->hostname};
    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    g_clear_pointer(&etc->work, kiln_work_free);
    g_free(etc->dns_server);
    g_free(etc->dns_address);
    g_free(etc);
}
