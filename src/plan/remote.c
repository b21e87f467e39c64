/* ADD of URLs and git repositories: what of the sources is fetched, and how. Rules of BuildKit's
 * dockerfile2llb/convert_copy.go. */
#include <string.h>

#include "plan/plan-private.h"

void kiln_remote_source_free(KilnRemoteSource *r)
{
    if (!r)
        return;
    g_clear_pointer(&r->git, kiln_git_reference_free);
    g_free(r->name);
    g_free(r->checksum);
    g_free(r);
}

/* --- URLs ----------------------------------------------------------------------------------------- */

/* What BuildKit calls a file whose URL has no name for it. */
#define UNNAMED "__unnamed__"

/* The last component of the URL's path, decoded: Go's path.Base(). NULL if there is none. g_free(). */
static char *url_name(const char *path)
{
    gsize end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    const char *slash = memrchr(path, '/', end);
    gsize start = slash ? (gsize)(slash - path) + 1 : 0;
    char *name = g_strndup(path + start, end - start);
    if (*name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strlen(name) <= 255)
        return name;
    g_free(name);
    return NULL;
}

static bool is_plain(const char *text)
{
    for (const guchar *p = (const guchar *)text; *p; p++) {
        if (*p < ' ' || *p == 0x7f)
            return false;
    }
    return g_utf8_validate(text, -1, NULL);
}

static bool take_url(const KilnSite *site, const char *source, const KilnPlace *place,
                     KilnRemoteSource *r, GError **error)
{
    g_autofree char *host = NULL, *path = NULL;
    if (!is_plain(source) || strchr(source, ' ') ||
        !g_uri_split(source, G_URI_FLAGS_NONE, NULL, NULL, &host, NULL, &path, NULL, NULL,
                     NULL) ||
        !host || !*host)
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place, "\"%s\" is not a valid URL",
                              source);
    r->name = url_name(path);
    if (r->name && !is_plain(r->name))
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                              "\"%s\": a file cannot be called what this URL ends in", source);
    return true;
}

bool kiln_remote_source_name(const KilnSite *site, KilnRemoteSource *r, const char *source,
                             const char *dest, const KilnPlace *place, GError **error)
{
    if (r->git || r->name)
        return true;
    if (g_str_has_suffix(dest, "/"))
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                              "the URL \"%s\" has no file name in it to call a file in %s; name the "
                              "file in the destination",
                              source, dest);
    r->name = g_strdup(UNNAMED);
    return true;
}

/* --- Flags ---------------------------------------------------------------------------------------- */

static bool valid_checksum(const char *text)
{
    static const struct {
        const char *prefix;
        gsize digits;
    } algorithms[] = {{"sha256:", 64}, {"sha384:", 96}, {"sha512:", 128}};
    for (gsize i = 0; i < G_N_ELEMENTS(algorithms); i++) {
        gsize n = strlen(algorithms[i].prefix);
        if (g_str_has_prefix(text, algorithms[i].prefix))
            return strlen(text + n) == algorithms[i].digits &&
                   strspn(text + n, "0123456789abcdef") == algorithms[i].digits;
    }
    return false;
}

static bool take_checksum(const KilnSite *site, KilnRemoteSource *r, const char *checksum, GError **error)
{
    const KilnPlace *place = kiln_site_flag(site, "checksum");
    if (!r->git) {
        r->checksum = g_strdup(checksum);
        return valid_checksum(checksum) ||
               kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                              "ADD --checksum=%s: of a URL a checksum is \"sha256:\" and 64 lower-case "
                              "hexadecimal digits (sha384 and sha512 are taken too)",
                              checksum);
    }
    if (!kiln_git_is_checksum(checksum))
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                              "ADD --checksum=%s: of a git repository it is a commit, in hexadecimal digits",
                              checksum);
    if (r->git->checksum && strcmp(r->git->checksum, checksum) != 0)
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                              "ADD --checksum=%s contradicts checksum=%s of the source", checksum,
                              r->git->checksum);
    g_free(r->git->checksum);
    r->git->checksum = g_strdup(checksum);
    return true;
}

bool kiln_remote_source_flags(const KilnSite *site, KilnRemoteSource *r, const char *checksum,
                              GError **error)
{
    const KilnInstruction *i = site->instruction;
    if (checksum && !take_checksum(site, r, checksum, error))
        return false;
    if (!r->git)
        return true;
    bool said = kiln_instruction_flag(i, "keep-git-dir") != NULL;
    bool keep = kiln_instruction_flag_on(i, "keep-git-dir");
    if (said && r->git->keep_git_dir != KILN_GIT_UNSAID && keep != (r->git->keep_git_dir == KILN_GIT_YES))
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, kiln_site_flag(site, "keep-git-dir"),
                              "ADD --keep-git-dir contradicts keep-git-dir of the source");
    r->keep_git_dir = keep || r->git->keep_git_dir == KILN_GIT_YES;
    return true;
}

/* --- Sources -------------------------------------------------------------------------------------- */

bool kiln_remote_source_read(const KilnSite *site, const char *source, const KilnPlace *place,
                             KilnRemoteSource **out, GError **error)
{
    g_autoptr(GError) problem = NULL;
    *out = NULL;
    g_autoptr(KilnGitReference) git = kiln_git_reference_parse(source, false, &problem);
    bool url = g_str_has_prefix(source, "http://") || g_str_has_prefix(source, "https://");
    if (!git && !problem && !url)
        return true;
    if (site->instruction->kind != KILN_INST_ADD)
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place,
                              "COPY cannot fetch \"%s\"; use ADD, or RUN with curl or git", source);
    if (problem)
        return kiln_site_fail(site, error, KILN_PLAN_ERROR_ARGUMENT, place, "%s", problem->message);
    KilnRemoteSource *r = g_new0(KilnRemoteSource, 1);
    r->git = g_steal_pointer(&git);
    if (r->git || take_url(site, source, place, r, error))
        *out = r;
    else
        kiln_remote_source_free(r);
    return *out != NULL;
}
