#include "remote/challenge.h"

#include <string.h>

#define LENGTH_MAX 8192

void remote_challenge_free(RemoteChallenge *c)
{
    g_free(c->scheme);
    g_hash_table_unref(c->parameters);
    g_free(c);
}

const char *remote_challenge_get(const RemoteChallenge *c, const char *name)
{
    return g_hash_table_lookup(c->parameters, name);
}

static bool is_token_char(char c)
{
    return g_ascii_isalnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t");
}

/* A token, in lower case; NULL if there is none at `*p`. */
static char *read_token(const char **p)
{
    const char *start = *p;
    while (is_token_char(**p)) {
        (*p)++;
    }
    return *p > start ? g_ascii_strdown(start, *p - start) : NULL;
}

/* A quoted string or a token as it is. An unclosed quotation ends with the header. */
static char *read_value(const char **p)
{
    GString *value = g_string_new(NULL);
    if (**p != '"') {
        while (is_token_char(**p) || **p == '/' || **p == ':') { /* unquoted URLs do occur */
            g_string_append_c(value, *(*p)++);
        }
        return g_string_free(value, FALSE);
    }
    for ((*p)++; **p && **p != '"'; (*p)++) {
        if (**p == '\\' && (*p)[1]) {
            (*p)++;
        }
        g_string_append_c(value, **p);
    }
    if (**p == '"') {
        (*p)++;
    }
    return g_string_free(value, FALSE);
}

/* Reads `name = value` pairs until something else comes: the next challenge, or the end. */
static void read_parameters(const char **p, GHashTable *parameters)
{
    for (;;) {
        const char *q = *p + strspn(*p, " \t,");
        g_autofree char *name = read_token(&q);
        q = skip_blanks(q);
        if (!name || *q != '=') {
            return; /* `*p` still stands before it */
        }
        q = skip_blanks(q + 1);
        char *value = read_value(&q);
        if (g_hash_table_contains(parameters, name)) { /* the first counts */
            g_free(value);
        } else {
            g_hash_table_insert(parameters, g_steal_pointer(&name), value);
        }
        *p = q + strspn(q, "="); /* the padding of a token68 */
    }
}

GPtrArray *remote_challenges_parse(const char *value)
{
    GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)remote_challenge_free);
    if (strlen(value) > LENGTH_MAX) {
        return all;
    }
    const char *p = value;
    for (;;) {
        p += strspn(p, " \t,");
        char *scheme = read_token(&p);
        if (!scheme) {
            return all;
        }
        RemoteChallenge *c = g_new0(RemoteChallenge, 1);
        c->scheme = scheme;
        c->parameters = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_ptr_array_add(all, c);
        read_parameters(&p, c->parameters);
        if (*p != '\0' && *p != ',' && *p != ' ' && *p != '\t') {
            p += strcspn(p, ","); /* something unknown: on to the next */
        }
    }
}

const RemoteChallenge *remote_challenges_pick(const GPtrArray *challenges)
{
    static const char *const order[] = {"bearer", "basic"};
    for (gsize o = 0; o < G_N_ELEMENTS(order); o++) {
        for (guint i = 0; i < challenges->len; i++) {
            const RemoteChallenge *c = challenges->pdata[i];
            if (strcmp(c->scheme, order[o]) == 0) {
                return c;
            }
        }
    }
    return NULL;
}
