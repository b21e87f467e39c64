#include "cli/space.h"
#include "cli/table.h"

#include <stdio.h>
#include <unistd.h>

typedef struct {
    bool all, force, dry_run;
    char *keep_storage, *max_used, *reserved, *min_free, *format;
    GPtrArray *filters;
    KilnSpaceStyle style;
} PruneFlags;

static bool confirmed(const PruneFlags *f)
{
    char answer[16];
    fprintf(stderr, "WARNING! This will remove %s that no image with a name needs, and images without one.\n"
                    "Are you sure you want to continue? [y/N] ",
            f->all ? "all of the build cache" : "the build cache");
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static bool fill(KilnRequest *r, const PruneFlags *f, GError **error)
{
    kiln_request_set(r, "all", f->all ? "true" : NULL);
    kiln_request_set(r, "dry_run", f->dry_run ? "true" : NULL);
    return kiln_space_add_filters(r, f->filters, error) &&
           kiln_space_add_size(r, "reserved", "--keep-storage", f->keep_storage, error) &&
           kiln_space_add_size(r, "reserved", "--reserved-space", f->reserved, error) &&
           kiln_space_add_size(r, "max_used", "--max-used-space", f->max_used, error) &&
           kiln_space_add_size(r, "min_free", "--min-free-space", f->min_free, error);
}

static int run(KilnCall *call, PruneFlags *f, GError **error)
{
    g_autoptr(KilnRequest) request = kiln_request_new("prune");
    if (!kiln_space_style(&f->style, f->format, error) || !fill(request, f, error)) {
        return 0;
    }
    if (!f->force && !f->dry_run && !isatty(STDIN_FILENO)) {
        kiln_usage_error(error, "would remove what nobody can be asked about; say --force, or --dry-run");
        return 0;
    }
    if (!f->force && !f->dry_run && !confirmed(f)) {
        return 1;
    }
    json_object *result;
    int code = kiln_call_run(call, request, "auto", "Removing", &result, error);
    kiln_space_print_items(&f->style, kiln_result_array(result, "items"));
    if (result && !f->style.json) {
        g_autofree char *size = kiln_human_size(kiln_space_number(result, "reclaimed"));
        printf("%s: %s\n", f->dry_run ? "Total that would be reclaimed" : "Total reclaimed space", size);
    }
    json_object_put(result);
    return code;
}

int kiln_command_prune(KilnCall *call, GError **error)
{
    PruneFlags f = {.filters = g_ptr_array_new_with_free_func(g_free)};
    const KilnFlag flags[] = {
        {'a', "all", KILN_FLAG_SWITCH, &f.all, NULL, "Also what can be made again of what stays"},
        {0, "dry-run", KILN_FLAG_SWITCH, &f.dry_run, NULL, "Show what would be removed, and remove nothing"},
        {0, "filter", KILN_FLAG_LIST, &f.filters, "FILTER", "until=DURATION, type=TYPE, id=ID; may be repeated"},
        {'f', "force", KILN_FLAG_SWITCH, &f.force, NULL, "Do not ask"},
        {0, "format", KILN_FLAG_STRING, &f.format, "table|json", "A table, or a JSON object a line"},
        {0, "keep-storage", KILN_FLAG_STRING, &f.keep_storage, "SIZE", "Keep so much of the cache"},
        {0, "max-used-space", KILN_FLAG_STRING, &f.max_used, "SIZE", "Remove until the cache has at most this"},
        {0, "min-free-space", KILN_FLAG_STRING, &f.min_free, "SIZE", "Remove until the disk has this free"},
        {0, "no-trunc", KILN_FLAG_SWITCH, &f.style.full, NULL, "Shorten nothing"},
        {0, "reserved-space", KILN_FLAG_STRING, &f.reserved, "SIZE", "The same as --keep-storage"},
        {0, "verbose", KILN_FLAG_SWITCH, &f.style.verbose, NULL, "Show all that is known of each"},
        {0, "builder", KILN_FLAG_IGNORED},
    };
    int code = kiln_call_parse(call, flags, G_N_ELEMENTS(flags), error) ? run(call, &f, error) : 0;
    g_ptr_array_unref(f.filters);
    char *strings[] = {f.keep_storage, f.max_used, f.reserved, f.min_free, f.format};
    for (guint i = 0; i < G_N_ELEMENTS(strings); i++) {
        g_free(strings[i]);
    }
    return code;
}
