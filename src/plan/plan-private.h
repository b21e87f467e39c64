/* What the files of the plan share. A planner goes through the Dockerfile once: stages.c makes the
 * table of stages, onbuild.c adds the triggers of their bases, and each needed stage is then run in
 * order: metadata.c changes its config, steps.c adds steps to the plan. */
#pragma once

#include "plan/plan.h"
#include "plan/scope.h"

typedef struct KilnStage KilnStage;

/* Where an instruction applies, and where complaints about it go. */
typedef struct {
    const KilnDockerfile *file; /* NULL: there is none (kiln_config_change) */
    const KilnInstruction *instruction;
    const KilnPlace *place; /* in `file`; for an ONBUILD trigger that of FROM */
    const char
        *origin; /* "ONBUILD of node:14", "--change"; NULL: the instruction stands in `file` */
    char escape;
    KilnConfig *config;
    KilnScope *scope;
    GPtrArray *warnings; /* KilnDockerfileWarning* */
    GPtrArray *history;  /* KilnHistory*, NULL: none is kept */
    bool *has_cmd;       /* the stage has a CMD of its own; NULL: does not matter */
    KilnPlace *once;     /* by kind: where the last one is of what counts once a stage; NULL: none is kept */
} KilnSite;

/* What a base resolved to; one for each distinct name and platform. */
typedef struct {
    char *name; /* given to the resolve function */
    char *ref;  /* canonical, or the name of a build context */
    KilnResolved *resolved;
    KilnStep *step; /* made when first used */
} KilnBase;

struct KilnStage {
    guint index;
    const KilnInstruction *from;
    char *name;              /* in lower case; NULL: unnamed */
    char *called;            /* "builder", "stage-1" */
    const char *label;       /* that, before step names; NULL: the only stage */
    char *base_name;         /* expanded */
    KilnPlatform *platform;  /* of FROM --platform; NULL: the build's */
    KilnStage *base;         /* FROM another stage */
    const char *context;     /* the --build-context that stands in for the whole stage, or NULL */
    GPtrArray *instructions; /* KilnInstruction*, borrowed */
    GPtrArray *triggers;     /* KilnInstruction*, of the base's ONBUILD: they come first */
    char *trigger_origin;    /* "ONBUILD of node:14" */
    bool needed;

    /* Known when the stage has been run. */
    bool directory; /* a --build-context that is a directory stands in for it */
    KilnStep *last; /* NULL: an empty file system */
    KilnConfig *config;
    KilnScope *scope;
    GPtrArray *history; /* KilnHistory*, of this stage alone */
    bool has_cmd;
    KilnPlace once[KILN_INST_SHELL + 1]; /* see KilnSite */
    bool workdir_set;
    guint total, count; /* of steps, for "[2/5]" */
};

typedef struct {
    const KilnDockerfile *file;
    const KilnPlanOptions *options;
    KilnPlatform *platform, *host;
    GHashTable *build_args; /* name ↦ value; proxies from the configuration are among them */
    GHashTable *consumed;   /* names of build arguments that an ARG of a trigger asked for */
    KilnScope *globals;     /* predefined platform ARGs and those before the first FROM */
    GPtrArray *stages;      /* KilnStage* */
    GHashTable *names;      /* stage name ↦ KilnStage*: the last of that name */
    KilnStage *target;
    GHashTable *bases; /* "name\nplatform" ↦ KilnBase* */
    KilnPlan *plan;
} KilnPlanner;

/* What a name after --from means. `stage` or `name`; neither: scratch. */
typedef struct {
    KilnStage *stage;
    const char *name;
    const char *context; /* the --build-context for `name`, or NULL */
} KilnFrom;

/* arguments.c */
void kiln_planner_read_build_args(KilnPlanner *p);
/* Predefined platform ARGs and those before the first FROM. build_args NULL: with their defaults.
 */
