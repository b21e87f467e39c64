/* Logins to git repositories by https: of the environment, where the front puts the secrets that are meant for
 * them and nobody else's. As BuildKit's source/git/source.go: KILN_GIT_AUTH_TOKEN is a token, KILN_GIT_AUTH_HEADER
 * what follows "Authorization:"; with ".HOST" (and its port, if the URL has one) for that host alone, and before
 * those without. */
#pragma once

#include <glib.h>

/* Appends to `env` (of char*) the configuration by which git sends the login that is there for the URL, if one is:
 * for this repository alone (on github.com: for all), never to where it is redirected, never over plain http. As
 * variables, since anybody can read arguments.
 *
 * A login in the URL itself is sent to its host alone; git is to be given the URL without it
 * (remote_url_without_login()), and so keeps it nowhere, not for submodules either. */
void remote_git_auth_add(GPtrArray *env, const char *url);
