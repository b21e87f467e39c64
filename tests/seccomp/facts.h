/* docker-default.txt: what Docker's default profile comes to, call by call. */
#pragma once

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *call;
    int number;          /* -1: ask libseccomp */
    guint error;         /* 0: allowed */
    int argument;        /* -1: without a condition */
    guint64 mask, value; /* (argument & mask) `comparison` value */
    char comparison;     /* '<', '=' or '>' */
    char *architectures; /* " x86_64 aarch64 ": of profiles; NULL: all */
} Fact;

static inline void fact_condition(Fact *f, const char *text)
{
    char comparison[3] = "";
    g_assert_cmpint(sscanf(text, "a%d", &f->argument), ==, 1);
    const char *rest = text + 2;
    f->mask = G_MAXUINT64;
    if (g_str_has_prefix(rest, " & ")) {
        char *end;
        f->mask = g_ascii_strtoull(rest + 3, &end, 0);
        rest = end;
    }
    g_assert_cmpint(sscanf(rest, " %2[<=>] %" G_GUINT64_FORMAT, comparison, &f->value), ==, 2);
    f->comparison = comparison[0];
}

/* "allow read write=1 if a0 == 3 on x86_64" → a fact a call. */
static inline void facts_add_line(GArray *facts, const char *line)
{
    g_auto(GStrv) with_place = g_strsplit(line, " on ", 2);
    g_auto(GStrv) with_condition = g_strsplit(with_place[0], " if ", 2);
    g_auto(GStrv) words = g_strsplit(with_condition[0], " ", -1);
    gboolean allow = strcmp(words[0], "allow") == 0;
    for (guint i = allow ? 1 : 2; words[i]; i++) {
        Fact f = {.number = -1, .argument = -1};
        char *equals = strchr(words[i], '=');
        f.error = allow ? 0 : (guint)atoi(words[1]);
        f.number = equals ? atoi(equals + 1) : -1;
        f.call = equals ? g_strndup(words[i], (gsize)(equals - words[i])) : g_strdup(words[i]);
        f.architectures = with_place[1] ? g_strconcat(" ", with_place[1], " ", NULL) : NULL;
        if (with_condition[1])
            fact_condition(&f, with_condition[1]);
        g_array_append_val(facts, f);
    }
}

static inline void fact_clear(gpointer data)
{
    Fact *f = data;
    g_free(f->call);
    g_free(f->architectures);
}

static inline GArray *facts_read(const char *path)
{
    g_autofree char *text = NULL;
    GArray *facts = g_array_new(FALSE, FALSE, sizeof(Fact));
    g_array_set_clear_func(facts, fact_clear);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
    for (guint i = 0; lines[i]; i++)
        if (lines[i][0] != '#')
            facts_add_line(facts, lines[i]);
    g_assert_cmpuint(facts->len, >, 300);
    return facts;
}

static inline gboolean fact_holds(const Fact *f, const guint64 args[6])
{
    if (f->argument < 0)
        return TRUE;
    guint64 value = args[f->argument] & f->mask;
    return f->comparison == '<'   ? value < f->value
           : f->comparison == '>' ? value > f->value
                                  : value == f->value;
}
