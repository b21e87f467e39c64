#include "cli/space.h"

#include "cli/names.h"
#include "cli/table.h"
#include "limits/limits.h"

#include <stdio.h>
#include <string.h>

#define DESCRIPTION_LENGTH 50

gint64 kiln_space_number(json_object *o, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(o, key, &value) ? json_object_get_int64(value) : 0;
}

bool kiln_space_flag(json_object *o, const char *key)
{
    json_object *value;
    return json_object_object_get_ex(o, key, &value) && json_object_get_boolean(value);
}

char *kiln_space_age(gint64 seconds)
{
    gint64 age = g_get_real_time() / G_USEC_PER_SEC - seconds;
    g_autofree char *duration = kiln_human_duration(MAX(age, 0));
    return seconds > 0 ? g_strconcat(duration, " ago", NULL) : g_strdup("");
}

/* --- Filters --------------------------------------------------------------------------------------------- */

static void set_number(KilnRequest *r, const char *key, guint64 number)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, number);
    kiln_request_set(r, key, text);
}

/* A duration before now, or a time, as Docker's filter "until" has it. */
static bool add_until(KilnRequest *r, const char *value, GError **error)
{
    guint64 milliseconds, seconds;
    gint64 now = g_get_real_time() / G_USEC_PER_SEC;
    g_autoptr(GTimeZone) zone = g_time_zone_new_local();
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(value, zone);
    if (kiln_timeout_parse(value, &milliseconds)) {
        set_number(r, "unused_since", (guint64)MAX(now - (gint64)(milliseconds / 1000), 1));
    } else if (time) {
        set_number(r, "unused_since", (guint64)MAX(g_date_time_to_unix(time), 1));
    } else if (g_ascii_string_to_unsigned(value, 10, 1, G_MAXINT64, &seconds, NULL)) {
        set_number(r, "unused_since", seconds);
    } else {
        return kiln_usage_error(error, "--filter until=%s: not a duration such as 24h, nor a time", value);
    }
    return true;
}

static bool add_type(KilnRequest *r, const char *value, GError **error)
{
    static const char *const types[] = {"regular",      "internal",    "exec.cachemount",
                                        "source.local", "source.http", "image", NULL};
    if (!g_strv_contains(types, value)) {
        return kiln_usage_error(error, "--filter type=%s: there are regular, internal, exec.cachemount, "
                                       "source.local, source.http and image", value);
    }
    kiln_request_add(r, "types", value);
    return true;
}

static bool add_id(KilnRequest *r, const char *value, GError **error)
{
    if (!*value) {
        return kiln_usage_error(error, "--filter id=: which one?");
    }
    kiln_request_add(r, "ids", value);
    return true;
}

bool kiln_space_add_filters(KilnRequest *r, const GPtrArray *filters, GError **error)
{
    static const struct {
        const char *key;
        bool (*add)(KilnRequest *r, const char *value, GError **error);
    } keys[] = {{"until=", add_until}, {"unused-for=", add_until}, {"type=", add_type}, {"id=", add_id}};
    for (guint i = 0; i < filters->len; i++) {
        const char *text = g_ptr_array_index(filters, i);
        guint k = 0;
        while (k < G_N_ELEMENTS(keys) && !g_str_has_prefix(text, keys[k].key)) {
            k++;
        }
        if (k == G_N_ELEMENTS(keys)) {
            return kiln_usage_error(error, "--filter %s: there are until=DURATION, type=TYPE and id=ID", text);
        }
        if (!keys[k].add(r, text + strlen(keys[k].key), error)) {
            return false;
        }
    }
    return true;
}

bool kiln_space_add_size(KilnRequest *r, const char *key, const char *where, const char *size, GError **error)
{
    guint64 bytes;
    if (!size) {
        return true;
    }
    if (!kiln_setting_size(size, where, &bytes, error)) {
        return false;
    }
    set_number(r, key, MAX(bytes, 1)); /* 0 would be no limit */
    return true;
}

/* --- Items ----------------------------------------------------------------------------------------------- */

bool kiln_space_style(KilnSpaceStyle *style, const char *format, GError **error)
{
    style->json = g_strcmp0(format, "json") == 0;
    return !format || style->json || strcmp(format, "table") == 0 ||
           kiln_usage_error(error, "--format %s is not supported; there are table and json", format);
}

static char *time_text(gint64 seconds)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);
    return seconds > 0 && time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
}

static json_object *text_or_null(const char *text)
{
    return text ? json_object_new_string(text) : NULL;
}

