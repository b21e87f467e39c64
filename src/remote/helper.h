/* Credential helpers: programs named docker-credential-NAME that keep secrets elsewhere. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Runs `docker-credential-NAME get` from PATH with `server` on its standard input, and reads its
 * answer,
 * {"Username":…,"Secret":…}, from its standard output; its standard error is ours. The user name is
 * "<token>" where the secret is an identity token.
 *
 * False without an error means that the helper knows no credentials for the server. False with one
 * (REMOTE_ERROR_AUTH) that it could not be run, failed, answered nonsense or did not answer within
 * two minutes. Source: docker-credential-helpers, README.md ("Development"). */
bool remote_helper_get(const char *name, const char *server, char **username, char **secret,
                       GError **error);
