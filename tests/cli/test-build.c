/* Command lines of `kiln build`, and the requests that they make. */
#include "cli/build.h"
#include "front/request.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const KilnCommand command = {"build", "[OPTIONS] PATH", "", 1, 1, NULL};

typedef struct {
    char *before, *directory; /* the current directory; "ctx" is a directory in it */
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    static const char *const variables[] = {"DOCKER_DEFAULT_PLATFORM",
                                            "BUILDKIT_PROGRESS",
                                            "SOURCE_DATE_EPOCH",
                                            "DOCKER_HOST",
                                            "KILN_ROOT",
                                            "PWD"};
    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(variables); i++) {
        g_unsetenv(variables[i]);
    }
    f->before = g_get_current_dir();
    f->directory = g_dir_make_tmp("kiln-build-XXXXXX", NULL);
    g_assert_cmpint(chdir(f->directory), ==, 0);
    g_assert_cmpint(g_mkdir("ctx", 0755), ==, 0);
    g_setenv("DOCKER_CONFIG", f->directory, TRUE);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    g_remove("config.json");
    g_rmdir("ctx");
    g_assert_cmpint(chdir(f->before), ==, 0);
    g_assert_cmpint(g_rmdir(f->directory), ==, 0);
    g_free(f->before);
    g_free(f->directory);
}

/* The request for words separated by spaces; settings may be NULL. */
static KilnRequest *request(const char *line, const KilnSettings *settings, char **progress,
                            GError **error)
{
    KilnRequest *r = NULL;
    KilnBuildFlags flags;
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    KilnCall call = {.command = &command,
                     .argc = (int)g_strv_length(words),
                     .argv = words,
                     .settings = settings ? *settings : (KilnSettings){0},
                     .arguments = g_ptr_array_new()};
    kiln_build_flags_init(&flags);
    if (kiln_build_flags_parse(&call, &flags, NULL, 0, error)) {
        const char *mode = kiln_build_progress(&call, &flags, error);
        r = mode ? kiln_build_request(&call, &flags, error) : NULL;
        if (progress) {
            *progress = g_strdup(mode);
        }
    }
    kiln_build_flags_clear(&flags);
    g_ptr_array_unref(call.arguments);
    g_free(call.root);
    g_free(call.libexec);
    return r;
}

static void assert_value(const char *line, const KilnSettings *settings, const char *key,
                         const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnRequest) r = request(line, settings, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(kiln_request_get(r, key), ==, expected);
}

static void assert_refused(const char *line, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnRequest) r = request(line, NULL, NULL, &error);
    g_assert_null(r);
    g_assert_error(error, KILN_ERROR, KILN_ERROR_USAGE);
    if (!strstr(error->message, part)) {
        g_test_message("\"%s\" does not say \"%s\"", error->message, part);
    }
    g_assert_nonnull(strstr(error->message, part));
    g_assert_null(strchr(error->message, '\n'));
}

/* The values of a list begin so. */
static void assert_values(const char *line, const char *key, const char *first, const char *second,
                          const char *third)
{
    const char *const expected[] = {first, second, third};
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnRequest) r = request(line, NULL, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(GPtrArray) values = kiln_request_values(r, key);
    for (guint i = 0; i < G_N_ELEMENTS(expected) && expected[i]; i++) {
        g_assert_cmpuint(values->len, >, i);
        g_assert_true(g_str_has_prefix(g_ptr_array_index(values, i), expected[i]));
    }
}

static void assert_no_values(const char *line, const char *key)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnRequest) r = request(line, NULL, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(GPtrArray) values = kiln_request_values(r, key);
    g_assert_cmpuint(values->len, ==, 0);
}

