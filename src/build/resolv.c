#include "build/resolv.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdbool.h>
#include <string.h>

/* At which a private network finds a resolver of the host's loopback device: link-local addresses that no host
 * has a use for (IPv4: as podman's choice, next to it), since the network has those of the host otherwise. */
#define ADDRESS_4 "169.254.1.53"
#define ADDRESS_6 "fd6b:696c:6e00::53"

static bool is_loopback(const char *server)
{
    return g_str_has_prefix(server, "127.") || strcmp(server, "::1") == 0 || strcmp(server, "0.0.0.0") == 0;
}

/* A private network has the address of the host's outgoing device itself, so that a resolver at any address of
 * the host must be taken for one that only the host reaches. */
static bool is_local(const char *server)
{
    struct ifaddrs *all = NULL;
    bool found = is_loopback(server);
    if (!found && getifaddrs(&all) < 0)
        return false;
    for (const struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
        char text[INET6_ADDRSTRLEN] = "";
        if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET)
            inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr, text, sizeof text);
        else if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET6)
            inet_ntop(AF_INET6, &((struct sockaddr_in6 *)(void *)a->ifa_addr)->sin6_addr, text, sizeof text);
        found = strcmp(text, server) == 0;
    }
    freeifaddrs(all);
    return found;
}

/* The words of a line that begins with `keyword`, or NULL. */
static char **words_of(const char *line, const char *keyword)
{
    gsize length = strlen(keyword);
    if (!g_str_has_prefix(line, keyword) || !g_ascii_isspace(line[length]))
        return NULL;
    g_autofree char *rest = g_strdup(line + length);
    return g_strsplit_set(g_strstrip(rest), " \t", -1);
}

/* Lines of the host's that are not replaced. The servers are left out, and go to `servers`. */
static char *keep_lines(const char *conf, const KilnRunSettings *settings, GPtrArray *servers)
{
    g_auto(GStrv) lines = g_strsplit(conf ? conf : "", "\n", -1);
    GString *kept = g_string_new(NULL);
    for (char **line = lines; *line; line++) {
        g_auto(GStrv) server = words_of(*line, "nameserver");
        g_auto(GStrv) search = words_of(*line, "search"), domain = words_of(*line, "domain");
        g_auto(GStrv) options = words_of(*line, "options");
        if (server && server[0] && *server[0])
            g_ptr_array_add(servers, g_strdup(server[0]));
        bool replaced = ((search || domain) && settings->dns_search) || (options && settings->dns_options);
        if (!server && !replaced && **line)
            g_string_append_printf(kept, "%s\n", *line);
    }
    return g_string_free(kept, FALSE);
}

static void add_line(GString *text, const char *keyword, char *const *words)
{
    if (!words || !*words)
        return;
    g_autofree char *joined = g_strjoinv(" ", (char **)words);
    g_string_append_printf(text, "%s %s\n", keyword, joined);
}

/* `address`: what to write for servers of the host's own, once; NULL: themselves. */
static char *compose(const char *kept, const GPtrArray *servers, const char *address,
                     const KilnRunSettings *settings)
{
    GString *text = g_string_new(kept);
    bool written = false;
    for (guint i = 0; i < servers->len; i++) {
        const char *server = servers->pdata[i];
        bool changed = address && is_local(server);
        if (!changed || !written)
            g_string_append_printf(text, "nameserver %s\n", changed ? address : server);
        written = written || changed;
    }
    add_line(text, "search", settings->dns_search);
    add_line(text, "options", settings->dns_options);
    return g_string_free(text, FALSE);
}

/* The one that the address stands for: of IPv4 if there is any, since not every host has both. */
static const char *first_local(const GPtrArray *servers)
{
    const char *found = NULL;
    for (guint i = 0; i < servers->len; i++) {
        const char *server = servers->pdata[i];
        if (is_local(server) && (!found || (strchr(found, ':') && !strchr(server, ':'))))
            found = server;
    }
    return found;
}

void kiln_resolv_make(const char *conf, const KilnRunSettings *settings, KilnResolv *out)
{
    g_autoptr(GPtrArray) servers = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *kept = keep_lines(conf, settings, servers);
    *out = (KilnResolv){0};
    if (settings->dns) {
        g_ptr_array_set_size(servers, 0);
        for (char **server = settings->dns; *server; server++)
            g_ptr_array_add(servers, g_strdup(*server));
    }
    out->host = compose(kept, servers, NULL, settings);
    if (servers->len == 0)
        g_ptr_array_add(servers, g_strdup("127.0.0.1"));
    const char *server = first_local(servers);
    if (!server)
        return;
    out->dns_server = g_strdup(strcmp(server, "0.0.0.0") == 0 ? "127.0.0.1" : server);
    out->dns_address = g_strdup(strchr(server, ':') ? ADDRESS_6 : ADDRESS_4);
    out->private = compose(kept, servers, out->dns_address, settings);
}

void kiln_resolv_clear(KilnResolv *r)
{
    g_clear_pointer(&r->host, g_free);
    g_clear_pointer(&r->private, g_free);
    g_clear_pointer(&r->dns_server, g_free);
    g_clear_pointer(&r->dns_address, g_free);
}