KilnScope *kiln_planner_globals(KilnPlanner *p, GHashTable *build_args, GError **error);
bool kiln_stage_arg(KilnPlanner *p, const KilnSite *site, GError **error);
char **kiln_planner_proxies(const KilnPlanner *p); /* for RUN; NULL if there are none */
void kiln_planner_warn_unused(KilnPlanner *p);

/* stages.c */
/* Fills globals, stages and target. */
bool kiln_planner_stages(KilnPlanner *p, GError **error);
/* Marks the stages that the target needs. triggers: those of their bases count too, which resolves
 * them. */
bool kiln_planner_mark(KilnPlanner *p, bool triggers, GError **error);
/* What the site of an instruction of the stage is; trigger: one of stage->triggers. */
KilnSite kiln_stage_site(KilnPlanner *p, KilnStage *s, const KilnInstruction *i, bool trigger);
void kiln_stage_free(KilnStage *s);

/* settings.c */
/* What build arguments say to the builder itself: the plan's epoch and hostname. */
bool kiln_planner_settings(KilnPlanner *p, GError **error);

/* cycle.c */
/* Refuses stages that read from each other, and bases and --from that name nothing, in all stages. */
bool kiln_planner_cycles(KilnPlanner *p, GError **error);

/* references.c */
const char *kiln_planner_context(const KilnPlanner *p,
                                 const char *name); /* of --build-context, or NULL */
bool kiln_planner_reference(KilnPlanner *p, const KilnSite *site, const char *from,
                            KilnFrom *reference, GError **error);
/* Adds "(did you mean …?)" to an error about an image that cannot be had: a stage, or one of the
 * images that most begin with, is spelt nearly so. */
void kiln_planner_hint(const KilnPlanner *p, const char *name, GError **error);
/* What an instruction reads beside its own stage: the values of COPY --from and of "from" in RUN
 * --mount (NULL for a mount without). char* */
GPtrArray *kiln_instruction_froms(const KilnInstruction *i);

/* onbuild.c */
bool kiln_stage_triggers(KilnPlanner *p, KilnStage *s, GError **error);

/* bases.c */
KilnBase *kiln_planner_base(KilnPlanner *p, const KilnSite *site, const char *name,
                            const char *context, const KilnPlatform *platform, GError **error);
/* What an image or a context resolved to; *base is NULL for scratch and for a stage on a stage. */
bool kiln_stage_base(KilnPlanner *p, KilnStage *s, KilnBase **base, GError **error);
/* Sets config, scope, history and the first step from what FROM names. */
bool kiln_stage_start(KilnPlanner *p, KilnStage *s, GError **error);
/* Last step of a stage. Where a directory stands in for the stage, a step that copies it. */
KilnStep *kiln_stage_result(KilnPlanner *p, KilnStage *s);
/* What --from names, as the origin of a COPY or a mount; its step is added to `needs`. */
bool kiln_planner_origin(KilnPlanner *p, const KilnSite *site, const char *from, KilnOrigin *origin,
                         GPtrArray *needs, GError **error);
void kiln_base_free(KilnBase *b);

/* outline.c: what the needed stages, which have been run, let be given to them. */
void kiln_planner_outline(KilnPlanner *p, KilnOutline *outline);

/* steps.c */
KilnStep *kiln_step_add(KilnPlanner *p, const KilnSite *site, KilnStepKind kind, KilnStep *parent);
/* "[builder 2/5] TEXT"; counts. g_free(). */
char *kiln_stage_step_name(KilnStage *s, const KilnSite *site, const char *text);
/* The instruction as people see it: variables expanded (in RUN only those that are set, since the
 * rest is the shell's, and "****" for what `mounts` makes of a secret; NULL: none). g_free(). */
char *kiln_site_display(const KilnSite *site, const GArray *mounts);
bool kiln_stage_run(KilnPlanner *p, KilnStage *s, const KilnSite *site, GError **error);
bool kiln_stage_workdir(KilnPlanner *p, KilnStage *s, const KilnSite *site, GError **error);
void kiln_step_free(KilnStep *s);
void kiln_mounts_free(GArray *mounts);

