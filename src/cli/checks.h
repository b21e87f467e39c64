/* The findings of `kiln doctor`. */
#pragma once

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

typedef enum {
    KILN_CHECK_OK,
    KILN_CHECK_WARN, /* kiln works, but something is weaker, slower or missing */
    KILN_CHECK_FAIL, /* this host cannot build */
} KilnCheckStatus;

typedef struct {
    const char *name; /* static */
    KilnCheckStatus status;
    char *detail;
    char *remedy; /* the command or setting that mends it, or NULL */
} KilnCheck;

/* KilnCheck *, in the order in which they are shown. */
GPtrArray *kiln_checks_new(void);
void kiln_checks_add(GPtrArray *checks, const char *name, KilnCheckStatus status,
                     const char *detail, const char *remedy);

/* Kernel of this release ("6.1.0-18-amd64"): 5.12 at least. */
void kiln_checks_add_kernel(GPtrArray *checks, const char *release);
/* What the operation "probe" found out inside the namespaces. */
void kiln_checks_add_probe(GPtrArray *checks, json_object *probe);
/* Of that, whether there are private networks. */
void kiln_checks_add_network(GPtrArray *checks, json_object *probe);

/* `kiln doctor --seccomp`: the default filter, call by call. g_free(). */
char *kiln_seccomp_shown(bool json);

bool kiln_checks_failed(const GPtrArray *checks);
/* A line a check, with the remedy below it. g_free(). */
char *kiln_checks_text(const GPtrArray *checks);
/* [{"check":…,"status":"ok"|"warn"|"fail","detail":…,"remedy":…}]. g_free(). */
char *kiln_checks_json(const GPtrArray *checks);
