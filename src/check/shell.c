#include "check/shell.h"

#include <string.h>

#define MAX_DEPTH 4       /* of "sh -c" in "sh -c" */
#define MAX_COMMANDS 2000 /* of one RUN; what comes behind is not looked at */

typedef struct {
    const char *at;
    GPtrArray *commands;
    GPtrArray *words;
    const char *start; /* of the command's first word; NULL: none was read */
    guint depth;
} Parse;

static void command_free(gpointer data)
{
    KilnCommand *c = data;
    g_strfreev(c->words);
    g_free(c->text);
    g_free(c);
}

static void parse(const char *text, GPtrArray *commands, guint depth);

static bool is_assignment(const char *word)
{
    gsize n = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return n > 0 && !g_ascii_isdigit(*word) && word[n] == '=';
}

/* What may stand ahead of a command: words of the shell, and programs that run others. */
static bool is_prefix(const char *word)
{
    static const char *const prefixes[] = {
        "if",      "then", "else",    "elif",    "do",        "while", "until", "!",
        "{",       "sudo", "env",     "time",    "exec",      "nice",  "eval",  "nohup",
        "command", "gosu", "su-exec", "chronic", "eatmydata", "retry", NULL};
    return g_strv_contains(prefixes, word) || is_assignment(word);
}

/* The words behind prefixes and their flags; empty if nothing is left. */
static guint skip_prefixes(const GPtrArray *words)
{
    guint n = 0;
    while (n < words->len && is_prefix(words->pdata[n])) {
        bool program = g_str_equal(words->pdata[n], "sudo") ||
                       g_str_equal(words->pdata[n], "env") || g_str_equal(words->pdata[n], "nice");
        n++;
        while (program && n < words->len && *(char *)words->pdata[n] == '-')
            n++;
    }
    return n;
}

/* One blank for each run of white space and each continuation. */
static char *one_line(const char *start, gsize length)
{
    GString *text = g_string_new(NULL);
    for (gsize i = 0; i < length; i++) {
        bool continued = start[i] == '\\' && i + 1 < length && start[i + 1] == '\n';
        if (continued || g_ascii_isspace(start[i])) {
            if (text->len > 0 && text->str[text->len - 1] != ' ')
                g_string_append_c(text, ' ');
            i += continued;
        } else {
            g_string_append_c(text, start[i]);
        }
    }
    return g_strchomp(g_string_free(text, FALSE));
}

/* "sh -c TEXT", "bash -euxc TEXT" */
static const char *shell_text(char **words)
{
    static const char *const shells[] = {"sh", "bash", "ash", "dash", "zsh", NULL};
    if (!g_strv_contains(shells, words[0]))
        return NULL;
    for (char **word = words + 1; *word && **word == '-'; word++)
        if ((*word)[1] != '-' && strchr(*word, 'c'))
            return word[1];
    return NULL;
}

static void end_command(Parse *p)
{
    guint skip = skip_prefixes(p->words);
    if (skip < p->words->len && p->commands->len < MAX_COMMANDS) {
        g_autoptr(GPtrArray) kept = g_ptr_array_new();
        for (guint n = skip; n < p->words->len; n++) {
            const char *word = p->words->pdata[n];
            const char *slash = n == skip ? strrchr(word, '/') : NULL;
            g_ptr_array_add(kept, g_strdup(slash && slash[1] ? slash + 1 : word));
        }
        g_ptr_array_add(kept, NULL);
        g_auto(GStrv) words = (char **)g_ptr_array_steal(kept, NULL);
        const char *inner = shell_text(words);
        if (inner && p->depth < MAX_DEPTH) {
            parse(inner, p->commands, p->depth + 1);
        } else {
            KilnCommand *c = g_new0(KilnCommand, 1);
            c->words = g_steal_pointer(&words);
            c->text = one_line(p->start, (gsize)(p->at - p->start));
            g_ptr_array_add(p->commands, c);
        }
    }
    g_ptr_array_set_size(p->words, 0);
    p->start = NULL;
}

