#include "remote/git-reference.h"

#include <string.h>

G_DEFINE_QUARK(kiln-git-error-quark, kiln_git_error)

#define LENGTH_MAX 8192

void kiln_git_reference_free(KilnGitReference *r)
{
    g_free(r->remote);
    g_free(r->ref);
    g_free(r->subdir);
    g_free(r->checksum);
    g_free(r);
}

/* --- What is what ------------------------------------------------------------------------------- */

bool kiln_git_is_checksum(const char *text)
{
    return *text && text[strspn(text, "0123456789abcdefABCDEF")] == '\0';
}

bool kiln_git_is_commit(const char *text)
{
    gsize length = strlen(text);
    return (length == 40 || length == 64) && text[strspn(text, "0123456789abcdef")] == '\0';
}

bool kiln_git_is_ref(const char *text)
{
    gsize length = strlen(text);
    if (length == 0 || length > 1024 || strchr("-/+", *text) || text[length - 1] == '/' ||
        text[length - 1] == '.' || strstr(text, "..") || strstr(text, "@{") || strstr(text, "//") ||
        strcmp(text, "@") == 0) {
        return false;
    }
    for (const guchar *p = (const guchar *)text; *p; p++) {
        if (*p <= ' ' || *p == 0x7f || strchr("~^:?*[\\", *p)) {
            return false;
        }
    }
    return g_utf8_validate(text, -1, NULL);
}

/* Text that no terminal, log or configuration file misreads. */
static bool is_plain(const char *text)
{
    for (const guchar *p = (const guchar *)text; *p; p++) {
        if (*p < ' ' || *p == 0x7f) {
            return false;
        }
    }
    return strlen(text) <= LENGTH_MAX && g_utf8_validate(text, -1, NULL);
}

/* --- Splitting ---------------------------------------------------------------------------------- */

typedef struct {
    char *remote;
    char *path; /* of the remote, decoded */
    char *query, *fragment;
} Parts;

static void parts_clear(Parts *p)
{
    g_free(p->remote);
    g_free(p->path);
    g_free(p->query);
    g_free(p->fragment);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Parts, parts_clear)

static bool fail(GError **error, const char *text, const char *what)
{
    g_autofree char *shown = g_utf8_make_valid(text, -1);
    g_set_error(error, KILN_GIT_ERROR, 0, "\"%s\": %s", shown, what);
    return false;
}

/* Takes "?query" and "#fragment" off. */
static void cut(const char *text, Parts *p)
{
    gsize end = strcspn(text, "#");
    p->fragment = text[end] ? g_strdup(text + end + 1) : NULL;
    g_autofree char *head = g_strndup(text, end);
    end = strcspn(head, "?");
    p->query = head[end] ? g_strdup(head + end + 1) : NULL;
    p->remote = g_strndup(head, end);
}

/* "user@host:path": the classes are those of BuildKit's util/sshutil/scpurl.go. */
static bool is_scp_style(const char *text)
{
#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    gsize user = strspn(text, ALNUM "-_");
    if (user == 0 || text[user] != '@') {
        return false;
    }
    const char *host = text + user + 1;
    gsize length = strspn(host, ALNUM "-.");
    return length > 0 && host[length] == ':';
}

/* The length of "scheme" if "scheme://" begins the text, else 0. */
static gsize scheme_length(const char *text)
{
    gsize n = strspn(text, ALNUM);
    return n > 0 && g_str_has_prefix(text + n, "://") ? n : 0;
}

/* Whether an authority and a path are there that cannot be an option of ssh. */
static bool is_authority(const char *text)
{
    gsize length = strcspn(text, "/");
    g_autofree char *authority = g_strndup(text, length);
    const char *at = strrchr(authority, '@');
    const char *host = at ? at + 1 : authority;
    return *host && *host != '-' && *host != ':' && *authority != '-';
}

/* What kind of repository the text names; the parts are filled if it is one. */
static bool split(const char *text, bool shorthand, Parts *p)
{
    static const char *const schemes[] = {"https", "http", "ssh", "git"};
    gsize n = scheme_length(text);
    if (n == 0 && shorthand && g_str_has_prefix(text, "github.com/")) {
        g_autofree char *whole = g_strconcat("https://", text, NULL);
        cut(whole, p);
        return true;
    }
    if (n == 0) {
        cut(text, p);
        return is_scp_style(p->remote);
    }
    g_autofree char *scheme = g_ascii_strdown(text, (gssize)n);
    for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++) {
        if (strcmp(scheme, schemes[i]) != 0) {
            continue;
        }
        g_autofree char *lower = g_strconcat(scheme, text + n, NULL);
        cut(lower, p);
        const char *path = strchr(p->remote + n + strlen("://"), '/');
        p->path = g_uri_unescape_string(path ? path : "", NULL);
        return i >= 2 || (p->path && g_str_has_suffix(p->path, ".git"));
    }
    return false;
}

