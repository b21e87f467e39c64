/* RUN, COPY, ADD and WORKDIR as steps, and the triggers of bases. */
#include "fixture.h"

static void test_run(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM app\nENV A=\"x y\"\nRUN echo \"$A\" '$A' $B > \"/f g\"\n"
                     "RUN [\"/bin/echo\", \"$A\"]\nUSER root\nRUN --network=none id\n");
    const KilnStep *shell = step(&f, 1);
    g_assert_cmpstr(shell->name, ==, "[2/4] RUN echo \"x y\" '$A' $B > \"/f g\"");
    g_assert_cmpuint(g_strv_length(shell->argv), ==, 3);
    g_assert_cmpstr(shell->argv[2], ==, "echo \"$A\" '$A' $B > \"/f g\"");
    g_assert_cmpstr(shell->shell_name, ==, "/bin/sh");
    g_assert_cmpstr(shell->user, ==, "app");
    g_assert_cmpstr(shell->workdir, ==, "/srv");
    g_assert_cmpstr(shell->keyword, ==, "RUN");
    g_assert_null(shell->script);
    g_assert_null(shell->mounts);
    g_assert_true(shell->parent == step(&f, 0));
    const KilnStep *exec = step(&f, 2);
    g_assert_cmpstr(exec->argv[1], ==, "$A");
    g_assert_null(exec->shell_name);
    g_assert_cmpstr(step(&f, 3)->user, ==, "root");
    g_assert_cmpuint(f.plan->warnings->len, ==, 0);
}

static void test_run_heredoc(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM alpine\nRUN <<EOF\necho a\necho $b\nEOF\n"
                     "RUN <<PY\n#!/usr/bin/python3\nprint(1)\nPY\n"
                     "RUN cat <<A - > /f\nbody\nA\n");
    const KilnStep *commands = step(&f, 1);
    g_assert_cmpstr(commands->argv[2], ==, "echo a\necho $b\n");
    g_assert_cmpstr(commands->name, ==, "[2/4] RUN <<EOF (echo a...)");
    g_assert_cmpstr(commands->created_by, ==, "RUN /bin/sh -c echo a\necho $b\n # buildkit");
    const KilnStep *script = step(&f, 2);
    g_assert_cmpstr(script->argv[0], ==, "/dev/pipes/PY");
    g_assert_null(script->argv[1]);
    g_assert_cmpstr(script->script, ==, "#!/usr/bin/python3\nprint(1)\n");
    g_assert_cmpstr(script->created_by, ==, "RUN /bin/sh -c /dev/pipes/PY # buildkit");
    const KilnStep *piped = step(&f, 3);
    g_assert_cmpstr(piped->argv[2], ==, "cat <<A - > /f\nbody\nA");
    g_assert_cmpstr(piped->name, ==, "[4/4] RUN cat <<A - > /f");
}

static const KilnMount *mount(const Fixture *f, guint n)
{
    const KilnStep *last = step(f, f->plan->steps->len - 1);
    g_assert_cmpuint(n, <, last->mounts->len);
    return &g_array_index(last->mounts, KilnMount, n);
}

