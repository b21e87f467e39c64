#include "cli/names.h"
#include "cli/space.h"
#include "cli/table.h"

#include <stdio.h>

static void print_images(const KilnSpaceStyle *style, json_object *images)
{
    static const char *const headings[] = {"IMAGE", "IMAGE ID", "CREATED", "SIZE", "SHARED", "UNIQUE", NULL};
    g_autoptr(KilnTable) table = kiln_table_new(headings);
    for (guint i = 0; i < kiln_array_length(images); i++) {
        json_object *image = json_object_array_get_idx(images, i);
        const char *names = kiln_result_string(image, "names"), *full = kiln_result_string(image, "id");
        g_auto(GStrv) list = g_strsplit(names ? names : "<none>", ", ", -1);
        for (char **name = list; names && *name; name++) {
            char *familiar = kiln_name_familiar(*name);
            g_free(*name);
            *name = familiar;
        }
        g_autofree char *shown = g_strjoinv(", ", list);
        g_autofree char *id = style->full ? g_strdup(full) : kiln_id_short(full ? full : "");
        g_autofree char *created = kiln_space_age(kiln_space_number(image, "created"));
        g_autofree char *size = kiln_human_size(kiln_space_number(image, "size"));
        g_autofree char *shared = kiln_human_size(kiln_space_number(image, "shared"));
        g_autofree char *unique = kiln_human_size(kiln_space_number(image, "unique"));
        kiln_table_add(table, (const char *const[]){shown, id, created, size, shared, unique});
    }
    if (kiln_array_length(images) > 0) {
        g_autofree char *text = kiln_table_text(table);
        printf("%s\n", text);
    }
}

static void print_total(const char *name, gint64 bytes)
{
    g_autofree char *size = kiln_human_size(bytes);
    printf("%-13s %s\n", name, size);
}

static void print_summary(json_object *result)
{
    gint64 total = kiln_space_number(result, "total"), shared = kiln_space_number(result, "shared");
    if (shared > 0) {
        print_total("Shared:", shared);
        print_total("Private:", total - shared);
    }
    print_total("Reclaimable:", kiln_space_number(result, "reclaimable"));
    print_total("Total:", total);
}

static int by_size(const void *a, const void *b)
{
    gint64 x = kiln_space_number(*(json_object *const *)a, "size");
    gint64 y = kiln_space_number(*(json_object *const *)b, "size");
    return x > y ? -1 : x < y;
}

int kiln_command_du(KilnCall *call, GError **error)
{
    g_autofree char *format = NULL;
    KilnSpaceStyle style = {0};
    g_autoptr(GPtrArray) filters = g_ptr_array_new_with_free_func(g_free);
    const KilnFlag flags[] = {
        {0, "filter", KILN_FLAG_LIST, &filters, "FILTER", "until=DURATION, type=TYPE, id=ID; may be repeated"},
        {0, "format", KILN_FLAG_STRING, &format, "table|json", "Tables, or a JSON object a line"},
        {0, "no-trunc", KILN_FLAG_SWITCH, &style.full, NULL, "Shorten nothing"},
        {'v', "verbose", KILN_FLAG_SWITCH, &style.verbose, NULL, "Show all that is known of each"},
    };
    g_autoptr(KilnRequest) request = kiln_request_new("du");
    if (!kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error) || !kiln_space_style(&style, format, error) ||
        !kiln_space_add_filters(request, filters, error)) {
        return 0;
    }
    json_object *result;
    int code = kiln_call_run(call, request, "auto", "Measuring", &result, error);
    json_object *items = kiln_result_array(result, "items");
    if (items) {
        json_object_array_sort(items, by_size);
    }
    bool whole = result && !style.json && filters->len == 0;
    if (whole && !style.verbose) {
        print_images(&style, kiln_result_array(result, "images"));
    }
    kiln_space_print_items(&style, items);
    if (whole) {
        print_summary(result);
    }
    json_object_put(result);
    return code;
}
