/* The environment of kiln-remote: the user's, but of his SSH agents and of the logins of git only what he gave to
 * the build, since what is fetched is named by Dockerfiles that strangers may have written. Private to src/front. */
#pragma once

#include <glib.h>

/* With the agent of that socket (NULL: none). With `secrets` (the request's, see kiln.h; NULL: none) also those
 * that are logins of git, as KILN_GIT_AUTH_TOKEN, KILN_GIT_AUTH_HEADER and either of them with ".HOST" (see
 * remote/git-auth.h). NULL with *problem, g_free(), if one of them cannot be read or is no such thing. */
char **kiln_remote_env_new(const char *agent, const GPtrArray *secrets, char **problem);
/* Wipes it first. */
void kiln_remote_env_free(char **env);
