/* Instructions that change the configuration: their history and what they set. */
#include "fixture.h"

#include "plan/gotext.h"

static void test_table(void)
{
    static const struct {
        const char *instructions; /* after FROM app */
        const char *history, *field, *json;
    } table[] = {
        {"ENV A=b", "-ENV A=b\n", "Env", "[\"PATH=/bin\",\"V=base\",\"A=b\"]"},
        {"ENV V=1 A=2", "-ENV V=1 A=2\n", "Env", "[\"PATH=/bin\",\"V=1\",\"A=2\"]"},
        {"ENV A the rest of it", "-ENV A=the rest of it\n", "Env",
         "[\"PATH=/bin\",\"V=base\",\"A=the rest of it\"]"},
        {"LABEL a=b \"c d\"=e", "-LABEL a=b c d=e\n", "Labels", "{\"a\":\"b\",\"c d\":\"e\"}"},
        {"CMD [\"a\", \"b c\"]", "-CMD [\"a\" \"b c\"]\n", "Cmd", "[\"a\",\"b c\"]"},
        {"CMD a $b", "-CMD [\"/bin/sh\" \"-c\" \"a $b\"]\n", "Cmd",
         "[\"/bin/sh\",\"-c\",\"a $b\"]"},
        {"CMD [\"t\\t\\\"q\\\"\"]", "-CMD [\"t\\t\\\"q\\\"\"]\n", "Cmd", "[\"t\\t\\\"q\\\"\"]"},
        {"SHELL [\"/bin/bash\", \"-c\"]\nCMD x",
         "-SHELL [/bin/bash -c]\n-CMD [\"/bin/bash\" \"-c\" \"x\"]\n", "Shell",
         "[\"/bin/bash\",\"-c\"]"},
        {"ENTRYPOINT [\"x\"]", "-ENTRYPOINT [\"x\"]\n", "Entrypoint", "[\"x\"]"},
        {"ENTRYPOINT x y", "-ENTRYPOINT [\"/bin/sh\" \"-c\" \"x y\"]\n", "Entrypoint",
         "[\"/bin/sh\",\"-c\",\"x y\"]"},
        /* the base's CMD was for the base's ENTRYPOINT; the stage's own is not touched */
        {"ENTRYPOINT [\"x\"]", "-ENTRYPOINT [\"x\"]\n", "Cmd", "null"},
        {"CMD [\"c\"]\nENTRYPOINT [\"x\"]", "-CMD [\"c\"]\n-ENTRYPOINT [\"x\"]\n", "Cmd",
         "[\"c\"]"},
        {"CMD [\"c\"]", "-CMD [\"c\"]\n", "Entrypoint", "[\"/run\"]"},
        {"ENTRYPOINT []", "-ENTRYPOINT []\n", "Entrypoint", "null"},
        {"EXPOSE 80", "-EXPOSE [80/tcp]\n", "ExposedPorts", "{\"80/tcp\":{}}"},
        {"EXPOSE 53/udp 8000-8002 22/TCP", "-EXPOSE [22/tcp 53/udp 8000/tcp 8001/tcp 8002/tcp]\n",
         NULL, NULL},
        {"ENV P=\"1 2/sctp\"\nEXPOSE $P", "-ENV P=1 2/sctp\n-EXPOSE [1/tcp 2/sctp]\n", NULL, NULL},
        {"EXPOSE 127.0.0.1:8080:80", "-EXPOSE [80/tcp]\n", NULL, NULL},
        {"USER me", "-USER me\n", "User", "\"me\""},
        {"VOLUME /a /b", "-VOLUME [/a /b]\n", "Volumes", "{\"/a\":{},\"/b\":{}}"},
        {"VOLUME [\"/a b\"]", "-VOLUME [/a b]\n", "Volumes", "{\"/a b\":{}}"},
        {"WORKDIR /", "-WORKDIR /\n", "WorkingDir", "\"/\""},
        {"STOPSIGNAL SIGTERM", "-STOPSIGNAL SIGTERM\n", "StopSignal", "\"SIGTERM\""},
        {"STOPSIGNAL 9", "-STOPSIGNAL 9\n", "StopSignal", "\"9\""},
        {"STOPSIGNAL rtmin+3", "-STOPSIGNAL rtmin+3\n", "StopSignal", "\"rtmin+3\""},
        {"MAINTAINER Me <me@x.y>", "-MAINTAINER Me <me@x.y>\n", NULL, NULL},
        {"ONBUILD RUN  x", "", "OnBuild", "[\"RUN  x\"]"},
        {"HEALTHCHECK NONE",
         "-HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s "
         "Retries:0}\n",
         "Healthcheck", "{\"Test\":[\"NONE\"]}"},
        {"HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD curl -f x",
         "-HEALTHCHECK {Test:[CMD-SHELL curl -f x] Interval:1m30s Timeout:500ms StartPeriod:0s "
         "StartInterval:0s Retries:3}\n",
         "Healthcheck",
         "{\"Test\":[\"CMD-SHELL\",\"curl -f x\"],\"Interval\":90000000000,\"Timeout\":500000000,"
         "\"Retries\":3}"},
        {"HEALTHCHECK CMD [\"a\", \"b\"]",
         "-HEALTHCHECK {Test:[CMD a b] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s "
         "Retries:0}\n",
         "Healthcheck", "{\"Test\":[\"CMD\",\"a\",\"b\"]}"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {0};
        g_autofree char *text = g_strdup_printf("FROM app\n%s\n", table[i].instructions);
        fixture_good(&f, text);
        g_autofree char *h = history(&f);
        g_assert_cmpstr(h, ==, table[i].history);
        g_assert_cmpuint(f.plan->steps->len, ==, 1); /* no layer but the base's */
        if (table[i].field)
            g_assert_cmpstr(config_json(f.plan->config, table[i].field), ==, table[i].json);
    }
}

static void test_author(void)
{
    g_auto(Fixture) f = {0};
    fixture_good(&f, "FROM app\nMAINTAINER Me\n");
    json_object *author = NULL;
    json_object_object_get_ex(kiln_config_json(f.plan->config), "author", &author);
    g_assert_cmpstr(json_object_get_string(author), ==, "Me");
}

/* --label comes last, and leaves no history. */
static void test_labels(void)
{
    static const char *const labels[] = {"a=option", "x=y=z", "empty", NULL};
    g_auto(Fixture) f = {.options = {.labels = labels}};
    fixture_good(&f, "FROM app\nLABEL a=file b=1\n");
    g_assert_cmpstr(config_json(f.plan->config, "Labels"), ==,
                    "{\"a\":\"option\",\"b\":\"1\",\"x\":\"y=z\",\"empty\":\"\"}");
    g_autofree char *h = history(&f);
    g_assert_cmpstr(h, ==, "-LABEL a=file b=1\n");

    static const char *const bad[] = {"=x", NULL};
    g_auto(Fixture) refused = {.options = {.labels = bad}};
    assert_refused(&refused, "FROM app\n", KILN_PLAN_ERROR_ARGUMENT, "--label =x");
}

static void test_warnings(void)
{
    static const struct {
        const char *instructions, *rule, *part;
        guint line;
    } table[] = {
        {"CMD b", "JSONArgsRecommended", "CMD", 2},
        {"ENTRYPOINT b", "JSONArgsRecommended", "ENTRYPOINT", 2},
        {"SHELL [\"x\"]\nCMD b\nFROM app\nCMD b", "JSONArgsRecommended", "CMD", 5},
        {"ENV b c", "LegacyKeyValueFormat", "ENV", 2},
        {"LABEL b=c\nLABEL b c", "LegacyKeyValueFormat", "LABEL", 3},
        {"CMD [\"b\"]\nUSER x\nCMD [\"c\"]", "MultipleInstructionsDisallowed", "line 4", 2},
        {"HEALTHCHECK NONE\nHEALTHCHECK NONE", "MultipleInstructionsDisallowed", "HEALTHCHECK", 2},
        {"# check=skip=JSONArgsRecommended\nCMD b\nENTRYPOINT c", "JSONArgsRecommended", "ENTRYPOINT", 4},
        {"EXPOSE 80/TCP", "ExposeProtoCasing", "80/TCP", 2},
        {"EXPOSE 80:80", "ExposeInvalidFormat", "80:80", 2},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {0};
        g_autofree char *text = g_strdup_printf("FROM app\n%s\n", table[i].instructions);
        fixture_good(&f, text);
        g_assert_true(warned(&f, table[i].rule, table[i].part));
        const KilnDockerfileWarning *w = g_ptr_array_index(f.plan->warnings, 0);
        g_assert_cmpuint(w->place.line, ==, table[i].line);
    }
}

/* What is not set may be set by a base that is not known; and stages that the target does not need count, too. */
static void test_unknown_base(void)
{
    static const struct {
        const char *text;
        bool told;
    } files[] = {
        {"FROM unknown\nENV A=$B", false},
        {"FROM unknown AS b\nFROM b\nENV A=$B", false},
        {"FROM unknown\nCMD b", true},
        {"FROM scratch AS other\nENV A=$B\nFROM unknown", true},
    };
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_auto(Fixture) f = {.options = {.all_stages = true}};
        fixture_good(&f, files[i].text);
        g_assert_cmpuint(f.plan->warnings->len, ==, files[i].told);
        g_assert_null(kiln_config_string(f.plan->config, "User"));
    }
}

