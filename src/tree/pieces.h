/* Work on a list by several threads, which take pieces of it. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct KilnPieces KilnPieces;

/* Run by each thread: takes pieces until there are no more, or one fails. */
typedef bool (*KilnPiecesFunc)(KilnPieces *pieces, gpointer data, GError **error);

/* Has func work on 0 … n-1, by `threads` threads of which the caller's is one, which take `piece` numbers at a
 * time. False with the error of the first that failed. */
bool kiln_pieces_run(guint n, guint piece, guint threads, KilnPiecesFunc func, gpointer data, GError **error);

/* The next piece: from `from` up to but not including `to`. False when there are no more, or another thread has
 * failed. */
bool kiln_pieces_take(KilnPieces *pieces, guint *from, guint *to);

/* How many threads pay for n files of so many bytes together: starting one costs as much as several files. */
guint kiln_pieces_threads(guint n, guint64 bytes);
