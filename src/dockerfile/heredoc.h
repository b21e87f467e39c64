/* Heredoc words ("<<EOF", "<<-'EOF'", "3<<EOF") and their bodies. */
#pragma once

#include "dockerfile/lines.h"

/* The heredoc that a word opens, without content, or NULL if it opens none. `word` has its quotes
 * and escapes. Free with kiln_heredoc_free(), which does not care for the content. */
KilnHeredoc *kiln_heredoc_word(const char *word, gsize length);

/* The heredocs that a RUN, COPY or ADD line opens, in order (KilnHeredoc*, in the arena). BuildKit reads the
 * whole line with its own shell lexer for this, with "\" as escape character whatever the
 * directive; a line that this lexer cannot read (a quote not closed) opens none. `place` is that of
 * the instruction. */
GPtrArray *kiln_heredoc_find(const KilnLogicalLine *line, gsize start, const KilnPlace *place,
                             KilnArena *arena);

/* Reads the body of a heredoc, up to its end word, into the arena. False if the file ends first.
 * *last is the length of the line with the end word. */
bool kiln_heredoc_read(KilnHeredoc *heredoc, KilnLineReader *reader, KilnArena *arena, gsize *last);

void kiln_heredoc_free(KilnHeredoc *heredoc);
