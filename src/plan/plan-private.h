/* What the files of the plan share. A planner goes through the Dockerfile once: stages.c makes the table of
 * stages, onbuild.c adds the triggers of their bases, and each needed stage is then run in order: metadata.c
 * changes its config, steps.c adds steps to the plan. */
#pragma once

#include "plan/plan.h"
#include "plan/scope.h"

typedef struct KilnStage KilnStage;

/* Where an instruction applies, and where complaints about it go. */
typedef struct {
    const KilnDockerfile *file; /* NULL: there is none (kiln_config_change) */
    const KilnInstruction *instruction;
    const KilnPlace *place; /* in `file`; for an ONBUILD trigger that of FROM */
    const char *origin;     /* "ONBUILD of node:14", "--change"; NULL: the instruction stands in `file` */
    char escape;
    KilnConfig *config;
    KilnScope *scope;
    GPtrArray *warnings; /* KilnDockerfileWarning* */
    GPtrArray *history;  /* KilnHistory*, NULL: none is kept */
    /* What the stage has said before, for warnings and for ENTRYPOINT. NULL: not said. */
    const KilnPlace **cmd, **entrypoint, **healthcheck;
} KilnSite;

/* What a base resolved to; one for each distinct name and platform. */
typedef struct {
    char *name; /* given to the resolve function */
    KilnResolved *resolved;
    KilnStep *step; /* made when first used */
} KilnBase;

struct KilnStage {
    guint index;
    const KilnInstruction *from;
    char *name;                 /* in lower case; NULL: unnamed */
    char *label;                /* before step names: "builder", "stage-1"; NULL: the only stage */
    char *base_name;            /* expanded */
    KilnPlatform *platform;     /* of FROM --platform; NULL: the build's */
    KilnStage *base;            /* FROM another stage */
    const char *context;        /* the --build-context that stands in for the whole stage, or NULL */
    GPtrArray *instructions;    /* KilnInstruction*, borrowed */
    GPtrArray *triggers;        /* KilnInstruction*, of the base's ONBUILD: they come first */
    char *trigger_origin;       /* "ONBUILD of node:14" */
    bool triggers_known;
    bool needed;

    /* Known when the stage has been run. */
    bool done;
    bool directory;    /* a --build-context that is a directory: `last` is NULL until it is a base */
    KilnStep *last;    /* NULL: an empty file system */
    KilnConfig *config;
    KilnScope *scope;
    GPtrArray *history; /* KilnHistory* */
    const KilnPlace *cmd, *entrypoint, *healthcheck;
    bool workdir_set;
    guint total, count; /* of steps, for "[2/5]" */
};

typedef struct {
    const KilnDockerfile *file;
    const KilnPlanOptions *options;
    KilnPlatform *platform, *host;
    GHashTable *build_args; /* name ↦ value; proxies from the configuration are among them */
    GHashTable *declared;   /* names of every ARG seen, to find build arguments that nothing asked for */
    KilnScope *globals;     /* predefined platform ARGs and those before the first FROM */
    GPtrArray *stages;      /* KilnStage* */
    KilnStage *target;
    GHashTable *bases; /* "name\nplatform" ↦ KilnBase* */
    KilnPlan *plan;
} KilnPlanner;

/* What a name after --from means. `stage` or `name`; neither: scratch. */
typedef struct {
    KilnStage *stage;
    const char *name;
    const char *context; /* the --build-context for `name`, or NULL */
} KilnReference;

/* stages.c */
bool kiln_planner_stages(KilnPlanner *p, GError **error); /* fills stages, globals, target */
bool kiln_planner_need(KilnPlanner *p, KilnStage *s, GError **error); /* marks it and what it needs */
bool kiln_planner_reference(KilnPlanner *p, const KilnSite *site, const char *flag, const char *from,
                            KilnReference *reference, GError **error);
