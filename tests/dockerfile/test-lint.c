/* Warnings under BuildKit's rule names. Expected are "RULE LINE:COLUMN", one a line. */
#include "dockerfile/lint.h"
#include "dump.h"

static const char *const cases[][2] = {
    {"FROM a AS b\nRUN c\nCMD [\"d\"]", ""},
    {"FROM a AS Build", "StageNameCasing 1:11"},
    {"FROM a as b", "FromAsCasing 1:8"},
    {"from a AS b", "FromAsCasing 1:8"},
    {"From a as b\nRUN c", "ConsistentInstructionCasing 1:1"}, /* mixed: one warning is enough */
    {"FROM a\nRUN b \\\n\n  c\n", "NoEmptyContinuation 4:1"},
    {"FROM a\nRUN b\nrun c\nRun d",
     "ConsistentInstructionCasing 3:1\nConsistentInstructionCasing 4:1"},
    {"from a\nrun b\nRUN c", "ConsistentInstructionCasing 3:1"},
    {"arg X\nFROM a\nRUN b", ""}, /* global ARGs do not count */
    {"FROM a AS b\nFROM c AS B", "StageNameCasing 2:11\nDuplicateStageName 2:11"},
    {"FROM a AS scratch\nFROM a AS context", "ReservedStageName 1:11\nReservedStageName 2:11"},
    {"FROM a\nMAINTAINER b", "MaintainerDeprecated 2:1"},
    {"# describes it\nFROM a AS b\n# b is it\nARG b", ""}, /* experimental */
    {"# check=experimental=all\n# bad\nFROM a AS b\n# b is it\nARG b\n# no\n#\nARG c\n# x\n\nARG d e",
     "InvalidDefinitionDescription 3:1\nInvalidDefinitionDescription 11:1"},
    {"# check=skip=all;experimental=InvalidDefinitionDescription\n# bad\nFROM a AS B",
     "InvalidDefinitionDescription 3:1"},
    {"FROM a\n# check=skip=MaintainerDeprecated\nMAINTAINER b\nMAINTAINER c", "MaintainerDeprecated 4:1"},
    {"# check=skip=MaintainerDeprecated,FromAsCasing\nFROM a as B\nMAINTAINER c",
     "StageNameCasing 2:11"},
    {"# check=skip=all;error=true\nFROM a as B\nCMD c", ""},
    {"# check=error=true\nFROM a\nMAINTAINER c", "MaintainerDeprecated 3:1"},
    /* BuildKit stores triggers unread; what is wrong with one is worth a warning */
    {"FROM a\nONBUILD COPY . /b", ""},
    {"FROM a\nONBUILD COPY b", "InvalidOnbuildTrigger 2:9"},
    {"FROM a\nONBUILD COPY --fromm=b c d", "InvalidOnbuildTrigger 2:14"},
    {"FROM a\nONBUILD \\\n COYP b c", "InvalidOnbuildTrigger 3:2"},
};

static void test_strict(void)
{
    const struct {
        const char *text;
        bool strict;
    } files[] = {
        {"FROM a", false},
        {"# check=error=true\nFROM a", true},
        {"# check=skip=all;error=true\nFROM a", true},
        {"# check=error=false\nFROM a", false},
        {"# check=skip=error=true\nFROM a", false},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(KilnDockerfile) d = parse_ok(files[i].text);
        g_assert_cmpint(kiln_lint_is_strict(d), ==, files[i].strict);
    }
}

static void test_case(gconstpointer data)
{
    const char *const *c = data;
    g_autoptr(KilnDockerfile) d = parse_ok(c[0]);
    g_autoptr(GString) got = g_string_new(NULL);
    for (guint n = 0; n < d->warnings->len; n++) {
        const KilnDockerfileWarning *warning = g_ptr_array_index(d->warnings, n);
        g_assert_cmpstr(warning->text, !=, "");
        g_string_append_printf(got, "%s%s %u:%u", n > 0 ? "\n" : "", warning->rule,
                               warning->place.line, warning->place.column);
    }
    g_assert_cmpstr(got->str, ==, c[1]);
}

/* The options themselves can be wrong. */
static void test_bad_options(void)
{
    static const char *const bad[] = {"# check=foo\nFROM a", "# check=error=maybe\nFROM a",
                                      "# check=skip=a;frob=b\nFROM a"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(KilnDockerfile) d = kiln_dockerfile_parse(bad[i], strlen(bad[i]), "Dockerfile", &error);
        g_assert_null(d);
        g_assert_nonnull(strstr(error->message, "Dockerfile:1:"));
        g_assert_nonnull(strstr(error->message, "check option"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autofree char *path = g_strdup_printf("/lint/%02" G_GSIZE_FORMAT, n);
        g_test_add_data_func(path, cases[n], test_case);
    }
    g_test_add_func("/lint/strict", test_strict);
    g_test_add_func("/lint/bad-options", test_bad_options);
    return g_test_run();
}
