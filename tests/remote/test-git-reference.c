/* Git references: every form, and what is refused. */
#include <glib.h>
#include <string.h>

#include "remote/git-reference.h"

#define SHA "0123456789abcdef0123456789abcdef01234567"

static void test_forms(void)
{
    static const struct {
        const char *written, *remote, *ref, *subdir;
    } cases[] = {
        {"https://github.com/foo/bar.git", "https://github.com/foo/bar.git", NULL, NULL},
        {"https://github.com/foo/bar.git#baz/qux:quux/quuz", "https://github.com/foo/bar.git",
         "baz/qux", "quux/quuz"},
        {"https://github.com/foo/bar.git#:sub", "https://github.com/foo/bar.git", NULL, "sub"},
        {"https://github.com/foo/bar.git#:/a/./b/../../../c/", "https://github.com/foo/bar.git",
         NULL, "c"},
        {"https://github.com/foo/bar.git#:..", "https://github.com/foo/bar.git", NULL, NULL},
        {"HTTPS://github.com/foo/bar.git#v1", "https://github.com/foo/bar.git", "v1", NULL},
        {"http://u:p@host:8080/bar.git", "http://u:p@host:8080/bar.git", NULL, NULL},
        {"https://host/b%61r%2egit#x%2Fy", "https://host/b%61r%2egit", "x/y", NULL},
        {"git://host/repo#main", "git://host/repo", "main", NULL},
        {"git://host", "git://host", NULL, NULL},
        {"ssh://git@host:2222/~me/x?subdir=y", "ssh://git@host:2222/~me/x", NULL, "y"},
        {"git@github.com:foo/bar.git#" SHA, "git@github.com:foo/bar.git", SHA, NULL},
        {"git@github.com:foo/bar?ref=v1&subdir=d", "git@github.com:foo/bar", "v1", "d"},
        {"user@host:", "user@host:", NULL, NULL},
        {"https://h/r.git?tag=v1.0", "https://h/r.git", "refs/tags/v1.0", NULL},
        {"https://h/r.git?tag=refs/tags/v1", "https://h/r.git", "refs/tags/v1", NULL},
        {"https://h/r.git?branch=a%2Fb", "https://h/r.git", "refs/heads/a/b", NULL},
        {"https://h/r.git?ref=a+b", NULL, NULL, NULL},
        {"https://h/r.git?ref=main#main", "https://h/r.git", "main", NULL},
        {"https://h/r.git?", "https://h/r.git", NULL, NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(KilnGitReference) r = kiln_git_reference_parse(cases[i].written, false, &error);
        if (!cases[i].remote) {
            g_assert_null(r);
            g_assert_nonnull(error);
            continue;
        }
        g_assert_no_error(error);
        g_assert_nonnull(r);
        g_assert_cmpstr(r->remote, ==, cases[i].remote);
        g_assert_cmpstr(r->ref, ==, cases[i].ref);
        g_assert_cmpstr(r->subdir, ==, cases[i].subdir);
    }
}

static void test_query(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnGitReference) r = kiln_git_reference_parse(
        "https://h/r.git?keep-git-dir&submodules=false&mtime=commit&fetch-by-commit=1&checksum=" SHA,
        false, &error);
    g_assert_no_error(error);
    g_assert_cmpint(r->keep_git_dir, ==, KILN_GIT_YES);
    g_assert_cmpint(r->submodules, ==, KILN_GIT_NO);
    g_assert_true(r->mtime_commit);
    g_assert_true(r->fetch_by_commit);
    g_assert_cmpstr(r->checksum, ==, SHA);
    g_autoptr(KilnGitReference) plain = kiln_git_reference_parse("git://h/r", false, &error);
    g_assert_no_error(error);
    g_assert_cmpint(plain->keep_git_dir, ==, KILN_GIT_UNSAID);
    g_assert_cmpint(plain->submodules, ==, KILN_GIT_UNSAID);
    g_assert_false(plain->fetch_by_commit);
}

static void test_other_things(void)
{
    static const char *const others[] = {
        "", "-", "app.git", "./git@x:y", "../x.git", "/abs/x.git", "https://host/file.tar.gz",
        "https://host/repo", "https://host/x.git/", "ftp://host/x.git", "file:///srv/x.git",
        "ext::sh -c touch", "C:\\x", "github.com/foo/bar", "us er@host:x", "@host:x", "user@:x",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(kiln_git_reference_parse(others[i], false, &error));
        g_assert_no_error(error);
    }
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnGitReference) r = kiln_git_reference_parse("github.com/foo/bar#v1", true, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(r->remote, ==, "https://github.com/foo/bar");
    g_assert_cmpstr(r->ref, ==, "v1");
}

static void test_bad(void)
{
    static const struct {
        const char *written, *message;
    } cases[] = {
        {"https://h/r.git#--upload-pack=x", "cannot be a git ref"},
        {"https://h/r.git?ref=-x", "cannot be a git ref"},
        {"https://h/r.git#a:b%0ac", "not valid text"},
        {"https://h/r.git?ref=a:b", "cannot be a git ref"},
        {"https://h/r.git#%2brefs", "cannot be a git ref"},
        {"https://h/r.git#a..b", "cannot be a git ref"},
        {"https://h/r.git#a*", "cannot be a git ref"},
        {"https://h/r.git#HEAD@%7b1%7d", "cannot be a git ref"},
        {"https://h/r.git?ref=a#b", "said twice"},
        {"https://h/r.git?subdir=a#:b", "said twice"},
        {"https://h/r.git?tag=a&ref=b", "said twice"},
        {"https://h/r.git?tag=a&branch=a", "at once"},
        {"https://h/r.git?nonsense=1", "unexpected query \"nonsense\""},
        {"https://h/r.git?ref=a&ref=b", "several values"},
        {"https://h/r.git?ref=", "no value"},
        {"https://h/r.git?submodules=maybe", "no value for submodules"},
        {"https://h/r.git?mtime=now", "no value for mtime"},
        {"https://h/r.git?checksum=xyz", "no commit"},
        {"https://h/r.git?ref=%zz", "not valid text"},
        {"ssh://-oProxyCommand=x/y", "host is missing"},
        {"ssh://a@-x/y", "host is missing"},
        {"-a@host:x", "host is missing"},
        {"a@-host:x", "host is missing"},
        {"git:///x", "host is missing"},
        {"git://h/a b", "host is missing"},
        {"git://h/a\nb", "host is missing"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(kiln_git_reference_parse(cases[i].written, false, &error));
        g_assert_error(error, KILN_GIT_ERROR, 0);
        g_assert_nonnull(strstr(error->message, cases[i].message));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/git-reference/forms", test_forms);
    g_test_add_func("/git-reference/query", test_query);
    g_test_add_func("/git-reference/other-things", test_other_things);
    g_test_add_func("/git-reference/bad", test_bad);
    return g_test_run();
}
