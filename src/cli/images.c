#include "cli/command.h"
#include "cli/names.h"
#include "cli/table.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    bool quiet, full_ids, json;
    KilnTable *table;
} Listing;

static gint64 get_number(json_object *image, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(image, key, &value) ? json_object_get_int64(value) : 0;
}

static void print_json(const char *const *cells, gint64 created)
{
    static const char *const keys[] = {"Repository", "Tag", "ID", "CreatedSince", "Size"};
    json_object *line = json_object_new_object();
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        json_object_object_add(line, keys[i], json_object_new_string(cells[i]));
    }
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(created);
    g_autofree char *at = time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
    json_object_object_add(line, "CreatedAt", at ? json_object_new_string(at) : NULL);
    puts(json_object_to_json_string_ext(line,
                                        JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(line);
}

/* One line for each name. */
static void list_image(const Listing *l, json_object *image)
{
    const char *full = kiln_result_string(image, "image_id");
    g_autofree char *id = l->full_ids ? g_strdup(full) : kiln_id_short(full ? full : "");
    if (l->quiet) {
        puts(id);
        return;
    }
    gint64 created = get_number(image, "created");
    gint64 age = g_get_real_time() / G_USEC_PER_SEC - created;
    g_autofree char *duration = kiln_human_duration(MAX(age, 0));
    g_autofree char *since = g_strconcat(duration, " ago", NULL);
    g_autofree char *size = kiln_human_size(get_number(image, "size"));
    json_object *names = kiln_result_array(image, "names");
    guint n = kiln_array_length(names);
    for (guint i = 0; i < MAX(n, 1); i++) {
        g_autofree char *repository = NULL, *tag = NULL;
        kiln_name_split(n > 0 ? json_object_get_string(json_object_array_get_idx(names, i))
                              : "<none>",
                        &repository, &tag);
        const char *cells[] = {repository, tag, id, since, size};
        if (l->json) {
            print_json(cells, created);
        } else {
            kiln_table_add(l->table, cells);
        }
    }
}

static void print_images(Listing *l, json_object *result)
{
    static const char *const headings[] = {"REPOSITORY", "TAG",  "IMAGE ID",
                                           "CREATED",    "SIZE", NULL};
    g_autoptr(KilnTable) table = kiln_table_new(headings);
    l->table = table;
    json_object *images = kiln_result_array(result, "images");
    for (guint i = 0; i < kiln_array_length(images); i++) {
        list_image(l, json_object_array_get_idx(images, i));
    }
    if (!l->quiet && !l->json) {
        g_autofree char *text = kiln_table_text(table);
        fputs(text, stdout);
    }
}

int kiln_command_images(KilnCall *call, GError **error)
{
    g_autofree char *format = NULL;
    Listing listing = {0};
    const KilnFlag flags[] = {
        {0, "format", KILN_FLAG_STRING, &format, "table|json", "A table, or a JSON object a line"},
        {0, "no-trunc", KILN_FLAG_SWITCH, &listing.full_ids, NULL, "Show whole image IDs"},
        {'q', "quiet", KILN_FLAG_SWITCH, &listing.quiet, NULL, "Show image IDs alone"},
        {'a', "all", KILN_FLAG_IGNORED_SWITCH},
    };
    if (!kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error)) {
        return 0;
    }
    listing.json = g_strcmp0(format, "json") == 0;
    if (format && !listing.json && strcmp(format, "table") != 0) {
        g_set_error(error, KILN_ERROR, KILN_ERROR_USAGE,
                    "--format %s is not supported; there are table and json", format);
        return 0;
    }
    g_autoptr(KilnRequest) request = kiln_request_new("images");
    for (guint i = 0; i < call->arguments->len; i++) {
        kiln_request_add(request, "names", g_ptr_array_index(call->arguments, i));
    }
    json_object *result;
    int code = kiln_call_run(call, request, "auto", "Listing", &result, error);
    if (result) {
        print_images(&listing, result);
    }
    json_object_put(result);
    return code;
}