/* "$(…)" and "`…`" belong to the word that they stand in. */
static const char *substitution_end(const char *at)
{
    if (*at == '`') {
        const char *end = strchr(at + 1, '`');
        return end ? end + 1 : at + strlen(at);
    }
    guint depth = 0;
    for (; *at; at++) {
        depth += *at == '(';
        if (*at == ')' && --depth == 0)
            return at + 1;
    }
    return at;
}

static void read_word(Parse *p)
{
    g_autoptr(GString) word = g_string_new(NULL);
    char quote = 0;
    for (; *p->at; p->at++) {
        char c = *p->at;
        if (c == '\\' && quote != '\'' && p->at[1]) {
            p->at++;
            if (*p->at != '\n')
                g_string_append_c(word, *p->at);
        } else if (quote != '\'' && (c == '`' || (c == '$' && p->at[1] == '('))) {
            const char *end = substitution_end(p->at);
            g_string_append_len(word, p->at, end - p->at);
            p->at = end - 1;
        } else if (quote) {
            if (c == quote)
                quote = 0;
            else
                g_string_append_c(word, c);
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (strchr(" \t\r\n;&|()<>", c)) {
            break;
        } else {
            g_string_append_c(word, c);
        }
    }
    /* "2" of "2>&1" */
    bool descriptor = (*p->at == '<' || *p->at == '>') && word->len > 0 &&
                      strspn(word->str, "0123456789") == word->len;
    if (!descriptor)
        g_ptr_array_add(p->words, g_strdup(word->str));
}

/* ">file", "2>&1", "<<EOF": the operator, and the word behind it. */
static void skip_redirection(Parse *p)
{
    p->at += strspn(p->at, "<>&|-");
    p->at += strspn(p->at, " \t");
    guint words = p->words->len;
    if (*p->at && !strchr("\n;&|()", *p->at))
        read_word(p);
    g_ptr_array_set_size(p->words, (gint)words);
}

static void parse(const char *text, GPtrArray *commands, guint depth)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    Parse p = {.at = text, .commands = commands, .words = words, .depth = depth};
    while (*p.at) {
        if (*p.at == '\\' && p.at[1] == '\n') {
            p.at += 2;
        } else if (strchr("\n;&|()", *p.at)) {
            end_command(&p);
            p.at++;
        } else if (g_ascii_isspace(*p.at)) {
            p.at++;
        } else if (*p.at == '#' && (p.at == text || g_ascii_isspace(p.at[-1]))) {
            p.at += strcspn(p.at, "\n");
        } else if (*p.at == '<' || *p.at == '>') {
            skip_redirection(&p);
        } else {
            p.start = p.start ? p.start : p.at;
            read_word(&p);
        }
    }
    end_command(&p);
}

GPtrArray *kiln_commands_parse(const char *text)
{
    GPtrArray *commands = g_ptr_array_new_with_free_func(command_free);
    parse(text, commands, 0);
    return commands;
}

char *kiln_commands_text(const KilnInstruction *run)
{
    g_autofree char *shell = kiln_instruction_shell_command(run);
    return shell ? one_line(shell, strlen(shell)) : g_strdup(run->original + strlen(run->keyword));
}

GPtrArray *kiln_commands_of(const KilnInstruction *run)
{
    g_autofree char *shell = kiln_instruction_shell_command(run);
    if (shell)
        return kiln_commands_parse(shell);
    GPtrArray *commands = g_ptr_array_new_with_free_func(command_free);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint n = 0; n < run->args->len; n++) {
        const char *word = run->args->pdata[n];
        bool plain = *word && !strpbrk(word, " \t\r\n\"'\\`$;&|()<>#*?[]~!{}");
        g_autofree char *quoted = plain ? g_strdup(word) : g_shell_quote(word);
        g_string_append_printf(text, "%s ", quoted);
    }
    parse(text->str, commands, 0);
    return commands;
}

char **kiln_command_verb(const KilnCommand *c, const char *const *valued)
{
    for (char **word = c->words + 1; *word; word++) {
        if (**word != '-')
            return word;
        if (valued && g_strv_contains(valued, *word) && word[1])
            word++;
    }
    return NULL;
}

bool kiln_command_has(const KilnCommand *c, const char *word)
{
    return g_strv_contains((const char *const *)c->words, word);
}