static void test_sandbox(Fixture *f, gconstpointer data)
{
    static const char *const refused[][2] = {
        {"--secret id=x", "--secret \"id=x\": x: No such file"},
        {"--secret x", "\"x\" is not KEY=VALUE"},
        {"--secret src=ctx", "has no id"},
        {"--secret id=x,src=ctx", "ctx is a directory"},
        {"--secret id=x,file=ctx", "unknown key \"file\""},
        {"--secret id=x,type=pipe", "unknown type \"pipe\""},
        {"--secret id=x,src=big", "larger than 500 kB"},
        {"--network none.", "unknown network"},
        {"--add-host a", "NAME:IP"},
        {"--add-host :1.2.3.4", "NAME:IP"},
        {"--add-host a=", "NAME:IP"},
        {"--add-host a:1.2.3", "no IP address"},
        {"--add-host a:[::1", "no IP address"},
        {"--add-host a:b.test", "no IP address"},
        {"--add-host a\tb:1.2.3.4", "no name of a host"},
        {"--add-host a:host-gateway", "--network=host"},
        {"--dns 1.2.3", "no IP address"},
        {"--dns-search a\tb", "not one word"},
        {"--dns-option a\tb", "not one word"},
        {"--allow everything", "unknown entitlement"},
        {"--security-opt seccomp=nothing", "seccomp=nothing: No such file"},
        {"--security-opt seccomp", "unknown option"},
        {"--security-opt apparmor:x", "no AppArmor profile"},
        {"--security-opt no-new-privileges=2", "neither true nor false"},
    };
    (void)data;
    g_autofree char *big = g_malloc0(500 * 1024 + 1);
    g_assert_true(g_file_set_contents("big", big, 500 * 1024 + 1, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *line = g_strconcat(refused[i][0], " ctx", NULL);
        assert_refused(line, refused[i][1]);
    }
    g_assert_cmpint(truncate("big", 500 * 1024), ==, 0);
    g_setenv("x", "", TRUE);
    assert_values("--secret id=x --secret id=y,source=big --secret type=env,id=z,src=A ctx", "secrets",
                  "x=env:x", "y=file:", "z=env:A");
    g_unsetenv("x");
    g_autofree char *x = g_build_filename(f->directory, "x", NULL);
    g_assert_cmpint(g_rename("big", "x"), ==, 0);
    g_autofree char *expected = g_strconcat("x=file:", x, NULL);
    assert_values("--secret id=x ctx", "secrets", expected, NULL, NULL);
    assert_values("--ssh default --ssh k=a,b ctx", "ssh", "default", "k=a,b", NULL);
    assert_values("--network=host --allow security.insecure ctx", "allow", "security.insecure",
                  "network.host", NULL);
    assert_value("--network=none ctx", NULL, "network", "none");
    assert_value("--security-opt seccomp:unconfined ctx", NULL, "seccomp", "unconfined");
    assert_value("--security-opt seccomp=x --security-opt no-new-privileges ctx", NULL, "seccomp", x);
    assert_value("--security-opt no-new-privileges:true ctx", NULL, "no_new_privs", "true");
    assert_value("--network=private ctx", NULL, "network", "private");
    assert_values("--add-host a:10.0.0.1 --add-host b=::1 --add-host=c:[2001:db8::1] ctx",
                  "extra_hosts", "a=10.0.0.1", "b=::1", "c=2001:db8::1");
    assert_values("--network=host --add-host h:host-gateway --add-host d:::2 ctx", "extra_hosts",
                  "h=127.0.0.1", "d=::2", NULL);
    assert_values("--dns 10.0.0.1 --dns ::1 ctx", "dns", "10.0.0.1", "::1", NULL);
    assert_values("--dns-search a.b ctx", "dns_search", "a.b", NULL, NULL);
    assert_values("--dns-option ndots:2 ctx", "dns_options", "ndots:2", NULL, NULL);
    g_remove("x");
}

/* A context by ssh may be fetched with the user's agent; nothing else implies that. */
static void test_ssh_context(Fixture *f, gconstpointer data)
{
    static const char *const by_ssh[] = {"git@github.com:a/b.git#v1", "me@host:a/b", "ssh://git@h/r.git?ref=x"};
    static const char *const others[] = {"https://me@h/r.git", "git://h/r", "github.com/a/b", "ctx", "-",
                                         "--build-context n=git@h:r ctx"};
    (void)f;
    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(by_ssh); i++) {
        g_unsetenv("SSH_AUTH_SOCK");
        assert_no_values(by_ssh[i], "ssh");
        g_setenv("SSH_AUTH_SOCK", "/agent", TRUE);
        assert_values(by_ssh[i], "ssh", "default", NULL, NULL);
        g_autofree char *line = g_strconcat("--ssh default=k ", by_ssh[i], NULL);
        assert_values(line, "ssh", "default=k", NULL, NULL);
        g_autofree char *other = g_strconcat("--ssh other ", by_ssh[i], NULL);
        assert_values(other, "ssh", "other", NULL, NULL);
    }
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        assert_no_values(others[i], "ssh");
    }
    g_unsetenv("SSH_AUTH_SOCK");
}

