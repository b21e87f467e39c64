/* Splitting a logical line to words and flags. Nothing is expanded; quotes only keep words
 * together. */
#pragma once

#include "dockerfile/dockerfile.h"

/* A word as a range of bytes of the line. */
typedef struct {
    gsize start, end;
} KilnSpan;

/* Number of bytes of the white space character (Unicode's, as Go's unicode.IsSpace) at p, or 0. */
gsize kiln_space_at(const char *p, const char *end);

/* Narrows a range to what is between leading and trailing white space. */
KilnSpan kiln_span_trim(const char *text, KilnSpan span);

/* The words that blanks (space, tab, CR, VT, FF) divide; quotes mean nothing. KilnSpan. */
GArray *kiln_words_blank(const char *text, KilnSpan span);

/* The words that white space outside quotes divides, for ENV, LABEL and ARG. KilnSpan. */
GArray *kiln_words_quoted(const char *text, KilnSpan span, char escape);

/* A flag word: its range, and its text without quotes and escapes ("--from=a"). */
typedef struct {
    KilnSpan span;
    char *text;
} KilnFlagWord;

/* Takes the words that begin with "--" off the front of a range, up to the first other word or a
 * "--" that stands alone (which goes too). Appends KilnFlagWord; the caller frees their text.
 * Returns what is left, trimmed. */
KilnSpan kiln_words_flags(const char *text, KilnSpan span, char escape, GArray *flags);
