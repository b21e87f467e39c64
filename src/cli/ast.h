/* What `kiln ast` prints of a Dockerfile. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

/* Parses the text and prints it to `out`, as JSON or as a table. What is wrong in it is in the JSON,
 * or below a table on `err`. False if something was. name: for messages. */
bool kiln_ast_print(const char *text, gsize size, const char *name, bool json, FILE *out,
                    FILE *err);
