#include "remote/reference.h"

#include <arpa/inet.h>
#include <string.h>

G_DEFINE_QUARK(kiln - reference - error - quark, kiln_reference_error)

/* The longest reference that can be right has a path of 255, a tag of 128 and a digest of 71
 * characters; a limit keeps the regular expressions below from being fed with megabytes. */
#define REFERENCE_MAX 1024
#define PATH_MAX_LENGTH 255

#define HOST_COMPONENT "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
#define DOMAIN_REGEX                                                                               \
    "^(?:" HOST_COMPONENT "(?:\\." HOST_COMPONENT ")*|\\[[a-fA-F0-9:]+\\])(?::([0-9]+))?\\z"
#define PATH_COMPONENT "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*"
#define PATH_REGEX "^" PATH_COMPONENT "(?:/" PATH_COMPONENT ")*\\z"
#define DIGEST_REGEX "^sha256:[0-9a-f]{64}\\z"
#define TAG_REGEX "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\\z"

void kiln_reference_free(KilnReference *r)
{
    g_free(r->domain);
    g_free(r->path);
    g_free(r->tag);
    g_free(r->digest);
    g_free(r);
}

static KilnReference *invalid(GError **error, const char *text, const char *why)
{
    g_autofree char *start = g_strndup(text, 160);
    g_autofree char *shown = g_strescape(start, NULL); /* it may hold anything */
    g_set_error(error, KILN_REFERENCE_ERROR, KILN_REFERENCE_ERROR_INVALID,
                "invalid image reference \"%s\": %s", shown, why);
    return NULL;
}

/* Which registry a name belongs to. `name` has no tag and no digest. */
static void split_domain(const char *name, char **domain, char **path)
{
    const char *slash = strchr(name, '/');
    g_autofree char *first = slash ? g_strndup(name, slash - name) : NULL;
    bool has_capital = false;
    for (const char *p = first; p && *p; p++) {
        has_capital = has_capital || g_ascii_isupper(*p);
    }
    /* A capital letter is never right in a repository name, so it can only be a host's. */
    if (first && (strcmp(first, "localhost") == 0 || strpbrk(first, ".:") || has_capital)) {
        *domain = g_strdup(first);
        *path = g_strdup(slash + 1);
    } else {
        *domain = g_strdup("docker.io");
        *path = g_strdup(name);
    }
    if (strcmp(*domain, "index.docker.io") == 0) {
        g_free(*domain);
        *domain = g_strdup("docker.io");
    }
    if (strcmp(*domain, "docker.io") == 0 && !strchr(*path, '/')) {
        char *official = g_strconcat("library/", *path, NULL);
        g_free(*path);
        *path = official;
    }
}

static bool domain_is_valid(const char *domain)
{
    g_autoptr(GRegex) regex = g_regex_new(DOMAIN_REGEX, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    if (!g_regex_match(regex, domain, 0, &match)) {
        return false;
    }
    g_autofree char *port = g_match_info_fetch(match, 1);
    guint64 number = 0;
    return !port || !*port || g_ascii_string_to_unsigned(port, 10, 1, 65535, &number, NULL);
}

KilnReference *kiln_reference_parse(const char *text, GError **error)
{
    if (*text == '\0') {
        return invalid(error, text, "it is empty");
    }
    if (strlen(text) > REFERENCE_MAX) {
        return invalid(error, text, "it is too long");
    }
    if (strstr(text, "://")) {
        return invalid(error, text, "write it without a scheme such as https://");
    }
    if (strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64) {
        return invalid(error, text, "64 hexadecimal digits are an image's id, not a name");
    }

    g_autoptr(KilnReference) r = g_new0(KilnReference, 1);
    g_autofree char *name = g_strdup(text);
    char *at = strchr(name, '@');
    if (at) {
        *at = '\0';
        if (!g_regex_match_simple(DIGEST_REGEX, at + 1, 0, 0)) {
            return invalid(error, text,
                           g_str_has_prefix(at + 1, "sha512:")
                               ? "SHA-256 is the only kind of digest that kiln verifies"
                               : "a digest is \"sha256:\" and 64 lower-case hexadecimal digits");
        }
        r->digest = g_strdup(at + 1);
    }
    /* A ":" before the last "/" belongs to a port. */
    char *slash = strrchr(name, '/');
    char *colon = strchr(slash ? slash : name, ':');
    if (colon) {
        *colon = '\0';
        if (!g_regex_match_simple(TAG_REGEX, colon + 1, 0, 0)) {
            return invalid(error, text,
                           "a tag is 1 to 128 of letters, digits, '_', '.' and '-', and does not "
                           "begin with '.' or '-'");
        }
        r->tag = g_strdup(colon + 1);
    } else if (!r->digest) {
        r->tag = g_strdup("latest");
    }

    split_domain(name, &r->domain, &r->path);
    if (!domain_is_valid(r->domain)) {
        return invalid(error, text, "its registry is not a host name with an optional port");
    }
    for (const char *p = r->path; *p; p++) {
        if (g_ascii_isupper(*p)) {
            return invalid(error, text, "a repository's name is written in lower case");
        }
    }
    if (strlen(r->path) > PATH_MAX_LENGTH) {
        return invalid(error, text, "a repository's name has at most 255 characters");
    }
    if (!g_regex_match_simple(PATH_REGEX, r->path, 0, 0)) {
        return invalid(error, text,
                       "a repository's name is made of letters and digits, with '.', '_', '__' or "
                       "'-' between them and '/' between its components");
    }
    return g_steal_pointer(&r);
}

char *kiln_reference_canonical(const KilnReference *r)
{
    return g_strconcat(r->domain, "/", r->path, r->tag ? ":" : "", r->tag ? r->tag : "",
                       r->digest ? "@" : "", r->digest ? r->digest : "", NULL);
}

const char *kiln_reference_api_host(const KilnReference *r)
{
    return strcmp(r->domain, "docker.io") == 0 ? "registry-1.docker.io" : r->domain;
}

bool kiln_host_is_loopback(const char *host)
{
    g_autofree char *name = NULL;
    if (*host == '[') {
        const char *end = strchr(host, ']');
        name = end ? g_strndup(host + 1, end - host - 1) : g_strdup("");
    } else {
        const char *colon = strchr(host, ':');
        bool port = colon && !strchr(colon + 1, ':');
        name = port ? g_strndup(host, colon - host) : g_strdup(host);
    }
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, name, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    if (inet_pton(AF_INET6, name, &v6) == 1) {
        return IN6_IS_ADDR_LOOPBACK(&v6);
    }
    return g_ascii_strcasecmp(name, "localhost") == 0;
}

/* Whether a path would, without the domain before it, be read as one that has a domain itself. */
static bool looks_like_domain(const char *path)
{
    gsize length = strcspn(path, "/");
    return path[length] == '/' &&
           (memchr(path, '.', length) || (length == 9 && strncmp(path, "localhost", 9) == 0));
}

char *kiln_reference_familiar(const KilnReference *r)
{
    GString *text = g_string_new(NULL);
    if (strcmp(r->domain, "docker.io") != 0 || looks_like_domain(r->path))
        g_string_append_printf(text, "%s/%s", r->domain, r->path);
    else if (g_str_has_prefix(r->path, "library/") && !strchr(r->path + strlen("library/"), '/'))
        g_string_append(text, r->path + strlen("library/"));
    else
        g_string_append(text, r->path);
    if (r->tag)
        g_string_append_printf(text, ":%s", r->tag);
    if (r->digest)
        g_string_append_printf(text, "@%s", r->digest);
    return g_string_free(text, FALSE);
}