static void test_paths(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *context = g_build_filename(f->directory, "ctx", NULL);
    g_autofree char *file = g_build_filename(f->directory, "sub/../D", NULL);
    g_autofree char *output = g_strdup_printf("type=oci,dest=%s/out.tar", f->directory);
    assert_value("ctx", NULL, "context", context);
    assert_value("./ctx/../ctx/", NULL, "context", context);
    assert_value("ctx", NULL, "file", NULL);
    assert_value("-f sub/../D ctx", NULL, "file", file);
    assert_value("-f - ctx", NULL, "file", "-");
    assert_value("-f https://h/D ctx", NULL, "file", "https://h/D");
    assert_value("ctx -o type=oci,dest=out.tar", NULL, "output", output);
    assert_value("ctx -o dest=out.tar,type=oci", NULL, "output", output);
    assert_value("ctx -o type=docker,dest=/a/b.tar", NULL, "output", "type=docker,dest=/a/b.tar");
    assert_value("ctx -o \"type=oci\",\"dest=/a\"\"b\"", NULL, "output", "type=oci,dest=/a\"b");
    assert_value("ctx -o type=oci,dest=-,tar=true", NULL, "output", "type=oci,dest=-");
}

static void test_contexts(Fixture *f, gconstpointer data)
{
    (void)f;
    (void)data;
    static const char *const as_they_are[] = {"-",
                                              "https://github.com/a/b.git#ref:dir",
                                              "http://host/context.tar.gz",
                                              "git@github.com:a/b.git",
                                              "me@host:a/b",
                                              "github.com/a/b",
                                              "ssh://git@h/r.git"};
    for (guint i = 0; i < G_N_ELEMENTS(as_they_are); i++)
        assert_value(as_they_are[i], NULL, "context", as_they_are[i]);
    /* the Dockerfile is named within them, but for an absolute path beside a remote one */
    assert_value("-f sub/D -", NULL, "file", "sub/D");
    assert_value("-f /sub/D -", NULL, "file", "sub/D");
    assert_value("-f sub/D https://h/x.git", NULL, "file", "sub/D");
    assert_value("-f /sub/D https://h/x.git", NULL, "file", "/sub/D");
    assert_refused("-f - -", "cannot be both");
    assert_refused("-f - --build-context a=- ctx", "no named context");
    assert_refused("missing", "the context \"missing\" does not exist");
    assert_refused("a:b@c", "does not exist");
    assert_refused("/dev/null", "neither a directory nor a tar");
    assert_refused("ctx ctx", "takes 1 argument ([OPTIONS] PATH), not 2");
    assert_refused("-q", "takes 1 argument ([OPTIONS] PATH), not 0");
}

static void test_outputs(Fixture *f, gconstpointer data)
{
    static const char *const refused[] = {
        "out.tar",
        "-",
        "type=local,dest=out",
        "type=tar,dest=x",
        "type=image",
        "type=registry",
        "type=oci",
        "dest=x",
        "type=oci,dest=",
        "type=oci,dest=x,tar=false",
        "type=oci,dest=x,compression=zstd",
        "type=oci,dest=x,name=y",
        "type=oci,\"dest=a,b\"",
    };
    (void)f;
    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *line = g_strconcat("ctx -o ", refused[i], NULL);
        assert_refused(line, "supported: type=oci,dest=FILE");
    }
}

static void test_names(Fixture *f, gconstpointer data)
{
    (void)f;
    (void)data;
    assert_refused("-t App ctx", "App");
    assert_refused("-t a:b:c ctx", "a:b:c");
    assert_refused("--tag= ctx", "--tag");
    assert_refused("-t "
                   "a@sha256:0123456789012345678901234567890123456789012345678901234567890123 ctx",
                   "a digest cannot be given");
    assert_value("-t localhost:5000/a/b:1.2 ctx", NULL, "target", NULL);
}