static void test_mounts(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f,
                 "FROM alpine AS tools\nFROM app\nARG ID=pip\n"
                 "RUN --mount=type=cache,target=/root/.cache"
                 " --mount=type=cache,target=build,id=$ID,sharing=locked,uid=10,gid=20,mode=0700"
                 " --mount=target=/src,rw"
                 " --mount=type=bind,from=tools,src=/usr/bin,dst=/tools"
                 " --mount=\"type=tmpfs,destination=/tmp,size=1.5m\""
                 " --mount=type=cache,target=/c,from=tools,source=seed,readonly=true make\n");
    /* In the order of their targets. */
    const KilnMount *m = mount(&f, 1);
    g_assert_cmpint(m->type, ==, KILN_MOUNT_CACHE);
    g_assert_cmpstr(m->target, ==, "/root/.cache");
    g_assert_cmpstr(m->id, ==, "/root/.cache");
    g_assert_cmpint(m->sharing, ==, KILN_SHARING_SHARED);
    g_assert_cmpint(m->mode, ==, -1);
    g_assert_false(m->readonly);
    g_assert_cmpint(m->from.kind, ==, KILN_ORIGIN_STAGE);
    g_assert_null(m->from.step);
    m = mount(&f, 3);
    g_assert_cmpstr(m->target, ==, "/srv/build");
    g_assert_cmpstr(m->id, ==, "pip");
    g_assert_cmpint(m->sharing, ==, KILN_SHARING_LOCKED);
    g_assert_cmpint(m->uid, ==, 10);
    g_assert_cmpint(m->gid, ==, 20);
    g_assert_cmpint(m->mode, ==, 0700);
    m = mount(&f, 2);
    g_assert_cmpint(m->type, ==, KILN_MOUNT_BIND);
    g_assert_cmpint(m->from.kind, ==, KILN_ORIGIN_CONTEXT);
    g_assert_cmpstr(m->source, ==, "/");
    g_assert_false(m->readonly);
    m = mount(&f, 5);
    g_assert_cmpint(m->from.kind, ==, KILN_ORIGIN_STAGE);
    g_assert_true(m->from.step == step(&f, 0));
    g_assert_cmpstr(m->source, ==, "/usr/bin");
    g_assert_true(m->readonly);
    m = mount(&f, 4);
    g_assert_cmpint(m->type, ==, KILN_MOUNT_TMPFS);
    g_assert_cmpuint(m->size, ==, 1536 * 1024);
    m = mount(&f, 0);
    g_assert_cmpstr(m->source, ==, "/seed");
    g_assert_true(m->readonly);
    const KilnStep *run = f.plan->target;
    g_assert_cmpuint(run->mounts->len, ==, 6);
    g_assert_cmpuint(run->needs->len, ==, 1);
    g_assert_cmpstr(run->created_by, ==, "RUN |1 ID=pip /bin/sh -c make # buildkit");
}

static void test_secrets(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM app\nARG N=b TOKEN=public\n"
                     "RUN --mount=type=secret,id=dir/a"
                     " --mount=type=secret,source=$N,target=in,mode=0440,uid=1,gid=2,required"
                     " --mount=type=secret,target=/etc/c,required=true"
                     " --mount=type=secret,id=d,env=TOKEN"
                     " --mount=type=secret,id=e,env= echo $TOKEN $N\n");
    const KilnMount *m = mount(&f, 0);
    g_assert_cmpint(m->type, ==, KILN_MOUNT_SECRET);
    g_assert_cmpstr(m->id, ==, "dir/a");
    g_assert_cmpstr(m->target, ==, "/run/secrets/a");
    g_assert_cmpint(m->mode, ==, 0400);
    g_assert_null(m->env);
    g_assert_false(m->required);
    m = mount(&f, 1);
    g_assert_cmpstr(m->id, ==, "b");
    g_assert_cmpstr(m->target, ==, "/srv/in");
    g_assert_cmpint(m->mode, ==, 0440);
    g_assert_cmpint(m->uid, ==, 1);
    g_assert_cmpint(m->gid, ==, 2);
    g_assert_true(m->required);
    m = mount(&f, 2);
    g_assert_cmpstr(m->id, ==, "c");
    g_assert_cmpstr(m->target, ==, "/etc/c");
    g_assert_true(m->required);
    m = mount(&f, 3);
    g_assert_cmpstr(m->env, ==, "TOKEN");
    g_assert_null(m->target);
    g_assert_cmpstr(mount(&f, 4)->env, ==, "e");
    g_assert_nonnull(strstr(f.plan->target->name, "echo **** b"));
}

