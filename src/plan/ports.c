#include "plan/ports.h"

#include <arpa/inet.h>
#include <string.h>

static bool parse_number(const char *text, gsize length, guint *port)
{
    g_autofree char *number = g_strndup(text, length);
    guint64 value;
    if (*number == '+' && g_ascii_isdigit(number[1])) /* strconv.ParseInt() takes it */
        *number = '0';
    if (!g_ascii_string_to_unsigned(number, 10, 0, 65535, &value, NULL))
        return false;
    *port = (guint)value;
    return true;
}

/* "80" or "80-90". */
static bool parse_range(const char *text, guint *first, guint *last)
{
    const char *dash = strchr(text, '-');
    if (!dash)
        return parse_number(text, strlen(text), first) && (*last = *first, true);
    return parse_number(text, (gsize)(dash - text), first) &&
           parse_number(dash + 1, strlen(dash + 1), last) && *first <= *last;
}

static bool valid_address(const char *text)
{
    gsize length = strlen(text);
    if (length == 0)
        return true;
    g_autofree char *bare = text[0] == '[' && text[length - 1] == ']'
                                ? g_strndup(text + 1, length - 2)
                                : g_strdup(text);
    guchar address[16];
    return inet_pton(AF_INET, bare, address) == 1 || inet_pton(AF_INET6, bare, address) == 1;
}

/* Cuts "ADDRESS:HOST:CONTAINER" from the right: an address may hold colons itself. */
static void split(char *text, const char **address, const char **host, char **container)
{
    *address = *host = "";
    *container = text;
    char *colon = strrchr(text, ':');
    if (!colon)
        return;
    *colon = '\0';
    *container = colon + 1;
    *host = text;
    colon = strrchr(text, ':');
    if (!colon)
        return;
    *colon = '\0';
    *host = colon + 1;
    *address = text;
}

static const char *protocol_of(const char *written)
{
    static const char *const known[] = {"tcp", "udp", "sctp"};
    if (!*written)
        return known[0];
    for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
        if (g_ascii_strcasecmp(written, known[i]) == 0)
            return known[i];
    }
    return NULL;
}

bool kiln_ports_expand(const KilnSite *site, const char *text, const KilnPlace *place,
                       GPtrArray *ports, GError **error)
{
    g_autofree char *copy = g_strdup(text);
    const char *address, *host, *written = "";
    char *container;
    split(copy, &address, &host, &container);
    char *slash = strchr(container, '/');
    if (slash) {
        *slash = '\0';
        written = slash + 1;
    }
    const char *protocol = protocol_of(written);
    if (!protocol)
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                              "EXPOSE %s: unknown protocol \"%s\" (tcp, udp or sctp)", text,
                              written);
    if (*written && strcmp(written, protocol) != 0)
        kiln_site_warn(site, "ExposeProtoCasing",
                       "Defined protocol '%s' in EXPOSE instruction should be lowercase", text);

    guint first = 0, last = 0, host_first = 0, host_last = 0;
    if (!parse_range(container, &first, &last))
        return kiln_site_fail(
            site, error, KILN_PLAN_ERROR_ARGUMENT, place,
            "EXPOSE %s: invalid port \"%s\" (a number from 0 to 65535, or a range "
            "such as 8000-8010)",
            text, container);
    if (*address || *host) {
        kiln_site_warn(site, "ExposeInvalidFormat",
                       "EXPOSE instruction should not define an IP address or host-port mapping, "
                       "found '%s'",
                       text);
        if (!valid_address(address))
            return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                                  "EXPOSE %s: invalid IP address \"%s\"", text, address);
        if (*host && (!parse_range(host, &host_first, &host_last) ||
                      (first != last && host_last - host_first != last - first)))
            return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                                  "EXPOSE %s: invalid host port \"%s\"", text, host);
    }
    for (guint port = first; port <= last; port++)
        g_ptr_array_add(ports, g_strdup_printf("%u/%s", port, protocol));
    return true;
}
