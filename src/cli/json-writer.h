/* JSON written as it is made. For documents as large as `kiln ast` prints: json-c's trees cost three times
 * what reading the Dockerfile does. Elsewhere json-c is used. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct KilnJsonWriter KilnJsonWriter;
KilnJsonWriter *kiln_json_writer_new(FILE *to);
/* Writes what is left. Errors are those of the stream. */
void kiln_json_writer_free(KilnJsonWriter *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnJsonWriter, kiln_json_writer_free)

/* Each begins a value with its key, or without if key is NULL (an element of an array). */
void kiln_json_open(KilnJsonWriter *w, const char *key, char bracket); /* '{' or '[' */
void kiln_json_string(KilnJsonWriter *w, const char *key, const char *value); /* NULL: null */
void kiln_json_number(KilnJsonWriter *w, const char *key, guint value);
void kiln_json_bool(KilnJsonWriter *w, const char *key, bool value);

void kiln_json_close(KilnJsonWriter *w, char bracket); /* '}' or ']' */
/* Begins a new line, indented, before the next value. */
void kiln_json_line(KilnJsonWriter *w, guint indent);
/* Behind the last value: the end of its line. */
void kiln_json_end(KilnJsonWriter *w);
