/* Lines of a Dockerfile: physical ones, and logical ones with continuations joined as BuildKit's
 * parser joins them. Every byte of a logical line still knows its line and column. */
#pragma once

#include "dockerfile/dockerfile.h"

typedef struct {
    const char *at, *end;
    guint line; /* number of the physical line that was read last; 0 before the first */
    char escape;
    guint directives; /* so many lines at the top are parser directives, no comments */
} KilnLineReader;

/* A run of bytes of a logical line that stood together in the file. */
typedef struct {
    gsize offset; /* in the joined text */
    guint line, column;
} KilnSegment;

/* A comment without its "#", in the text that is read. */
typedef struct {
    const char *start;
    gsize length;
} KilnComment;

typedef struct {
    GString *text;
    GArray *segments;  /* KilnSegment, offsets ascending */
    guint last_line;   /* physical line where it ends, … */
    guint last_column; /* … and the column of that line's last byte */
    guint empty_line;  /* first empty line inside the continuation, 0 if there is none */
    GArray *comments; /* KilnComment, those ahead of it; an empty one begins anew */
} KilnLogicalLine;

void kiln_logical_line_init(KilnLogicalLine *line);
void kiln_logical_line_clear(KilnLogicalLine *line);

/* The next physical line, its line end included in *length. False at the end of the text. */
bool kiln_reader_physical(KilnLineReader *reader, const char **start, gsize *length);

/* The next logical line that is neither blank nor a comment. False at the end of the text. */
bool kiln_reader_logical(KilnLineReader *reader, KilnLogicalLine *line);

/* Where the bytes [start, end) of the joined text stand in the file. An empty range is a point. */
KilnPlace kiln_logical_line_place(const KilnLogicalLine *line, gsize start, gsize end);

/* Length without trailing "\r" and "\n". */
gsize kiln_line_chomp(const char *start, gsize length);
