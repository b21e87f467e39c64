/* Tokens for registries: Docker's token authentication (distribution's spec/auth/token and
 * spec/auth/oauth). */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "remote/auth.h"
#include "remote/challenge.h"
#include "remote/http.h"

#define REMOTE_TOKEN_ANSWER_MAX (1024 * 1024) /* bytes */

/* Answers a challenge: the value for an Authorization header, "Bearer …" or "Basic …".
 *
 * A Bearer challenge asks its realm for a token of `scope` ("repository:library/alpine:pull") and
 * of the scope that the challenge names: with a password by GET and Basic, with an identity token
 * by POST as an OAuth2 refresh, without credentials by a bare GET. A Basic challenge needs a
 * password. Errors: REMOTE_ERROR_AUTH if credentials are missing or refused, FORMAT, or the
 * network's. `registry` names it in messages; `plain` as in RemoteHttpRequest. g_free(). */
char *remote_token_answer(RemoteHttp *http, const RemoteChallenge *challenge,
                          const RemoteCredentials *credentials, const char *registry,
                          const char *scope, bool plain, GError **error);

/* The Bearer header value in a token server's answer, {"token":…} or {"access_token":…}. g_free().
 */
char *remote_token_parse(const char *json, gsize size, const char *realm, GError **error);