static void test_agents(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM app\nRUN --mount=type=ssh,mode=0666 --mount=type=ssh,id=two,target=/two"
                     " --mount=type=ssh,id=three,required=false git\n");
    const KilnMount *m = mount(&f, 0);
    g_assert_cmpstr(m->id, ==, "default");
    g_assert_cmpstr(m->target, ==, "/run/buildkit/ssh_agent.0");
    g_assert_cmpint(m->mode, ==, 0666);
    g_assert_cmpstr(mount(&f, 1)->target, ==, "/two");
    g_assert_cmpint(mount(&f, 1)->mode, ==, 0600);
    g_assert_cmpstr(mount(&f, 2)->target, ==, "/run/buildkit/ssh_agent.2");
    g_assert_cmpstr(g_environ_getenv(f.plan->target->env, "SSH_AUTH_SOCK"), ==,
                    "/run/buildkit/ssh_agent.0");

    g_auto(Fixture) own = {0};
    fixture_good(&own, "FROM app\nENV SSH_AUTH_SOCK=/own\nRUN --mount=type=ssh git\n");
    g_assert_cmpstr(g_environ_getenv(own.plan->target->env, "SSH_AUTH_SOCK"), ==, "/own");
}

static void test_sandbox(void)
{
    static const char *const allow[] = {"network.host", "security.insecure", NULL};
    g_auto(Fixture) f = {.options = {.network = KILN_NETWORK_NONE, .allow = allow}};
    fixture_good(&f, "FROM app\nRUN --network=host --security=insecure a\n"
                     "RUN --network=default --device=vendor/x b\n");
    g_assert_cmpint(step(&f, 1)->network, ==, KILN_NETWORK_HOST);
    g_assert_true(step(&f, 1)->insecure);
    g_assert_cmpint(step(&f, 2)->network, ==, KILN_NETWORK_NONE);
    g_assert_false(step(&f, 2)->insecure);
}

static void test_cache_namespace(void)
{
    static const char *const arguments[] = {"BUILDKIT_CACHE_MOUNT_NS=ns", NULL};
    g_auto(Fixture) f = {.options = {.build_args = arguments}};
    fixture_good(&f, "FROM app\nRUN --mount=type=cache,target=/c a\n");
    g_assert_cmpstr(mount(&f, 0)->id, ==, "ns//c");
    g_assert_cmpuint(f.plan->warnings->len, ==, 0);
}

