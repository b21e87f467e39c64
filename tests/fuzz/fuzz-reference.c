/* Image references. */
#include "fuzz.h"
#include "remote/reference.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    g_autofree char *text = fuzz_string(data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnReference) r = kiln_reference_parse(text, &error);
    fuzz_result(r != NULL, error);
    (void)kiln_host_is_loopback(text);
    if (!r)
        return 0;
    /* Both ways of writing it mean the same again. */
    g_autofree char *canonical = kiln_reference_canonical(r);
    g_autofree char *familiar = kiln_reference_familiar(r);
    const char *const forms[] = {canonical, familiar};
    for (guint n = 0; n < G_N_ELEMENTS(forms); n++) {
        g_autoptr(KilnReference) again = kiln_reference_parse(forms[n], &error);
        g_assert_no_error(error);
        g_autofree char *second = kiln_reference_canonical(again);
        g_assert_cmpstr(second, ==, canonical);
    }
    return 0;
}