const char *kiln_planner_context(const KilnPlanner *p, const char *name);
/* Calls visit for each --from of an instruction (COPY, RUN --mount). */
typedef bool (*KilnFromFunc)(KilnPlanner *p, const KilnSite *site, const char *flag,
                             const char *from, void *data, GError **error);
bool kiln_instruction_froms(KilnPlanner *p, const KilnSite *site, KilnFromFunc visit, void *data,
                            GError **error);
void kiln_stage_free(KilnStage *s);

/* onbuild.c */
bool kiln_stage_triggers(KilnPlanner *p, KilnStage *s, GError **error);

/* bases.c */
KilnBase *kiln_planner_base(KilnPlanner *p, const KilnSite *site, const char *name, const char *context,
                            const KilnPlatform *platform, GError **error);
/* The step that makes the base's layers the file system; `stage` numbers it, NULL: not of a stage. */
KilnStep *kiln_base_step(KilnPlanner *p, const KilnSite *site, KilnBase *b, KilnStage *stage,
                         GError **error);
bool kiln_stage_start(KilnPlanner *p, KilnStage *s, const KilnSite *site, GError **error);
/* A reference as the origin of a COPY or a mount. Adds the step to `needs`. */
bool kiln_planner_origin(KilnPlanner *p, const KilnSite *site, const char *flag, const char *from,
                         KilnOrigin *origin, GPtrArray *needs, GError **error);
void kiln_base_free(KilnBase *b);

/* steps.c, copy.c */
bool kiln_stage_run(KilnPlanner *p, KilnStage *s, const KilnSite *site, GError **error);
bool kiln_stage_workdir(KilnPlanner *p, KilnStage *s, const KilnSite *site, GError **error);
bool kiln_stage_copy(KilnPlanner *p, KilnStage *s, const KilnSite *site, GError **error);
KilnStep *kiln_step_add(KilnPlanner *p, const KilnSite *site, KilnStepKind kind, KilnStep *parent);
char *kiln_stage_step_name(KilnStage *s, const KilnSite *site, const char *text);
void kiln_step_free(KilnStep *s);

/* mounts.c */
GArray *kiln_run_mounts(KilnPlanner *p, const KilnSite *site, GPtrArray *needs, GError **error);
/* Key and value fields of a --mount, as CSV; NULL if malformed. */
GPtrArray *kiln_mount_fields(const char *text);

/* metadata.c: every instruction that makes no layer, but ARG. */
bool kiln_site_metadata(KilnSite *site, GError **error);
/* "WORKDIR b" after "WORKDIR /a" is "/a/b"; an absolute path stays as written. g_free(). */
char *kiln_workdir_join(const KilnConfig *config, const char *path);
/* Lexically clean and absolute, "/" at the least. g_free(). */
char *kiln_path_clean(const char *base, const char *path);

/* site.c */
void kiln_site_history(const KilnSite *site, KilnStep *step, const char *created_by);
void kiln_history_free(KilnHistory *h);
KilnHistory *kiln_history_copy(const KilnHistory *h);
/* Sets an error with the place and the quoted line; returns false. place NULL: the instruction's. */
bool kiln_site_fail(const KilnSite *site, GError **error, KilnPlanError code, const KilnPlace *place,
                    const char *format, ...) G_GNUC_PRINTF(5, 6);
void kiln_site_warn(const KilnSite *site, const char *rule, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
void kiln_warning_free(KilnDockerfileWarning *w);
/* The place of an argument of the instruction, for kiln_site_fail(). */
const KilnPlace *kiln_site_place(const KilnSite *site, guint argument);
/* Expand an argument of the instruction, or any word, or the body of a heredoc (quotes stay), or an argument
 * that may become several. What is not set is warned of once an instruction. */
char *kiln_site_argument(const KilnSite *site, guint argument, GError **error);
char *kiln_site_word(const KilnSite *site, const char *word, const KilnPlace *place, GError **error);
char *kiln_site_raw(const KilnSite *site, const char *text, const KilnPlace *place, GError **error);
char **kiln_site_words(const KilnSite *site, guint argument, GError **error);