static void test_run_refused(void)
{
    static const struct {
        const char *flags;
        KilnPlanError code;
        const char *part;
    } table[] = {
        {"--network=host", KILN_PLAN_ERROR_NOT_ALLOWED, "--allow network.host"},
        {"--security=insecure", KILN_PLAN_ERROR_NOT_ALLOWED, "--allow security.insecure"},
        {"--device=vendor/x,required", KILN_PLAN_ERROR_UNSUPPORTED, "device \"vendor/x\""},
        {"--device=required=false", KILN_PLAN_ERROR_ARGUMENT, "names no device"},
        {"--mount=type=secret", KILN_PLAN_ERROR_ARGUMENT, "needs id=ID"},
        {"--mount=type=secret,id=x,source=y", KILN_PLAN_ERROR_ARGUMENT, "id and source"},
        {"--mount=type=secret,id=x,from=y", KILN_PLAN_ERROR_ARGUMENT, "type=secret takes no \"from\""},
        {"--mount=type=secret,id=x,sharing=shared", KILN_PLAN_ERROR_ARGUMENT, "takes no \"sharing\""},
        {"--mount=type=secret,id=x,target=/", KILN_PLAN_ERROR_ARGUMENT, "cannot be \"/\""},
        {"--mount=type=secret,id=x,required=2", KILN_PLAN_ERROR_ARGUMENT, "not a value for required"},
        {"--mount=type=ssh,source=x", KILN_PLAN_ERROR_ARGUMENT, "type=ssh takes no \"source\""},
        {"--mount=target=/x,required", KILN_PLAN_ERROR_ARGUMENT, "type=bind takes no \"required\""},
        {"--mount=type=cash,target=/x", KILN_PLAN_ERROR_ARGUMENT, "did you mean cache?"},
        {"--mount=type=cache", KILN_PLAN_ERROR_ARGUMENT, "cannot be \"/\""},
        {"--mount=type=tmpfs,target=/../", KILN_PLAN_ERROR_ARGUMENT, "cannot be \"/\""},
        {"--mount=target=/x,tagret=/y", KILN_PLAN_ERROR_ARGUMENT, "did you mean target?"},
        {"--mount=target", KILN_PLAN_ERROR_ARGUMENT, "\"target\" needs a value"},
        {"--mount=target=/x,size=1", KILN_PLAN_ERROR_ARGUMENT, "type=bind takes no \"size\""},
        {"--mount=target=/x,uid=1", KILN_PLAN_ERROR_ARGUMENT, "type=bind takes no \"uid\""},
        {"--mount=type=tmpfs,target=/x,size=big", KILN_PLAN_ERROR_ARGUMENT, "not a value for size"},
        {"--mount=type=tmpfs,target=/x,size=1e99g", KILN_PLAN_ERROR_ARGUMENT,
         "not a value for size"},
        {"--mount=type=cache,target=/x,mode=9", KILN_PLAN_ERROR_ARGUMENT, "not a value for mode"},
        {"--mount=type=cache,target=/x,uid=-1", KILN_PLAN_ERROR_ARGUMENT, "not a value for uid"},
        {"--mount=type=cache,target=/x,sharing=some", KILN_PLAN_ERROR_ARGUMENT,
         "not a value for sharing"},
        {"--mount=target=/x,ro=maybe", KILN_PLAN_ERROR_ARGUMENT, "not a value for ro"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {0};
        g_autofree char *text = g_strdup_printf("FROM bare\nRUN %s make\n", table[i].flags);
        assert_refused(&f, text, table[i].code, table[i].part);
        g_assert_true(g_str_has_prefix(f.error->message, "Dockerfile:2:5: "));
    }
}

static void test_copy_destination(void)
{
    static const struct {
        const char *written, *dest;
    } table[] = {
        {"/a", "/a"},   {"/a/", "/a/"},         {"a", "/srv/a"},
        {".", "/srv/"}, {"./", "/srv/"},        {"./b/", "/srv/b/"},
        {"..", "/"},    {"../../x", "/x"},      {"/a/.", "/a/"},
        {"/", "/"},     {"/a//b/../c", "/a/c"}, {"$D/x", "/d/x"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {0};
        g_autofree char *text =
            g_strdup_printf("FROM app\nENV D=/d\nCOPY f %s\n", table[i].written);
        fixture_good(&f, text);
        g_assert_cmpstr(step(&f, 1)->dest, ==, table[i].dest);
    }
}

static void test_copy(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM app\nARG U=me\n"
                     "COPY --chown=$U:1 --chmod=0755 --link --exclude=*.o --exclude=tmp [\"a\", "
                     "\"b c\", \"d*/\", \"/dest/\"]\n"
                     "ADD x.tar /\nADD --unpack=false y.tar /\n"
                     "COPY --link --parents --chown=$U a/./b /d\n");
    const KilnStep *copy = step(&f, 1);
    g_assert_cmpint(copy->kind, ==, KILN_STEP_COPY);
    g_assert_cmpint(copy->from.kind, ==, KILN_ORIGIN_CONTEXT);
    g_assert_cmpuint(g_strv_length(copy->sources), ==, 3);
    g_assert_cmpstr(copy->sources[1], ==, "b c");
    g_assert_cmpstr(copy->sources[2], ==, "d*/");
    g_assert_cmpuint(copy->source_places->len, ==, 3);
    g_assert_cmpuint(g_array_index(copy->source_places, KilnPlace, 0).line, ==, 3);
    g_assert_cmpstr(copy->chown, ==, "me:1");
    g_assert_cmpstr(copy->chmod, ==, "0755");
    g_assert_false(copy->link); /* not with --chmod */
    g_assert_false(copy->parents);
    g_assert_false(copy->add);
    g_assert_cmpstr(copy->excludes[1], ==, "tmp");
    g_assert_null(copy->excludes[2]);
    g_assert_cmpstr(copy->created_by, ==,
                    "COPY --chown=me:1 --chmod=0755 a b c d*/ /dest/ # buildkit");
    g_assert_true(step(&f, 2)->add);
    g_assert_cmpstr(step(&f, 2)->created_by, ==, "ADD x.tar / # buildkit");
    g_assert_false(step(&f, 3)->add);
    g_assert_null(step(&f, 3)->excludes);
    const KilnStep *linked = step(&f, 4);
    g_assert_true(linked->link);
    g_assert_true(linked->parents);
    g_assert_cmpstr(linked->sources[0], ==, "a/./b");
    g_assert_cmpstr(linked->created_by, ==, "COPY --parents --chown=me a/./b /d # buildkit");
}

static void test_copy_heredoc(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM app\nCOPY <<one <<'two' file /d/\nv is \"$V\"\none\nv is $V\ntwo\n");
    const KilnStep *copy = step(&f, 1);
    g_assert_cmpstr(copy->sources[0], ==, "file");
    g_assert_null(copy->sources[1]);
    g_assert_cmpuint(copy->inlines->len, ==, 2);
    const KilnInline *inlines = (const KilnInline *)(const void *)copy->inlines->data;
    g_assert_cmpstr(inlines[0].name, ==, "one");
    g_assert_cmpstr(inlines[0].content, ==, "v is \"base\"\n");
    g_assert_cmpstr(inlines[1].content, ==, "v is $V\n");
    g_assert_cmpstr(copy->created_by, ==, "COPY file <<one <<two /d/ # buildkit");
}