static void test_pairs(Fixture *f, gconstpointer data)
{
    (void)f;
    (void)data;
    assert_refused("--build-arg =x ctx", "--build-arg \"=x\"");
    assert_refused("--label =x ctx", "--label \"=x\"");
    assert_refused("--build-context x ctx", "NAME=PLACE");
    assert_refused("--build-context =x ctx", "NAME=PLACE");
    assert_refused("--build-context a=missing ctx", "does not exist");
}

static void test_pull(Fixture *f, gconstpointer data)
{
    KilnSettings settings = {.pull = (char *)"never"};
    (void)f;
    (void)data;
    assert_value("ctx", NULL, "pull", "missing");
    assert_value("--pull ctx", NULL, "pull", "always");
    assert_value("--pull=true ctx", NULL, "pull", "always");
    assert_value("--pull=false ctx", NULL, "pull", "missing");
    assert_value("--pull=never ctx", NULL, "pull", "never");
    assert_value("ctx", &settings, "pull", "never");
    assert_value("--pull ctx", &settings, "pull", "always");
    assert_refused("--pull=often ctx", "always, missing, never");
}

/* Flag, then environment, then settings. */
static void test_platform(Fixture *f, gconstpointer data)
{
    KilnSettings settings = {.platform = (char *)"linux/386", .jobs = (char *)"3"};
    (void)f;
    (void)data;
    assert_value("ctx", NULL, "platform", NULL);
    assert_value("ctx", &settings, "platform", "linux/386");
    assert_value("ctx", &settings, "jobs", "3");
    g_setenv("DOCKER_DEFAULT_PLATFORM", "linux/arm64", TRUE);
    assert_value("ctx", &settings, "platform", "linux/arm64");
    assert_value("--platform linux/amd64 ctx", &settings, "platform", "linux/amd64");
    assert_value("--jobs 5 ctx", &settings, "jobs", "5");
    assert_refused("--platform linux/amd64,linux/arm64 ctx", "not supported yet");
    assert_refused("--jobs 0 ctx", "--jobs");
}

static void test_epoch(Fixture *f, gconstpointer data)
{
    (void)f;
    (void)data;
    assert_value("ctx", NULL, "source_date_epoch", NULL);
    g_setenv("SOURCE_DATE_EPOCH", "1700000000", TRUE);
    assert_value("ctx", NULL, "source_date_epoch", "1700000000");
    assert_value("--build-arg SOURCE_DATE_EPOCH=0 ctx", NULL, "source_date_epoch", "0");
    g_setenv("SOURCE_DATE_EPOCH", "yesterday", TRUE);
    assert_refused("ctx", "SOURCE_DATE_EPOCH is \"yesterday\"");
}

static void assert_progress(const char *line, const KilnSettings *settings, const char *expected)
{
    g_autofree char *mode = NULL;
    g_autoptr(KilnRequest) r = request(line, settings, &mode, NULL);
    g_assert_nonnull(r);
    g_assert_cmpstr(mode, ==, expected);
}

static void test_progress(Fixture *f, gconstpointer data)
{
    KilnSettings settings = {.progress = (char *)"plain"};
    (void)f;
    (void)data;
    assert_progress("ctx", NULL, "auto");
    assert_progress("ctx", &settings, "plain");
    g_setenv("BUILDKIT_PROGRESS", "rawjson", TRUE);
    assert_progress("ctx", &settings, "rawjson");
    assert_progress("--progress=tty ctx", &settings, "tty");
    assert_progress("-q --progress=tty ctx", &settings, "quiet");
    assert_refused("--progress=fancy ctx", "--progress: \"fancy\"");
    g_setenv("BUILDKIT_PROGRESS", "fancy", TRUE);
    assert_refused("ctx", "BUILDKIT_PROGRESS: \"fancy\"");
}

