#include "remote/auth.h"

#include <string.h>

#include "remote/error.h"
#include "remote/helper.h"
#include "remote/json.h"

#define HUB_KEY "https://index.docker.io/v1/"

/* Under what keys Docker Hub's credentials are found: docker's own first, then what other tools
 * write. */
static const char *const hub_keys[] = {HUB_KEY, "index.docker.io", "docker.io",
                                       "registry-1.docker.io", NULL};

static void wipe(char *secret)
{
    if (secret) {
        explicit_bzero(secret, strlen(secret));
    }
    g_free(secret);
}

void remote_credentials_free(RemoteCredentials *c)
{
    g_free(c->username);
    wipe(c->password);
    wipe(c->identity_token);
    wipe(c->registry_token);
    g_free(c->source);
    g_free(c->problem);
    g_free(c);
}

bool remote_credentials_exist(const RemoteCredentials *c)
{
    return c->password || c->identity_token || c->registry_token;
}

char *remote_credentials_basic(const RemoteCredentials *c)
{
    g_autofree char *plain = g_strconcat(c->username, ":", c->password, NULL);
    g_autofree char *encoded = g_base64_encode((const guchar *)plain, strlen(plain));
    return g_strconcat("Basic ", encoded, NULL);
}

char *remote_credentials_file(void)
{
    const char *folder = g_getenv("DOCKER_CONFIG");
    if (folder && *folder) {
        return g_build_filename(folder, "config.json", NULL);
    }
    return g_build_filename(g_get_home_dir(), ".docker", "config.json", NULL);
}

/* The host of a key of "auths", which may be a URL: "https://quay.io/v2/" is quay.io. */
static char *key_host(const char *key)
{
    const char *start = strstr(key, "://");
    start = start ? start + strlen("://") : key;
    return g_strndup(start, strcspn(start, "/"));
}

/* The entry of a map keyed by registry: by the exact key, else by the key's host. */
static json_object *lookup(json_object *map, const char *domain)
{
    json_object *value = NULL;
    if (!map) {
        return NULL;
    }
    const char *own[] = {domain, NULL};
    const char *const *keys = strcmp(domain, "docker.io") == 0 ? hub_keys : own;
    for (gsize i = 0; keys[i]; i++) {
        if (json_object_object_get_ex(map, keys[i], &value)) {
            return value;
        }
    }
    for (gsize i = 0; keys[i]; i++) {
        json_object_object_foreach(map, key, entry)
        {
            g_autofree char *host = key_host(key);
            if (strcmp(host, keys[i]) == 0) {
                return entry;
            }
        }
    }
    return NULL;
}

static void take(char **field, const char *value)
{
    if (value && *value) {
        wipe(*field);
        *field = g_strdup(value);
    }
}

/* "auth" is base64 of "user:password"; passwords may hold colons, and old versions added NULs. */
static bool take_basic(RemoteCredentials *c, const char *auth)
{
    gsize size = 0;
    g_autofree guchar *decoded = g_base64_decode(auth, &size);
    g_autofree char *plain = g_strndup((const char *)decoded, size);
    char *colon = strchr(plain, ':');
    bool valid = colon && colon != plain;
    if (valid) {
        *colon = '\0';
        take(&c->username, plain);
        take(&c->password, colon + 1);
    }
    explicit_bzero(plain, size);
    explicit_bzero(decoded, size);
    return valid;
}

static void from_auths(RemoteCredentials *c, json_object *auths, const char *domain,
                       const char *file)
{
    json_object *entry = lookup(auths, domain);
    if (!json_object_is_type(entry, json_type_object)) {
        return;
    }
    const char *auth = remote_json_string(entry, "auth");
    if (auth && *auth) {
        if (!take_basic(c, auth)) {
            g_free(c->problem);
            c->problem =
                g_strdup_printf("the entry for %s in %s holds no 'user:password'", domain, file);
        }
    } else {
        take(&c->username, remote_json_string(entry, "username"));
        take(&c->password, remote_json_string(entry, "password"));
    }
    take(&c->identity_token, remote_json_string(entry, "identitytoken"));
    take(&c->registry_token, remote_json_string(entry, "registrytoken"));
    if (!c->username || !c->password) { /* half a pair is none */
        g_clear_pointer(&c->password, wipe);
        if (!c->identity_token) {
            g_clear_pointer(&c->username, g_free);
        }
    }
    if (remote_credentials_exist(c)) {
        c->source = g_strdup(file);
    }
}

static void from_helper(RemoteCredentials *c, const char *helper, const char *domain)
{
    const char *server = strcmp(domain, "docker.io") == 0 ? HUB_KEY : domain;
    g_autoptr(GError) error = NULL;
    g_autofree char *username = NULL;
    char *secret = NULL;
    if (!remote_helper_get(helper, server, &username, &secret, &error)) {
        g_free(c->problem);
        c->problem = error ? g_strdup(error->message) : NULL;
        return;
    }
    if (g_strcmp0(username, "<token>") == 0) {
        c->identity_token = secret;
    } else {
        c->username = g_steal_pointer(&username);
        c->password = secret;
    }
    c->source = g_strdup_printf("docker-credential-%s", helper);
}

RemoteCredentials *remote_credentials_find(const char *config_file, const char *domain)
{
    RemoteCredentials *c = g_new0(RemoteCredentials, 1);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize size = 0;
    if (!g_file_get_contents(config_file, &text, &size, &error)) {
        if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT) &&
            !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR)) {
            c->problem = g_strdup(error->message);
        }
        return c;
    }
    g_autoptr(json_object) root = remote_json_parse(text, size, config_file, &error);
    explicit_bzero(text, size);
    if (!root) {
        c->problem = g_strdup(error->message);
        return c;
    }
    json_object *own_helper = lookup(remote_json_object(root, "credHelpers"), domain);
    const char *helper = json_object_is_type(own_helper, json_type_string)
                             ? json_object_get_string(own_helper)
                             : remote_json_string(root, "credsStore");
    if (helper && *helper) {
        from_helper(c, helper, domain);
    }
    if (!remote_credentials_exist(c)) {
        from_auths(c, remote_json_object(root, "auths"), domain, config_file);
    }
    return c;
}