static void print_json(json_object *item)
{
    json_object *line = json_object_new_object(), *parents = kiln_result_array(item, "parents");
    g_autofree char *created = time_text(kiln_space_number(item, "created"));
    g_autofree char *used = time_text(kiln_space_number(item, "used"));
    json_object_object_add(line, "ID", text_or_null(kiln_result_string(item, "id")));
    json_object_object_add(line, "Type", text_or_null(kiln_result_string(item, "type")));
    json_object_object_add(line, "Description", text_or_null(kiln_result_string(item, "description")));
    json_object_object_add(line, "Size", json_object_new_int64(kiln_space_number(item, "size")));
    json_object_object_add(line, "SharedSize", json_object_new_int64(kiln_space_number(item, "shared")));
    json_object_object_add(line, "Reclaimable", json_object_new_boolean(kiln_space_flag(item, "reclaimable")));
    json_object_object_add(line, "InUse", json_object_new_boolean(kiln_space_flag(item, "in_use")));
    json_object_object_add(line, "CreatedAt", text_or_null(created));
    json_object_object_add(line, "LastUsedAt", text_or_null(used));
    if (parents) {
        json_object_object_add(line, "Parents", json_object_get(parents));
    }
    puts(json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(line);
}

static void print_field(const char *name, const char *value)
{
    g_autofree char *printable = kiln_printable(value ? value : "");
    printf("%-13s %s\n", name, printable);
}

/* As `docker buildx du --verbose`. */
static void print_verbose(json_object *item)
{
    json_object *parents = kiln_result_array(item, "parents");
    g_autoptr(GString) ids = g_string_new(NULL);
    for (guint i = 0; i < kiln_array_length(parents); i++) {
        g_string_append_printf(ids, "%s%s", i ? ", " : "",
                               json_object_get_string(json_object_array_get_idx(parents, i)));
    }
    g_autofree char *size = kiln_human_size(kiln_space_number(item, "size"));
    g_autofree char *shared = kiln_human_size(kiln_space_number(item, "shared"));
    g_autofree char *created = time_text(kiln_space_number(item, "created"));
    g_autofree char *used = time_text(kiln_space_number(item, "used"));
    print_field("ID:", kiln_result_string(item, "id"));
    if (ids->len) {
        print_field("Parents:", ids->str);
    }
    print_field("Created at:", created);
    print_field("Last used:", used);
    print_field("Type:", kiln_result_string(item, "type"));
    print_field("Reclaimable:", kiln_space_flag(item, "reclaimable") ? "true" : "false");
    print_field("In use:", kiln_space_flag(item, "in_use") ? "true" : "false");
    print_field("Size:", size);
    print_field("Shared:", shared);
    print_field("Description:", kiln_result_string(item, "description"));
    puts("");
}

static char *short_id(const char *id)
{
    return g_str_has_prefix(id, "sha256:") ? kiln_id_short(id) : g_strndup(id, 12);
}

static void add_row(KilnTable *table, const KilnSpaceStyle *style, json_object *item)
{
    const char *full = kiln_result_string(item, "id"), *type = kiln_result_string(item, "type");
    const char *text = kiln_result_string(item, "description");
    g_autofree char *id = style->full ? g_strdup(full) : short_id(full ? full : "");
    g_autofree char *description = text && !style->full && g_utf8_strlen(text, -1) > DESCRIPTION_LENGTH
                                       ? g_utf8_substring(text, 0, DESCRIPTION_LENGTH)
                                       : g_strdup(text ? text : "");
    g_autofree char *size = kiln_human_size(kiln_space_number(item, "size"));
    g_autofree char *shared = kiln_human_size(kiln_space_number(item, "shared"));
    g_autofree char *used = kiln_space_age(kiln_space_number(item, "used"));
    kiln_table_add(table, (const char *const[]){id, type ? type : "",
                                                kiln_space_flag(item, "reclaimable") ? "true" : "false", size,
                                                shared, used, description});
}

void kiln_space_print_items(const KilnSpaceStyle *style, json_object *items)
{
    static const char *const headings[] = {"ID",     "TYPE",          "RECLAIMABLE", "SIZE",
                                           "SHARED", "LAST ACCESSED", "DESCRIPTION", NULL};
    g_autoptr(KilnTable) table = kiln_table_new(headings);
    guint n = kiln_array_length(items);
    for (guint i = 0; i < n; i++) {
        json_object *item = json_object_array_get_idx(items, i);
        if (style->json) {
            print_json(item);
        } else if (style->verbose) {
            print_verbose(item);
        } else {
            add_row(table, style, item);
        }
    }
    if (!style->json && !style->verbose && n > 0) {
        g_autofree char *text = kiln_table_text(table);
        printf("%s\n", text);
    }
}
