/* Running the git program on what strangers serve: nothing of the user's or the system's configuration, no
 * prompts, no hooks, no protocols but https, http, ssh and git, for submodules neither. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "remote/events.h"

typedef struct {
    const char *url;     /* as messages show it */
    const char *remote;  /* as it was given: a login is sent there alone (remote/git-auth.h) */
    const char *folder;  /* the working directory; with .git in it, or "/" */
    RemoteEvents *events; /* progress in bytes received */
    gint *cancelled;
} RemoteGit;

/* How a command that failed did so, as far as its words tell. */
typedef enum {
    REMOTE_GIT_OTHER,
    REMOTE_GIT_SHALLOW,   /* the server cannot serve a part of the history */
    REMOTE_GIT_NOT_OURS,  /* the server does not give out a commit that no ref names */
    REMOTE_GIT_NO_REF,    /* the ref is not there */
} RemoteGitFailure;

/* Runs `git ARGUMENTS…` (NULL ends them) to its end. `*output` (may be NULL) is what it printed, g_free();
 * `*failure` (may be NULL) is set when it fails. Errors: AUTH, NOT_FOUND, NETWORK with git's own words, IO if
 * there is no git. */
bool remote_git_command(const RemoteGit *g, const char *const *arguments, char **output,
                        RemoteGitFailure *failure, GError **error);
