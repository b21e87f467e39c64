#include "report/wire.h"

#include <string.h>

static void test_round_trip(void)
{
    const KilnEvent events[] = {
        {.type = KILN_EVENT_STEP_START, .step = 3, .name = "[builder 2/5] RUN npm install"},
        {.type = KILN_EVENT_STEP_LOG, .step = 3, .text = "añadido \"x\"\t\\", .seconds = 0.412},
        {.type = KILN_EVENT_STEP_PROGRESS,
         .step = 1,
         .text = "sha256:abc",
         .done = 5368709120,
         .total = 5368709121},
        {.type = KILN_EVENT_STEP_DONE,
         .step = 3,
         .name = "n",
         .text = "exit code: 1",
         .verdict = KILN_VERDICT_ERROR,
         .seconds = 12.5},
        {.type = KILN_EVENT_WARNING, .rule = "StageNameCasing", .text = "two\nlines"},
        {.type = KILN_EVENT_ERROR, .text = "interrupted", .exit_code = 130},
    };
    for (guint i = 0; i < G_N_ELEMENTS(events); i++) {
        json_object *json = kiln_event_to_json(&events[i]);
        KilnEvent back;
        g_assert_true(kiln_event_from_json(json, &back));
        g_assert_cmpint(back.type, ==, events[i].type);
        g_assert_cmpuint(back.step, ==, events[i].step);
        g_assert_cmpstr(back.name, ==, events[i].name);
        g_assert_cmpstr(back.text, ==, events[i].text);
        g_assert_cmpstr(back.rule, ==, events[i].rule);
        g_assert_cmpint(back.verdict, ==, events[i].verdict);
        g_assert_cmpfloat_with_epsilon(back.seconds, events[i].seconds, 1e-6);
        g_assert_cmpint(back.done, ==, events[i].done);
        g_assert_cmpint(back.total, ==, events[i].total);
        g_assert_cmpint(back.exit_code, ==, events[i].exit_code);
        json_object_put(json);
    }
}

/* The result is a document, not a string with a document in it. */
static void test_result(void)
{
    KilnEvent back, e = {.type = KILN_EVENT_RESULT, .data = "{\"image_id\":\"sha256:1/2\"}"};
    json_object *json = kiln_event_to_json(&e), *data;
    g_assert_true(json_object_object_get_ex(json, "data", &data));
    g_assert_true(json_object_is_type(data, json_type_object));
    g_assert_true(kiln_event_from_json(json, &back));
    g_assert_cmpstr(back.data, ==, e.data);
    json_object_put(json);
}

static void test_invalid_utf8(void)
{
    KilnEvent e = {.type = KILN_EVENT_STEP_LOG, .step = 1, .text = "caf\xe9"};
    json_object *json = kiln_event_to_json(&e);
    g_assert_true(g_utf8_validate(json_object_to_json_string(json), -1, NULL));
    json_object_put(json);
}

static void test_not_events(void)
{
    static const char *const texts[] = {
        "{}", "{\"message\":\"cancel\"}", "{\"event\":\"unheard of\"}", "{\"event\":1}", "[]", "3",
    };
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        KilnEvent e;
        json_object *json = json_tokener_parse(texts[i]);
        g_assert_false(kiln_event_from_json(json, &e));
        json_object_put(json);
    }
}

static void test_wrong_types(void)
{
    KilnEvent e;
    json_object *json = json_tokener_parse("{\"event\":\"step_done\",\"step\":-4,\"text\":[1],"
                                           "\"seconds\":\"x\",\"verdict\":\"odd\",\"done\":{}}");
    g_assert_true(kiln_event_from_json(json, &e));
    g_assert_cmpuint(e.step, ==, 0);
    g_assert_null(e.text);
    g_assert_cmpfloat(e.seconds, ==, 0);
    g_assert_cmpint(e.verdict, ==, KILN_VERDICT_NONE);
    g_assert_cmpint(e.done, ==, 0);
    json_object_put(json);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/report/event/round-trip", test_round_trip);
    g_test_add_func("/report/event/result", test_result);
    g_test_add_func("/report/event/invalid-utf8", test_invalid_utf8);
    g_test_add_func("/report/event/not-events", test_not_events);
    g_test_add_func("/report/event/wrong-types", test_wrong_types);
    return g_test_run();
}
