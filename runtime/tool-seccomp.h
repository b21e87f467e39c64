/* What the two files of kiln-tool-seccomp share. */
#pragma once

#include <json-c/json.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From 424 (pidfd_send_signal, Linux 5.1) on, a call has the same number on all of the above. */
#define FIRST_COMMON_NUMBER 424
/* From here on numbers are not those of new calls: ARM has calls of its own here (cacheflush,
 * set_tls), and x32's have the architecture of x86-64 and a bit above. */
#define FIRST_SPECIAL_NUMBER 0x0f0000u
#define X32_BIT 0x40000000u
#define MAX_NUMBERS 100

struct compiler {
    const char *path;
    const char *arch; /* as the profile and libseccomp name it */
    uint32_t token;   /* SCMP_ARCH_*, which is AUDIT_ARCH_* */
    struct json_object *profile;
    scmp_filter_ctx filter;
    unsigned numbers[MAX_NUMBERS]; /* allowed by the prologue */
    const char *names[MAX_NUMBERS];
    size_t n_numbers;
};

__attribute__((noreturn, format(printf, 2, 3))) void die(const struct compiler *c,
                                                         const char *format, ...);
struct json_object *member(const struct compiler *c, struct json_object *o, const char *name,
                           enum json_type type);
bool array_has(struct json_object *array, const char *word);
/* Which argument a rule with a condition is about. */
unsigned argument_number(const struct compiler *c, struct json_object *rule);

/* Writes the table of calls for calls.c (tool-seccomp-table.c). */
void write_table(const struct compiler *c, const char *path);