#define SHA256 "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_add_remote(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM scratch\nARG V=1.2\n"
                     "ADD --unpack https://x/dir/a%20b-$V.tar?q#f here git@h:r.git#main:d /w/\n"
                     "ADD --checksum=" SHA256 " http://x/ /file\n"
                     "ADD --keep-git-dir --checksum=abcd https://x/y.git?submodules=0 /src\n");
    const KilnStep *mixed = step(&f, 0), *file = step(&f, 1), *git = step(&f, 2);
    g_assert_cmpuint(mixed->remotes->len, ==, 3);
    const KilnRemoteSource *url = mixed->remotes->pdata[0], *repository = mixed->remotes->pdata[2];
    g_assert_cmpstr(mixed->sources[0], ==, "https://x/dir/a%20b-1.2.tar?q#f");
    g_assert_cmpstr(url->name, ==, "a b-1.2.tar");
    g_assert_true(mixed->add && mixed->unpack_fetched);
    g_assert_null(mixed->remotes->pdata[1]);
    g_assert_cmpstr(repository->git->remote, ==, "git@h:r.git");
    g_assert_cmpstr(repository->git->subdir, ==, "d");
    g_assert_false(repository->keep_git_dir);

    const KilnRemoteSource *named = file->remotes->pdata[0];
    g_assert_cmpstr(named->checksum, ==, SHA256);
    g_assert_cmpstr(named->name, ==, "__unnamed__");
    g_assert_false(file->unpack_fetched);

    const KilnRemoteSource *kept = git->remotes->pdata[0];
    g_assert_true(kept->keep_git_dir);
    g_assert_cmpstr(kept->git->checksum, ==, "abcd");
    g_assert_cmpint(kept->git->submodules, ==, KILN_GIT_NO);
    g_assert_null(kept->checksum);
}

