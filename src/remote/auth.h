/* The credentials that `docker login` keeps: $DOCKER_CONFIG/config.json (else
 * ~/.docker/config.json) and the credential helper programs that it names. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    char *username, *password; /* both or neither */
    char *identity_token;      /* an OAuth2 refresh token, in place of a password; or NULL */
    char *registry_token;      /* a bearer token for the registry itself; or NULL */
    char *source;              /* where they come from, for messages; NULL if there are none */
    char *problem;             /* why they could not be had though configured; or NULL */
} RemoteCredentials;

/* The credentials for a registry's domain ("docker.io", "localhost:5000"). Never NULL: without any,
 * all fields but `problem` are NULL. That a file is unreadable or a helper fails is no error here,
 * since most images need no credentials; it belongs in the message if the registry then denies
 * access.
 *
 * `config_file` is the path of a config.json; it need not exist. Looked at in this order:
 * credHelpers of the registry, credsStore, auths (base64 "auth", "username" and "password",
 * "identitytoken", "registrytoken"). Docker Hub's key is "https://index.docker.io/v1/". Sources:
 * docker/cli's config and credentials packages, docker-credential-helpers' protocol. */
RemoteCredentials *remote_credentials_find(const char *config_file, const char *domain);

/* The file that remote_credentials_find() is to look in. g_free(). */
char *remote_credentials_file(void);

bool remote_credentials_exist(const RemoteCredentials *c);
void remote_credentials_free(RemoteCredentials *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteCredentials, remote_credentials_free)

/* "Basic …", the value of an Authorization header. g_free(). */
char *remote_credentials_basic(const RemoteCredentials *c);
