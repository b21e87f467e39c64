/* The network of RUNs: --network, --add-host, --dns, --dns-search and --dns-option. */
#include "cli/build.h"

#include <arpa/inet.h>
#include <string.h>

static bool add_network(KilnRequest *r, const char *network, GError **error)
{
    static const char *const known[] = {"default", "private", "host", "none", NULL};
    if (!g_strv_contains(known, network)) {
        return kiln_usage_error(
            error, "--network %s: unknown network (default, private, host, none)", network);
    }
    kiln_request_set(r, "network", network);
    if (strcmp(network, "host") == 0) { /* as buildx: who says so has allowed it */
        kiln_request_add(r, "allow", "network.host");
    }
    return true;
}

static bool is_address(const char *text)
{
    struct in6_addr address;
    return inet_pton(AF_INET, text, &address) == 1 || inet_pton(AF_INET6, text, &address) == 1;
}

/* What stands on a line of its own file with others: one word, not the beginning of a comment. */
static bool is_word(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (g_ascii_isspace(*c) || g_ascii_iscntrl(*c) || strchr("#;", *c)) {
            return false;
        }
    }
    return *text != 0;
}

/* Docker's "host-gateway" is the address at which a container reaches its host, which no private
 * network of ours has. */
static bool add_gateway(KilnRequest *r, const char *text, const char *name, bool host_network,
                        GError **error)
{
    if (!host_network) {
        return kiln_usage_error(error,
                                "--add-host \"%s\": the network of a RUN has no way to this host; "
                                "with --network=host, host-gateway is 127.0.0.1",
                                text);
    }
    g_autofree char *whole = g_strconcat(name, "=127.0.0.1", NULL);
    kiln_request_add(r, "extra_hosts", whole);
    return true;
}

/* As buildx (build/utils.go): "NAME=IP", else "NAME:IP"; an IPv6 address may stand in brackets. */
static bool add_host(KilnRequest *r, const char *text, bool host_network, GError **error)
{
    const char *separator = strchr(text, '=');
    separator = separator ? separator : strchr(text, ':');
    if (!separator || separator == text || !separator[1]) {
        return kiln_usage_error(error, "--add-host \"%s\" is not NAME:IP or NAME=IP", text);
    }
    g_autofree char *name = g_strndup(text, (gsize)(separator - text));
    g_autofree char *ip = g_strdup(separator + 1);
    gsize length = strlen(ip);
    if (!is_word(name)) {
        return kiln_usage_error(error, "--add-host \"%s\": \"%s\" is no name of a host", text,
                                name);
    }
    if (strcmp(ip, "host-gateway") == 0) {
        return add_gateway(r, text, name, host_network, error);
    }
    if (length > 2 && ip[0] == '[' && ip[length - 1] == ']') {
        memmove(ip, ip + 1, length - 2);
        ip[length - 2] = 0;
    }
    if (!is_address(ip)) {
        return kiln_usage_error(error, "--add-host \"%s\": \"%s\" is no IP address", text, ip);
    }
    g_autofree char *whole = g_strconcat(name, "=", ip, NULL);
    kiln_request_add(r, "extra_hosts", whole);
    return true;
}

static bool add_words(KilnRequest *r, const char *key, const char *flag, const GPtrArray *list,
                      bool addresses, GError **error)
{
    for (guint i = 0; i < list->len; i++) {
        const char *text = g_ptr_array_index(list, i);
        if (addresses && !is_address(text)) {
            return kiln_usage_error(error, "--%s \"%s\" is no IP address", flag, text);
        }
        if (!is_word(text)) {
            return kiln_usage_error(error, "--%s \"%s\" is not one word", flag, text);
        }
        kiln_request_add(r, key, text);
    }
    return true;
}

bool kiln_build_add_network(KilnRequest *r, const KilnBuildFlags *f, GError **error)
{
    bool host = g_strcmp0(f->network, "host") == 0;
    if (f->network && !add_network(r, f->network, error)) {
        return false;
    }
    for (guint i = 0; i < f->hosts->len; i++) {
        if (!add_host(r, g_ptr_array_index(f->hosts, i), host, error)) {
            return false;
        }
    }
    return add_words(r, "dns", "dns", f->dns, true, error) &&
           add_words(r, "dns_search", "dns-search", f->dns_search, false, error) &&
           add_words(r, "dns_options", "dns-option", f->dns_options, false, error);
}