static void test_copy_refused(void)
{
    static const struct {
        const char *instruction;
        KilnPlanError code;
        const char *part;
    } table[] = {
        {"COPY --chmod=999 a b", KILN_PLAN_ERROR_ARGUMENT, "Dockerfile:2:6: COPY --chmod=999"},
        {"COPY --chmod=17777 a b", KILN_PLAN_ERROR_ARGUMENT, "invalid mode"},
        {"COPY --chmod=u~x a b", KILN_PLAN_ERROR_ARGUMENT, "invalid mode"},
        {"COPY http://x/y z", KILN_PLAN_ERROR_ARGUMENT, "Dockerfile:2:6: COPY cannot fetch"},
        {"ADD https://x/ z/", KILN_PLAN_ERROR_ARGUMENT, "no file name"},
        {"ADD https:///y z", KILN_PLAN_ERROR_ARGUMENT, "not a valid URL"},
        {"ADD https://x/%zz z", KILN_PLAN_ERROR_ARGUMENT, "not a valid URL"},
        {"ADD https://x/a%0ab z", KILN_PLAN_ERROR_ARGUMENT, "cannot be called"},
        {"ADD --checksum=md5:aa https://x/y z", KILN_PLAN_ERROR_ARGUMENT, "sha256:"},
        {"ADD --checksum=sha256:AA https://x/y z", KILN_PLAN_ERROR_ARGUMENT, "64 lower-case"},
        {"ADD --checksum=" SHA256 " https://x/y https://x/z d/", KILN_PLAN_ERROR_ARGUMENT,
         "one URL or git source"},
        {"ADD --checksum=" SHA256 " y z", KILN_PLAN_ERROR_ARGUMENT, "one URL or git source"},
        {"ADD --checksum=" SHA256 " https://x/y.git z", KILN_PLAN_ERROR_ARGUMENT, "it is a commit"},
        {"ADD --checksum=aa https://x/y.git?checksum=bb z", KILN_PLAN_ERROR_ARGUMENT, "contradicts"},
        {"ADD --keep-git-dir https://x/y.git?keep-git-dir=0 z", KILN_PLAN_ERROR_ARGUMENT, "contradicts"},
        {"ADD git@host:repo#-x z", KILN_PLAN_ERROR_ARGUMENT, "cannot be a git ref"},
        {"ADD https://x/y.git?what=1 z", KILN_PLAN_ERROR_ARGUMENT, "unexpected query"},
        {"COPY git@host:repo z", KILN_PLAN_ERROR_ARGUMENT, "COPY cannot fetch"},
        {"ADD --checksum=sha256:00 a z", KILN_PLAN_ERROR_ARGUMENT, "--checksum is for one URL"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {0};
        g_autofree char *text = g_strdup_printf("FROM bare\n%s\n", table[i].instruction);
        assert_refused(&f, text, table[i].code, table[i].part);
    }
    static const char *const good[] = {"u=rwX,go=rX", "+x", "a-w", "4755", "g=u"};
    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        g_auto(Fixture) f = {0};
        g_autofree char *text = g_strdup_printf("FROM bare\nCOPY --chmod=%s a b\n", good[i]);
        fixture_good(&f, text);
        g_assert_cmpstr(step(&f, 1)->chmod, ==, good[i]);
    }
}

static void test_workdir(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM bare\nWORKDIR rel\nWORKDIR b\nWORKDIR /c/\nWORKDIR ../d\nWORKDIR /\n");
    g_assert_true(warned(&f, "WorkdirRelativePath", "Relative workdir \"rel\""));
    g_assert_cmpuint(f.plan->warnings->len, ==, 1);
    g_autofree char *h = history(&f);
    g_assert_cmpstr(h, ==, "WORKDIR /rel\nWORKDIR /rel/b\nWORKDIR /c/\nWORKDIR /d\n-WORKDIR /\n");
    g_assert_cmpint(step(&f, 1)->kind, ==, KILN_STEP_WORKDIR);
    g_assert_cmpstr(step(&f, 3)->workdir, ==, "/c");
    g_assert_cmpuint(f.plan->steps->len, ==, 5);
}

/* ---- ONBUILD ---- */

