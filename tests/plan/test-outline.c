/* What can be given to a target. */
#include "fixture.h"

#include "plan/outline.h"

/* "name=value (description) @line used:lines" for each item. */
static char *shown(const GPtrArray *items)
{
    GString *out = g_string_new(NULL);
    for (guint n = 0; n < items->len; n++) {
        const KilnOutlineItem *item = g_ptr_array_index(items, n);
        g_string_append_printf(out, "%s=%s (%s) @%u", item->name, item->value ? item->value : "-",
                               item->description ? item->description : "", item->place.line);
        for (guint k = 0; k < item->used->len; k++)
            g_string_append_printf(out, " %u", g_array_index(item->used, guint, k));
        g_string_append_c(out, '\n');
    }
    return g_string_free(out, FALSE);
}

static void check(const char *text, const char *target, const char *expected)
{
    const char *const args[] = {"GIVEN=yes", NULL};
    g_autoptr(KilnOutline) outline = kiln_outline_new();
    g_auto(Fixture) f = {.options = {.target = target, .build_args = args, .outline = outline}};
    fixture_good(&f, text);
    g_autofree char *found = shown(outline->arguments);
    g_assert_cmpstr(found, ==, expected);
}

static void test_arguments(void)
{
    check("FROM alpine\nARG A\nARG B=1 GIVEN=no\nRUN $A ${B} \\\n $A\n", NULL,
          "A=- () @2 4\nB=1 () @3 4\nGIVEN=yes () @3\n");
    check("FROM alpine\nARG A=1\nARG A=$A$A\nRUN $A\n", NULL, "A=11 () @3 3 4\n");
}

/* Those before the first FROM count where something reads them, if only through another. */
static void test_globals(void)
{
    check("ARG X=pine\nARG UNUSED=1\nARG Y=al$X\nFROM $Y\n", NULL, "X=pine () @1 3\nY=alpine () @3 4\n");
    check("ARG X=1\nFROM alpine\nARG X\nRUN $X\n", NULL, "X=1 () @1 4\n");
    check("ARG X=1\nFROM alpine\nARG X=2\nRUN $X\n", NULL, "X=2 () @3 4\n");
}

/* The target, what it stands on and what it reads; of a name the ARG nearest to the target. */
static void test_stages(void)
{
    static const char text[] = "FROM alpine AS one\nARG A=1\nARG B=1\nFROM alpine AS two\nARG C=1\n"
                               "FROM one AS three\nARG A=3\nFROM alpine\nCOPY --from=two /x /\n";
    check(text, "three", "B=1 () @3\nA=3 () @7\n");
    check(text, NULL, "C=1 () @5\n");
}

static void test_descriptions(void)
{
    check("FROM alpine\n# A is first\n# A is second\nARG A\n", NULL, "A=- (is first) @4\n");
    check("FROM alpine\n# A is old\n#\n# AB\nARG A\n", NULL, "A=- () @5\n");
    check("FROM alpine\n  #   A is \t indented  \nARG A B\n", NULL, "A=- (is \t indented) @3\nB=- () @3\n");
}

static void test_caches(void)
{
    g_autoptr(KilnOutline) outline = kiln_outline_new();
    g_auto(Fixture) f = {.options = {.outline = outline}};
    fixture_good(&f, "FROM alpine\nARG N=x\nRUN --mount=type=cache,id=$N,target=/a "
                     "--mount=type=cache,target=/b true\nRUN --mount=type=cache,id=x,target=/c true\n");
    g_autofree char *found = shown(outline->caches);
    g_assert_cmpstr(found, ==, "x=- () @3\n/b=- () @3\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/outline/arguments", test_arguments);
    g_test_add_func("/outline/globals", test_globals);
    g_test_add_func("/outline/stages", test_stages);
    g_test_add_func("/outline/descriptions", test_descriptions);
    g_test_add_func("/outline/caches", test_caches);
    return g_test_run();
}
