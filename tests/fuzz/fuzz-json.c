/* The JSON form of instructions. */
#include "dockerfile/json.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    /* A copy, so that a read behind its end is seen. */
    g_autofree char *text = g_memdup2(data, size);
    g_autoptr(GPtrArray) strings = g_ptr_array_new();
    g_autoptr(GArray) spans = g_array_new(FALSE, FALSE, sizeof(KilnSpan));
    KilnSpan bad = {0, 0};
    KilnArena arena;
    kiln_arena_init(&arena);
    KilnJsonForm form = kiln_json_strings(text, (KilnSpan){0, size}, &arena, strings, spans, &bad);
    g_assert_cmpuint(strings->len, ==, spans->len);
    g_assert_true(form == KILN_JSON_STRINGS || strings->len == 0);
    for (guint n = 0; n < spans->len; n++) {
        KilnSpan span = g_array_index(spans, KilnSpan, n);
        g_assert_true(span.start < span.end && span.end <= size);
    }
    if (form == KILN_JSON_MIXED || form == KILN_JSON_NUL)
        g_assert_true(bad.start < bad.end && bad.end <= size);
    kiln_arena_clear(&arena);
    return 0;
}