static void test_onbuild_image(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM trigger\nENV B=$A\nONBUILD RUN later\nRUN own\n");
    g_autofree char *names = step_names(&f);
    g_assert_cmpstr(names, ==,
                    "[1/4] FROM docker.io/library/trigger:latest\n"
                    "[2/4] ONBUILD COPY . /src\n"
                    "[3/4] ONBUILD RUN make\n"
                    "[4/4] RUN own\n");
    g_autofree char *h = history(&f);
    g_assert_cmpstr(h, ==,
                    "-ENV A=1\nCOPY . /src # buildkit\nRUN /bin/sh -c make # buildkit\n-ENV B=1\n"
                    "RUN /bin/sh -c own # buildkit\n");
    g_assert_null(step(&f, 1)->file);
    g_assert_nonnull(step(&f, 3)->file);
    g_assert_cmpstr(config_json(f.plan->config, "OnBuild"), ==, "[\"RUN later\"]");
}

/* A stage's triggers run in the stage on it, and not in the one after that. */
static void test_onbuild_stage(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM alpine AS a\nONBUILD RUN from-a\nFROM a AS b\nRUN b\nFROM b\nRUN c\n");
    g_autofree char *names = step_names(&f);
    g_assert_cmpstr(names, ==,
                    "[a 1/1] FROM docker.io/library/alpine:latest\n"
                    "[b 1/2] ONBUILD RUN from-a\n"
                    "[b 2/2] RUN b\n"
                    "[stage-2 1/1] RUN c\n");
    g_assert_cmpstr(config_json(f.plan->config, "OnBuild"), ==, "null");
}

/* A trigger may need a stage that nothing else needs. */
static void test_onbuild_needs(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM alpine AS tools\nRUN t\nFROM trigger-from\n");
    g_assert_cmpuint(f.plan->steps->len, ==, 4);
    g_assert_true(f.plan->target->from.step == step(&f, 1));
}

static void test_onbuild_refused(void)
{
    g_auto(Fixture) chain = {0};
    fixture_plan(&chain, "FROM trigger-chain\n");
    g_assert_nonnull(chain.error);
    g_assert_true(g_str_has_prefix(chain.error->message, "Dockerfile:1:"));
    g_assert_nonnull(strstr(chain.error->message, "ONBUILD of trigger-chain"));
    g_auto(Fixture) bad = {0};
    assert_refused(&bad, "FROM trigger-bad\n", KILN_PLAN_ERROR_ARGUMENT,
                   "Dockerfile:1:1: ONBUILD of trigger-bad: COPY --chmod=999");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plan/steps/run", test_run);
    g_test_add_func("/plan/steps/run-heredoc", test_run_heredoc);
    g_test_add_func("/plan/steps/mounts", test_mounts);
    g_test_add_func("/plan/steps/secrets", test_secrets);
    g_test_add_func("/plan/steps/agents", test_agents);
    g_test_add_func("/plan/steps/sandbox", test_sandbox);
    g_test_add_func("/plan/steps/cache-namespace", test_cache_namespace);
    g_test_add_func("/plan/steps/run-refused", test_run_refused);
    g_test_add_func("/plan/steps/copy-destination", test_copy_destination);
    g_test_add_func("/plan/steps/copy", test_copy);
    g_test_add_func("/plan/steps/copy-heredoc", test_copy_heredoc);
    g_test_add_func("/plan/steps/copy-refused", test_copy_refused);
    g_test_add_func("/plan/steps/add-remote", test_add_remote);
    g_test_add_func("/plan/steps/workdir", test_workdir);
    g_test_add_func("/plan/steps/onbuild-image", test_onbuild_image);
    g_test_add_func("/plan/steps/onbuild-stage", test_onbuild_stage);
    g_test_add_func("/plan/steps/onbuild-needs", test_onbuild_needs);
    g_test_add_func("/plan/steps/onbuild-refused", test_onbuild_refused);
    return g_test_run();
}
