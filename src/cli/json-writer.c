#include "cli/json-writer.h"

#include <string.h>

#define SIZE (64 * 1024)
#define KEY_MAXIMUM 32 /* bytes of a key: they are all constants of the program */
#define SMALL 24       /* bytes of a value that begin() takes */

/* A word with this in each of its bytes. */
#define EACH(byte) (G_GUINT64_CONSTANT(0x0101010101010101) * (guint64)(byte))

struct KilnJsonWriter {
    FILE *to;
    bool comma;   /* an element of the same object or array stands before */
    gsize length; /* of what is not yet written */
    char text[SIZE];
};

KilnJsonWriter *kiln_json_writer_new(FILE *to)
{
    KilnJsonWriter *w = g_new(KilnJsonWriter, 1);
    w->to = to;
    w->comma = false;
    w->length = 0;
    return w;
}

static void flush(KilnJsonWriter *w)
{
    fwrite(w->text, 1, w->length, w->to);
    w->length = 0;
}

void kiln_json_writer_free(KilnJsonWriter *w)
{
    flush(w);
    g_free(w);
}

static void put(KilnJsonWriter *w, const char *text, gsize length)
{
    if (length > SIZE - w->length)
        flush(w);
    if (length > SIZE) {
        fwrite(text, 1, length, w->to);
        return;
    }
    memcpy(w->text + w->length, text, length);
    w->length += length;
}

/* The comma, the key, and the first bytes of a value, which are so few that a call of memcpy() would
 * cost more than they do. */
static void begin(KilnJsonWriter *w, const char *key, const char *value, gsize length)
{
    g_assert(length <= SMALL);
    if (SIZE - w->length < KEY_MAXIMUM + SMALL + 4)
        flush(w);
    char *at = w->text + w->length;
    if (w->comma)
        *at++ = ',';
    if (key) {
        *at++ = '"';
        at = stpcpy(at, key);
        *at++ = '"';
        *at++ = ':';
    }
    while (length-- > 0)
        *at++ = *value++;
    w->length = (gsize)(at - w->text);
    w->comma = true;
}

void kiln_json_open(KilnJsonWriter *w, const char *key, char bracket)
{
    begin(w, key, &bracket, 1);
    w->comma = false;
}

void kiln_json_close(KilnJsonWriter *w, char bracket)
{
    put(w, &bracket, 1);
    w->comma = true;
}

void kiln_json_line(KilnJsonWriter *w, guint indent)
{
    put(w, w->comma ? ",\n" : "\n", w->comma ? 2 : 1);
    while (indent-- > 0)
        put(w, " ", 1);
    w->comma = false;
}

void kiln_json_end(KilnJsonWriter *w)
{
    put(w, "\n", 1);
    w->comma = false;
}

/* What follows an opening quotation mark. RFC 8259, section 7: the quotation mark, the backslash and control
 * characters are escaped. */
static void put_string(KilnJsonWriter *w, const char *value)
{
    static const char named[] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
                                 ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    const char *run = value;
    for (const char *at = value;; at++) {
        guchar c = (guchar)*at;
        if (c >= ' ' && c != '"' && c != '\\')
            continue;
        put(w, run, (gsize)(at - run));
        run = at + 1;
        if (c == '\0')
            break;
        char escape[8] = {'\\', named[c]};
        put(w, escape, named[c] ? 2 : (gsize)g_snprintf(escape, sizeof escape, "\\u%04x", c));
    }
    put(w, "\"", 1);
}

/* Not 0 if, and only if, there is a byte of 0 in the word. */
static guint64 zero_bytes(guint64 word)
{
    return (word - EACH(0x01)) & ~word & EACH(0x80);
}

/* Nothing but ASCII that needs no escape, as nearly all strings are? Eight bytes at a time. */
static bool is_plain(const char *text, gsize length)
{
    guint64 found = 0, word = 0;
    for (; length > 0; length -= MIN(length, sizeof word)) {
        if (length < sizeof word)
            word = EACH(' ');
        memcpy(&word, text, MIN(length, sizeof word));
        text += sizeof word;
        /* A byte below ' ' borrows when ' ' is taken from it. */
        found |= word | (word - EACH(' ')) | zero_bytes(word ^ EACH('"')) |
                 zero_bytes(word ^ EACH('\\'));
    }
    return (found & EACH(0x80)) == 0;
}

void kiln_json_string(KilnJsonWriter *w, const char *key, const char *value)
{
    if (!value) {
        begin(w, key, "null", 4);
        return;
    }
    begin(w, key, "\"", 1);
    gsize length = strlen(value);
    if (is_plain(value, length)) {
        put(w, value, length);
        put(w, "\"", 1);
        return;
    }
    g_autofree char *valid = g_utf8_validate(value, -1, NULL) ? NULL : g_utf8_make_valid(value, -1);
    put_string(w, valid ? valid : value);
}

void kiln_json_number(KilnJsonWriter *w, const char *key, guint value)
{
    char digits[16];
    char *at = digits + sizeof digits;
    do {
        *--at = (char)('0' + value % 10);
    } while ((value /= 10) > 0);
    begin(w, key, at, (gsize)(digits + sizeof digits - at));
}

void kiln_json_bool(KilnJsonWriter *w, const char *key, bool value)
{
    begin(w, key, value ? "true" : "false", value ? 4 : 5);
}
