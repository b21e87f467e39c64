/* WWW-Authenticate headers (RFC 9110, section 11.6.1). */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    char *scheme;           /* in lower case: "bearer", "basic" */
    GHashTable *parameters; /* name in lower case → value, unquoted */
} RemoteChallenge;

void remote_challenge_free(RemoteChallenge *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteChallenge, remote_challenge_free)

/* The challenges of one header's value, in order; one header may hold several. Never fails: what
 * cannot be understood is left out. Free with g_ptr_array_unref(). */
GPtrArray *remote_challenges_parse(const char *value);

/* The challenge to answer: Bearer before Basic, NULL if there is neither. Borrowed. */
const RemoteChallenge *remote_challenges_pick(const GPtrArray *challenges);

const char *remote_challenge_get(const RemoteChallenge *c,
                                 const char *name); /* NULL if not there */
