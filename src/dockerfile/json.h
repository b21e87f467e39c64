/* The JSON form of instructions: ["a", "b"]. */
#pragma once

#include <glib.h>

#include "dockerfile/words.h"

typedef enum {
    KILN_JSON_NOT,     /* not a valid JSON array: the instruction is in shell form */
    KILN_JSON_STRINGS, /* an array of strings */
    KILN_JSON_MIXED,   /* valid, but something in it is not a string: an error in a Dockerfile */
    KILN_JSON_NUL,     /* a string holds \u0000, which no argument can */
} KilnJsonForm;

/* Reads a range of text that may be an array of strings and appends them to `strings` (char*, in
 * the arena) and their ranges, quotes included, to `spans` (KilnSpan). Whether a line is in JSON form decides what
 * the instruction means, so this accepts exactly what Go's encoding/json does and BuildKit thereby:
 * RFC 8259 to the letter. json-c is more lenient (control characters in strings, case of literals),
 * hence no json-c. *bad is the range of the first element at fault for MIXED and NUL. */
KilnJsonForm kiln_json_strings(const char *text, KilnSpan span, KilnArena *arena,
                               GPtrArray *strings, GArray *spans, KilnSpan *bad);
