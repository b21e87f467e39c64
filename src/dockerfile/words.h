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

/* The words that blanks (space, tab, CR, VT, FF) divide; quotes mean nothing. `words` (KilnSpan) is
 * emptied first. */
void kiln_words_blank(const char *text, KilnSpan span, GArray *words);

/* The words that white space outside quotes divides, for ENV, LABEL and ARG, in the same way. */
void kiln_words_quoted(const char *text, KilnSpan span, char escape, GArray *words);

/* Takes a word that begins with "--" off the front of *rest, which is trimmed: `word` is its text
 * without quotes and escapes ("--from=a"), *place where it stands. False if another word is first;
 * a "--" that stands alone is taken off, too. */
bool kiln_words_flag(const char *text, KilnSpan *rest, char escape, GString *word, KilnSpan *place);
