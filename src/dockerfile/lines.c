#include "dockerfile/lines.h"

#include <string.h>

#include "dockerfile/words.h"

void kiln_logical_line_init(KilnLogicalLine *line)
{
    *line = (KilnLogicalLine){
        .text = g_string_new(NULL),
        .segments = g_array_new(FALSE, FALSE, sizeof(KilnSegment)),
        .comments = g_array_new(FALSE, FALSE, sizeof(KilnComment)),
    };
}

void kiln_logical_line_clear(KilnLogicalLine *line)
{
    g_string_free(line->text, TRUE);
    g_array_unref(line->segments);
    g_array_unref(line->comments);
}

gsize kiln_line_chomp(const char *start, gsize length)
{
    while (length > 0 && (start[length - 1] == '\n' || start[length - 1] == '\r'))
        length--;
    return length;
}

bool kiln_reader_physical(KilnLineReader *reader, const char **start, gsize *length)
{
    if (reader->at == reader->end)
        return false;
    gsize left = (gsize)(reader->end - reader->at);
    const char *newline = memchr(reader->at, '\n', left);
    *start = reader->at;
    *length = newline ? (gsize)(newline - reader->at) + 1 : left;
    reader->at += *length;
    reader->line++;
    return true;
}

/* Takes a continuation off the end of a line: the escape character, not doubled, with blanks behind
 * it. */
static bool trim_continuation(const char *start, gsize *length, char escape)
{
    gsize n = *length;
    while (n > 0 && (start[n - 1] == ' ' || start[n - 1] == '\t'))
        n--;
    if (n == 0 || start[n - 1] != escape || (n > 1 && start[n - 2] == escape))
        return false;
    *length = n - 1;
    return true;
}

static gsize leading_space(const char *start, gsize length)
{
    gsize n = 0, step;
    while ((step = kiln_space_at(start + n, start + length)) > 0)
        n += step;
    return n;
}

static void append(KilnLogicalLine *line, guint number, const char *start, gsize skip, gsize length)
{
    KilnSegment segment = {line->text->len, number, (guint)skip + 1};
    g_array_append_val(line->segments, segment);
    g_string_append_len(line->text, start + skip, (gssize)(length - skip));
}

/* parser.go in BuildKit: blank lines do not come between a comment and its instruction. */
static void add_comment(KilnLogicalLine *line, const char *start, gsize length)
{
    KilnSpan text = kiln_span_trim(start, (KilnSpan){1, length});
    KilnComment comment = {start + text.start, text.end - text.start};
    if (comment.length == 0)
        g_array_set_size(line->comments, 0);
    else
        g_array_append_val(line->comments, comment);
}

bool kiln_reader_logical(KilnLineReader *reader, KilnLogicalLine *line)
{
    g_string_truncate(line->text, 0);
    g_array_set_size(line->segments, 0);
    g_array_set_size(line->comments, 0);
    line->empty_line = 0;

    const char *start;
    gsize length;
    bool open = false; /* the line before ended in a continuation */
    bool begun = false;
    while ((!begun || open) && kiln_reader_physical(reader, &start, &length)) {
        length = kiln_line_chomp(start, length);
        gsize skip = leading_space(start, length);
        if (skip < length && start[skip] == '#') { /* a comment, also amid a continuation */
            if (!begun && reader->line > reader->directives)
                add_comment(line, start, length);
            continue;
        }
        if (skip == length) {
            if (begun && line->empty_line == 0)
                line->empty_line = reader->line;
            continue;
        }
        line->last_line = reader->line;
        line->last_column = (guint)length;
        /* Only the first line loses its indentation: BuildKit keeps it in what is joined. */
        if (begun)
            skip = 0;
        begun = true;
        gsize kept = length - skip;
        open = trim_continuation(start + skip, &kept, reader->escape);
        append(line, reader->line, start, skip, skip + kept);
    }
    return begun;
}

static void locate(const KilnLogicalLine *line, gsize offset, guint *number, guint *column)
{
    const KilnSegment *segments = (const KilnSegment *)(void *)line->segments->data;
    gsize low = 0, high = line->segments->len;
    while (high - low > 1) {
        gsize middle = low + (high - low) / 2;
        if (segments[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    *number = segments[low].line;
    *column = segments[low].column + (guint)(offset - segments[low].offset);
}

KilnPlace kiln_logical_line_place(const KilnLogicalLine *line, gsize start, gsize end)
{
    KilnPlace place;
    locate(line, start, &place.line, &place.column);
    locate(line, end > start ? end - 1 : start, &place.end_line, &place.end_column);
    return place;
}
