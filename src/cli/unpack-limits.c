#include "cli/unpack-limits.h"

void kiln_unpack_flags(KilnUnpackLimits *l, KilnFlag flags[KILN_N_UNPACK_FLAGS])
{
    flags[0] = (KilnFlag){
        0,        "max-layer-size", KILN_FLAG_STRING,
        &l->size, "SIZE",           "What a layer or archive may unpack to (256g; 0: anything)"};
    flags[1] = (KilnFlag){0,
                          "max-layer-entries",
                          KILN_FLAG_STRING,
                          &l->entries,
                          "N",
                          "Files that it may have (2000000; 0: any number)"};
}

void kiln_unpack_limits_clear(KilnUnpackLimits *l)
{
    g_clear_pointer(&l->size, g_free);
    g_clear_pointer(&l->entries, g_free);
}

static void set_number(KilnRequest *r, const char *key, guint64 number)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, number);
    kiln_request_set(r, key, text);
}

bool kiln_unpack_limits_add(KilnRequest *r, const KilnCall *call, const KilnUnpackLimits *l,
                            GError **error)
{
    const char *size = kiln_setting_choose(l->size, NULL, call->settings.max_layer_size);
    const char *entries = kiln_setting_choose(l->entries, NULL, call->settings.max_layer_entries);
    guint64 number;
    if (size) {
        if (!kiln_setting_size(size, "--max-layer-size", &number, error)) {
            return false;
        }
        set_number(r, "max_layer_size", number);
    }
    if (entries) {
        if (!kiln_setting_count(entries, "--max-layer-entries", &number, error)) {
            return false;
        }
        set_number(r, "max_layer_entries", number);
    }
    return true;
}