/* --- What is wanted of it ------------------------------------------------------------------------- */

static bool set_once(char **field, const char *value, const char *what, const char *text,
                     GError **error)
{
    if (*field && strcmp(*field, value) != 0) {
        g_autofree char *message =
            g_strdup_printf("its %s is said twice: \"%s\" and \"%s\"", what, *field, value);
        return fail(error, text, message);
    }
    g_free(*field);
    *field = g_strdup(value);
    return true;
}

/* The spellings of Go's strconv.ParseBool; a switch without value is on. */
static bool parse_switch(const char *value, bool *out)
{
    static const char *const spellings[][6] = {
        {"0", "f", "F", "false", "FALSE", "False"},
        {"1", "t", "T", "true", "TRUE", "True"},
    };
    if (!*value) {
        *out = true;
        return true;
    }
    for (gsize i = 0; i < 12; i++) {
        if (strcmp(value, spellings[i / 6][i % 6]) == 0) {
            *out = i / 6 == 1;
            return true;
        }
    }
    return false;
}

/* Cleans "a/./b/../c" to "a/c"; ".." does not lead out. NULL for the whole. g_free(). */
static char *clean_subdir(const char *subdir)
{
    g_auto(GStrv) parts = g_strsplit(subdir, "/", -1);
    g_autoptr(GPtrArray) kept = g_ptr_array_new();
    for (char **part = parts; *part; part++) {
        if (strcmp(*part, "..") == 0 && kept->len > 0) {
            g_ptr_array_set_size(kept, (int)kept->len - 1);
        } else if (**part && strcmp(*part, ".") != 0 && strcmp(*part, "..") != 0) {
            g_ptr_array_add(kept, *part);
        }
    }
    if (kept->len == 0) {
        return NULL;
    }
    g_ptr_array_add(kept, NULL);
    return g_strjoinv("/", (char **)kept->pdata);
}

typedef struct {
    KilnGitReference *reference;
    const char *text;
    char *tag, *branch;
    GHashTable *seen;
} Query;

static bool take_switch(Query *q, const char *key, const char *value, GError **error)
{
    KilnGitReference *r = q->reference;
    bool on;
    if (!parse_switch(value, &on)) {
        g_autofree char *message = g_strdup_printf("\"%s\" is no value for %s (true or false)", value, key);
        return fail(error, q->text, message);
    }
    if (strcmp(key, "keep-git-dir") == 0) {
        r->keep_git_dir = on ? KILN_GIT_YES : KILN_GIT_NO;
    } else if (strcmp(key, "submodules") == 0) {
        r->submodules = on ? KILN_GIT_YES : KILN_GIT_NO;
    } else {
        r->fetch_by_commit = on;
    }
    return true;
}

static bool is_one_of(const char *key, const char *const *names)
{
    return g_strv_contains(names, key);
}

static bool take_pair(Query *q, const char *key, const char *value, GError **error)
{
    static const char *const switches[] = {"keep-git-dir", "submodules", "fetch-by-commit", NULL};
    static const char *const valued[] = {"ref",      "tag",    "branch", "subdir",
                                         "checksum", "commit", "mtime",  NULL};
    KilnGitReference *r = q->reference;
    g_autofree char *message = NULL;
    if (!is_one_of(key, switches) && !is_one_of(key, valued)) {
        message = g_strdup_printf("unexpected query \"%s\"", key);
    } else if (!g_hash_table_add(q->seen, g_strdup(key))) {
        message = g_strdup_printf("query \"%s\" has several values", key);
    } else if (is_one_of(key, valued) && !*value) {
        message = g_strdup_printf("query \"%s\" has no value", key);
    } else if (strcmp(key, "mtime") == 0 && strcmp(value, "commit") != 0 && strcmp(value, "checkout") != 0) {
        message = g_strdup_printf("\"%s\" is no value for mtime (checkout or commit)", value);
    }
    if (message) {
        return fail(error, q->text, message);
    }
    if (is_one_of(key, switches)) {
        return take_switch(q, key, value, error);
    }
    if (strcmp(key, "ref") == 0) {
        return set_once(&r->ref, value, "ref", q->text, error);
    }
    if (strcmp(key, "subdir") == 0) {
        return set_once(&r->subdir, value, "subdir", q->text, error);
    }
    if (strcmp(key, "checksum") == 0 || strcmp(key, "commit") == 0) {
        return set_once(&r->checksum, value, "checksum", q->text, error);
    }
    if (strcmp(key, "mtime") == 0) {
        r->mtime_commit = strcmp(value, "commit") == 0;
        return true;
    }
    return set_once(strcmp(key, "tag") == 0 ? &q->tag : &q->branch, value, key, q->text, error);
}