static void test_refused(void)
{
    static const struct {
        const char *instruction, *part;
    } table[] = {
        {"EXPOSE http", "invalid port \"http\""},
        {"EXPOSE 70000", "invalid port \"70000\""},
        {"EXPOSE 90-80", "invalid port \"90-80\""},
        {"EXPOSE 80/icmp", "unknown protocol \"icmp\""},
        {"EXPOSE nowhere:80:80", "invalid IP address"},
        {"EXPOSE 1-2:80-83", "invalid host port"},
        {"STOPSIGNAL SIGNOTHING", "unknown signal \"SIGNOTHING\""},
        {"STOPSIGNAL 0", "unknown signal"},
        {"VOLUME $NOTHING", "expands to nothing"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_auto(Fixture) f = {0};
        g_autofree char *text = g_strdup_printf("FROM app\n%s\n", table[i].instruction);
        assert_refused(&f, text, KILN_PLAN_ERROR_ARGUMENT, table[i].part);
        g_assert_true(g_str_has_prefix(f.error->message, "Dockerfile:2:"));
    }
}

static void test_change(void)
{
    static const struct {
        const char *instruction, *field, *json;
    } table[] = {
        {"CMD [\"sh\"]", "Cmd", "[\"sh\"]"},
        {"CMD sh", "Cmd", "[\"/bin/sh\",\"-c\",\"sh\"]"},
        {"ENTRYPOINT [\"x\"]", "Entrypoint", "[\"x\"]"},
        {"ENV A=b", "Env", "[\"PATH=/bin\",\"A=b\"]"},
        {"env B=$PATH:/x", "Env", "[\"PATH=/bin\",\"B=/bin:/x\"]"},
        {"EXPOSE 80", "ExposedPorts", "{\"80/tcp\":{}}"},
        {"LABEL a=b", "Labels", "{\"a\":\"b\"}"},
        {"ONBUILD RUN x", "OnBuild", "[\"RUN x\"]"},
        {"STOPSIGNAL INT", "StopSignal", "\"INT\""},
        {"USER u", "User", "\"u\""},
        {"VOLUME /v", "Volumes", "{\"/v\":{}}"},
        {"WORKDIR /w", "WorkingDir", "\"/w\""},
        {"WORKDIR w", "WorkingDir", "\"/w\""},
        {"HEALTHCHECK NONE", "Healthcheck", "{\"Test\":[\"NONE\"]}"},
        {"SHELL [\"s\"]", "Shell", "[\"s\"]"},
    };
    static const char base[] = "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":["
                               "\"PATH=/bin\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}";
    for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autoptr(KilnConfig) config = kiln_config_parse(base, strlen(base), NULL);
        GError *error = NULL;
        g_assert_true(kiln_config_change(config, table[i].instruction, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(config_json(config, table[i].field), ==, table[i].json);
    }
    static const char *const refused[] = {"RUN x", "COPY a b",     "FROM x",
                                          "ARG a", "MAINTAINER m", "NONSENSE",
                                          "",      "EXPOSE http",  "ENV A=${B?no}"};
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(KilnConfig) config = kiln_config_parse(base, strlen(base), NULL);
        g_autoptr(GError) error = NULL;
        g_assert_false(kiln_config_change(config, refused[i], &error));
        g_assert_nonnull(error);
        g_assert_true(g_str_has_prefix(error->message, "--change"));
    }
}

/* What Go's fmt and time print. */
static void test_gotext(void)
{
    static const struct {
        const char *text, *quoted;
    } strings[] = {
        {"a b", "\"a b\""},
        {"\"\\", "\"\\\"\\\\\""},
        {"\n\t\a", "\"\\n\\t\\a\""},
        {"\x01\x7f", "\"\\x01\\x7f\""},
        {"é☃", "\"é☃\""},
        {"\xff", "\"\\xff\""},
        {"\u00a0\u200b", "\"\\u00a0\\u200b\""},
    };
    for (guint i = 0; i < G_N_ELEMENTS(strings); i++) {
        g_autofree char *quoted = kiln_go_quote(strings[i].text);
        g_assert_cmpstr(quoted, ==, strings[i].quoted);
    }
    static const struct {
        gint64 nanoseconds;
        const char *text;
    } durations[] = {
        {0, "0s"},
        {1, "1ns"},
        {1500, "1.5µs"},
        {2000000, "2ms"},
        {1000000000, "1s"},
        {1050000000, "1.05s"},
        {90000000000, "1m30s"},
        {3600000000000, "1h0m0s"},
        {-1000000000, "-1s"},
        {G_MININT64, "-2562047h47m16.854775808s"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(durations); i++) {
        g_autofree char *text = kiln_go_duration(durations[i].nanoseconds);
        g_assert_cmpstr(text, ==, durations[i].text);
    }
    g_autofree char *empty = kiln_go_list(NULL);
    g_assert_cmpstr(empty, ==, "[]");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plan/metadata/table", test_table);
    g_test_add_func("/plan/metadata/author", test_author);
    g_test_add_func("/plan/metadata/labels", test_labels);
    g_test_add_func("/plan/metadata/warnings", test_warnings);
    g_test_add_func("/plan/metadata/unknown-base", test_unknown_base);
    g_test_add_func("/plan/metadata/refused", test_refused);
    g_test_add_func("/plan/metadata/change", test_change);
    g_test_add_func("/plan/metadata/gotext", test_gotext);
    return g_test_run();
}