/* copy.c */
bool kiln_stage_copy(KilnPlanner *p, KilnStage *s, const KilnSite *site, GError **error);

/* remote.c */
/* *out is NULL if the source (expanded) is not to be fetched. An error for COPY of one that is. */
bool kiln_remote_source_read(const KilnSite *site, const char *source, const KilnPlace *place,
                             KilnRemoteSource **out, GError **error);
/* --checksum (as expanded, or NULL) and --keep-git-dir. */
bool kiln_remote_source_flags(const KilnSite *site, KilnRemoteSource *r, const char *checksum,
                              GError **error);
/* Gives the file of a URL a name, if the destination (as in KilnStep) does not need one of the URL. */
bool kiln_remote_source_name(const KilnSite *site, KilnRemoteSource *r, const char *source,
                             const char *dest, const KilnPlace *place, GError **error);
void kiln_remote_source_free(KilnRemoteSource *r);

/* mounts.c */
/* The mounts of a RUN; *mounts is NULL if there are none. Steps they read are added to `needs`. */
bool kiln_site_mounts(KilnPlanner *p, const KilnSite *site, GPtrArray *needs, GArray **mounts,
                      GError **error);
/* The fields of a --mount or --device, a line of CSV; NULL if it is malformed. g_strfreev(). */
char **kiln_mount_fields(const char *text);
/* As Go's strconv.ParseBool. */
bool kiln_mount_bool(const char *value, bool *result);
/* Whether a mount of the RUN puts a secret into this variable. */
bool kiln_mounts_set_variable(const GArray *mounts, const char *name);

/* sandbox.c */
/* --network, --security and --device of a RUN. */
bool kiln_site_sandbox(KilnPlanner *p, const KilnSite *site, KilnStep *step, GError **error);

/* metadata.c: every instruction that makes no layer, but ARG. */
bool kiln_site_metadata(KilnSite *site, GError **error);
/* The words of SHELL, or /bin/sh -c. */
void kiln_site_append_shell(const KilnSite *site, GPtrArray *argv);
/* "WORKDIR b" after "WORKDIR /a" is "/a/b"; an absolute path stays as written. g_free(). */
char *kiln_workdir_join(const KilnConfig *config, const char *path);

/* lint.c: BuildKit's rules for an instruction of a stage that is built. */
void kiln_site_lint(const KilnSite *site);

/* site.c */
void kiln_site_history(const KilnSite *site, KilnStep *step, const char *created_by);
void kiln_history_free(KilnHistory *h);
/* Sets an error with the place and the quoted line; returns false. place NULL: the instruction's.
 */
bool kiln_site_fail(const KilnSite *site, GError **error, KilnPlanError code,
                    const KilnPlace *place, const char *format, ...) G_GNUC_PRINTF(5, 6);
/* Hands on an error of another module, with the place before it. Takes `problem` over. */
void kiln_site_place_error(const KilnSite *site, GError **error, GError *problem,
                           const KilnPlace *place);
void kiln_site_warn(const KilnSite *site, const char *rule, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Warns if an ENV or ARG has a name like API_KEY. */
void kiln_site_warn_secret(const KilnSite *site, const char *name);
/* The place of an argument of the instruction, for kiln_site_fail(). */
const KilnPlace *kiln_site_place(const KilnSite *site, guint argument);
/* The place of a flag: of the last of that name, for RUN of the last --mount; NULL if there is
 * none. */
const KilnPlace *kiln_site_flag(const KilnSite *site, const char *name);
/* Expand an argument of the instruction, or any word, or the body of a heredoc (quotes stay), or an
 * argument that may become several. What is not set is warned of once an instruction. */
char *kiln_site_argument(const KilnSite *site, guint argument, GError **error);
char *kiln_site_word(const KilnSite *site, const char *word, const KilnPlace *place,
                     GError **error);
char *kiln_site_raw(const KilnSite *site, const char *text, const KilnPlace *place, GError **error);
char **kiln_site_words(const KilnSite *site, guint argument, GError **error);