/* A tag or branch is a ref under its prefix. */
static bool take_named(Query *q, const char *prefix, const char *name, GError **error)
{
    if (!name) {
        return true;
    }
    g_autofree char *whole =
        g_str_has_prefix(name, prefix) ? g_strdup(name) : g_strconcat(prefix, name, NULL);
    return set_once(&q->reference->ref, whole, "ref", q->text, error);
}

static char *decode(const char *text, gssize length)
{
    g_autofree char *raw = length < 0 ? g_strdup(text) : g_strndup(text, (gsize)length);
    g_strdelimit(raw, "+", ' ');
    return g_uri_unescape_string(raw, NULL);
}

static bool take_query(KilnGitReference *r, const char *text, const char *query, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Query q = {.reference = r, .text = text, .seen = seen};
    g_auto(GStrv) pairs = g_strsplit(query, "&", -1);
    bool ok = true;
    for (char **pair = pairs; *pair && ok; pair++) {
        if (!**pair) {
            continue;
        }
        const char *equals = strchr(*pair, '=');
        g_autofree char *key = decode(*pair, equals ? equals - *pair : -1);
        g_autofree char *value = equals ? decode(equals + 1, -1) : g_strdup("");
        if (!key || !value || !is_plain(key) || !is_plain(value)) {
            ok = fail(error, text, "its query is not valid text");
        } else {
            ok = take_pair(&q, key, value, error);
        }
    }
    if (ok && q.tag && q.branch) {
        ok = fail(error, text, "a branch and a tag are asked for at once");
    }
    ok = ok && take_named(&q, "refs/tags/", q.tag, error) &&
         take_named(&q, "refs/heads/", q.branch, error);
    g_free(q.tag);
    g_free(q.branch);
    return ok;
}

static bool take_fragment(KilnGitReference *r, const char *text, const char *fragment, GError **error)
{
    g_autofree char *plain = g_uri_unescape_string(fragment, NULL);
    if (!plain || !is_plain(plain)) {
        return fail(error, text, "what stands behind # is not valid text");
    }
    char *colon = strchr(plain, ':');
    if (colon) {
        *colon = '\0';
        r->subdir = *(colon + 1) ? g_strdup(colon + 1) : NULL;
    }
    r->ref = *plain ? g_strdup(plain) : NULL;
    return true;
}

static bool check(const KilnGitReference *r, const char *text, GError **error)
{
    gsize n = scheme_length(r->remote);
    const char *at = strchr(r->remote, '@');
    if (!is_plain(r->remote) || strchr(r->remote, ' ') ||
        !(n ? is_authority(r->remote + n + strlen("://")) : at && at[1] != '-' && *r->remote != '-')) {
        return fail(error, text, "no repository can be there: its host is missing or malformed");
    }
    if (r->ref && !kiln_git_is_ref(r->ref)) {
        g_autofree char *message = g_strdup_printf("\"%s\" cannot be a git ref", r->ref);
        return fail(error, text, message);
    }
    if (r->checksum && !kiln_git_is_checksum(r->checksum)) {
        g_autofree char *message = g_strdup_printf(
            "the checksum \"%s\" is no commit: hexadecimal digits are expected", r->checksum);
        return fail(error, text, message);
    }
    return true;
}

KilnGitReference *kiln_git_reference_parse(const char *text, bool shorthand, GError **error)
{
    g_auto(Parts) p = {0};
    if (g_str_has_prefix(text, "./") || g_str_has_prefix(text, "../") ||
        !split(text, shorthand, &p)) {
        return NULL;
    }
    g_autoptr(KilnGitReference) r = g_new0(KilnGitReference, 1);
    r->keep_git_dir = r->submodules = KILN_GIT_UNSAID;
    r->remote = g_steal_pointer(&p.remote);
    if ((p.fragment && !take_fragment(r, text, p.fragment, error)) ||
        (p.query && !take_query(r, text, p.query, error)) || !check(r, text, error)) {
        return NULL;
    }
    g_autofree char *subdir = g_steal_pointer(&r->subdir);
    r->subdir = subdir ? clean_subdir(subdir) : NULL;
    return g_steal_pointer(&r);
}