static void test_caches(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnRequest) r =
        request("--cache-to type=local,dest=c,mode=max,mounts=a,/b,compression=gzip --cache-to type=inline "
                "--cache-from type=local,src=c,tag=t --cache-from me/app ctx",
                NULL, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(GPtrArray) to = kiln_request_values(r, "cache_to"), from = kiln_request_values(r, "cache_from");
    g_autofree char *first =
        g_strdup_printf("type=local\ndest=%s/c\nmode=max\nmounts=a\nmounts=/b\ncompression=gzip", f->directory);
    g_autofree char *second = g_strdup_printf("type=local\nsrc=%s/c\ntag=t", f->directory);
    g_assert_cmpuint(to->len, ==, 2);
    g_assert_cmpstr(to->pdata[0], ==, first);
    g_assert_cmpstr(to->pdata[1], ==, "type=inline");
    g_assert_cmpuint(from->len, ==, 2);
    g_assert_cmpstr(from->pdata[0], ==, second);
    g_assert_cmpstr(from->pdata[1], ==, "type=registry\nref=me/app");

    static const char *const refused[][2] = {
        {"--cache-to=", "it is empty"},
        {"--cache-to=type=gha,scope=x", "type=gha are not supported yet"},
        {"--cache-from=type=azblob", "type=azblob are not supported yet"},
        {"--cache-to=me/app", "type=registry are not supported yet"},
        {"--cache-to=type=local", "dest is missing"},
        {"--cache-from=type=local,dest=x", "no attribute \"dest\""},
        {"--cache-to=type=local,dest=", "dest has no value"},
        {"--cache-to=dest=x", "it has no type"},
        {"--cache-to=type=tape,dest=x", "no type \"tape\""},
        {"--cache-from=type=inline", "read from the image"},
        {"--cache-to=type=inline,mode=max", "mode=min"},
        {"--cache-to=type=inline,dest=x", "takes no dest="},
        {"--cache-to=type=local,dest=x,image-manifest=false", "image-manifest=false is not supported"},
        {"--cache-to=type=local,dest=x,compression=estargz", "compression=estargz is not supported"},
        {"--cache-to=type=local,dest=x,compression-level=23", "0 to 22"},
        {"--cache-to=type=local,dest=x,tag=a/b", "is not a tag"},
        {"--cache-to=type=local,dest=x,reset=perhaps", "true or false"},
        {"--cache-from=type=local,src=x,digest=sha256:AB", "64 hex digits"},
        {"--cache-to=type=local,dest=x,b", "\"b\" is not KEY=VALUE"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *line = g_strconcat(refused[i][0], " ctx", NULL);
        assert_refused(line, refused[i][1]);
    }
}

static void test_docker_flags(Fixture *f, gconstpointer data)
{
    static const char *const refused[] = {"--push",
                                          "--squash",
                                          "--sbom=true",
                                          "--provenance=mode=max",
                                          "--annotation a=b"};
    (void)f;
    (void)data;
    assert_value("--load --rm --force-rm --compress --isolation=default --provenance=false "
                 "--sbom=false --builder x --network host --no-cache ctx",
                 NULL, "no_cache", "true");
    assert_refused("--isolation=hyperv ctx", "unknown isolation (auto, userns, chroot, proot)");
    assert_refused("--snapshotter=zfs ctx", "unknown snapshotter (auto, overlay, fuse-overlayfs, copy)");
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autofree char *line = g_strconcat(refused[i], " ctx", NULL);
        g_auto(GStrv) words = g_strsplit_set(refused[i], " =", 2);
        assert_refused(line, words[0]);
        assert_refused(line, "not supported yet");
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_nonnull(freopen("/dev/null", "r", stdin)); /* a terminal would be refused as "-" */
#define ADD(name, function) g_test_add(name, Fixture, NULL, set_up, function, tear_down)
    ADD("/cli/build/paths", test_paths);
    ADD("/cli/build/sandbox", test_sandbox);
    ADD("/cli/build/ssh-context", test_ssh_context);
    ADD("/cli/build/contexts", test_contexts);
    ADD("/cli/build/caches", test_caches);
    ADD("/cli/build/outputs", test_outputs);
    ADD("/cli/build/names", test_names);
    ADD("/cli/build/pairs", test_pairs);
    ADD("/cli/build/pull", test_pull);
    ADD("/cli/build/platform", test_platform);
    ADD("/cli/build/epoch", test_epoch);
    ADD("/cli/build/progress", test_progress);
    ADD("/cli/build/docker-flags", test_docker_flags);
    return g_test_run();
}
