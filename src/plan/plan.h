/* The plan: which steps a build of one target runs, and on what. Takes the parsed Dockerfile, the
 * arguments of the build and the configurations of its bases; makes the graph of steps and the final
 * configuration. Knows nothing of disks, keys or caches.
 *
 * Semantics are BuildKit's dockerfile2llb: only the stages that the target needs; ARG and ENV scopes;
 * ONBUILD triggers of a base run right after FROM. */
#pragma once

#include "dockerfile/dockerfile.h"
#include "image/config.h"
#include "remote/git-reference.h"

#define KILN_PLAN_ERROR (kiln_plan_error_quark())
GQuark kiln_plan_error_quark(void);
typedef enum {
    KILN_PLAN_ERROR_STAGE,       /* no such stage, self or forward reference */
    KILN_PLAN_ERROR_ARGUMENT,
    KILN_PLAN_ERROR_UNSUPPORTED, /* a flag that this version does not do yet, by name */
    KILN_PLAN_ERROR_NOT_ALLOWED, /* needs an entitlement that was not given (--allow) */
} KilnPlanError;

typedef enum {
    KILN_STEP_FROM,    /* an image's layers */
    KILN_STEP_RUN,
    KILN_STEP_COPY,    /* COPY and ADD */
    KILN_STEP_WORKDIR,
} KilnStepKind;

typedef struct KilnStep KilnStep;

/* Where a COPY reads from (and what a FROM names). */
typedef enum {
    KILN_ORIGIN_CONTEXT, /* the build context */
    KILN_ORIGIN_STAGE,   /* `step` is the last step of that stage, NULL for an empty scratch stage */
    KILN_ORIGIN_IMAGE,   /* `name` is a reference; `step` is a KILN_STEP_FROM of the plan */
    KILN_ORIGIN_NAMED,   /* `name` is a --build-context that is a directory */
} KilnOriginKind;
typedef struct {
    KilnOriginKind kind;
    char *name;
    KilnStep *step;
} KilnOrigin;

typedef struct {
    char *name;    /* destination name of an inline file, from a heredoc in COPY or ADD */
    char *content; /* expanded if the heredoc says so */
} KilnInline;

/* A source of ADD that is fetched: a git repository, or else the URL as it is written. */
typedef struct {
    KilnGitReference *git; /* or NULL */
    bool keep_git_dir;     /* git: by flag or by the source */
    char *name;            /* URL: what the file is called in a directory */
    char *checksum;        /* URL: "sha256:…", also sha384 and sha512; or NULL. That of git is in `git` */
} KilnRemoteSource;

/* RUN --mount. The values are expanded and checked; paths are absolute in the rootfs. */
typedef enum {
    KILN_MOUNT_BIND,
    KILN_MOUNT_CACHE,
    KILN_MOUNT_TMPFS,
    KILN_MOUNT_SECRET,
    KILN_MOUNT_SSH,
} KilnMountType;
typedef enum { KILN_SHARING_SHARED, KILN_SHARING_PRIVATE, KILN_SHARING_LOCKED } KilnSharing;
typedef struct {
    KilnMountType type;
    char *target;      /* never "/"; NULL for a secret that is only an environment variable */
    char *source;      /* path in `from`, absolute; "/" by default */
    char *id;          /* cache: its name, by default the target as written, after "NAMESPACE/" if there is
                          a BUILDKIT_CACHE_MOUNT_NS; secret, ssh: as the user gives it; NULL otherwise */
    KilnOrigin from;   /* bind: the context by default; cache: what a new one starts with, by default nothing
                          (KILN_ORIGIN_STAGE without step); tmpfs: nothing */
    KilnSharing sharing; /* cache */
    bool readonly;     /* bind: by default; a writable bind's changes are thrown away */
    gint64 mode, uid, gid; /* cache: of a new one, -1: not given (0755, 0, 0); secret, ssh: of the file */
    guint64 size;      /* tmpfs: bytes; 0: no limit of its own */
    char *env;         /* secret: the variable that holds it too, or NULL */
    bool required;     /* secret, ssh: without it the RUN fails; else it is left out */
} KilnMount;

/* RUN --network, or what the build says. */
typedef enum { KILN_NETWORK_DEFAULT, KILN_NETWORK_NONE, KILN_NETWORK_HOST } KilnNetwork;

struct KilnStep {
    guint index; /* in KilnPlan.steps: every step comes after those it needs */
    KilnStepKind kind;
    char *name;       /* for people: "[builder 2/5] RUN npm install"; "[2/5] …" for an unnamed only stage */
    char *created_by; /* for history: "RUN /bin/sh -c npm install # buildkit", as BuildKit writes it */
    KilnStep *parent; /* whose file system it starts from; NULL: empty */
    GPtrArray *needs; /* other steps it reads (KilnStep*, borrowed); the parent is not among them */
    const KilnDockerfile *file; /* for error messages; NULL for an ONBUILD trigger */
    KilnPlace place;
    guint stage;   /* which FROM of the file, 0 the first */
    bool no_cache; /* --no-cache-filter names its stage */
    char *keyword; /* "RUN", "COPY", "ADD" … */

    /* KILN_STEP_FROM */
    char *ref;       /* canonical reference or name of a build context */
    char *image_id;  /* what it resolved to */

    /* KILN_STEP_RUN: the whole command, ready to be executed */
    char **argv;      /* shell form: SHELL, then the command line */
    char **env;       /* the stage's ENV and ARGs, "NAME=value"; PATH is always there */
    char **proxy_env; /* predefined proxy ARGs that were given: in the environment, never in the key */
    char *script;     /* a heredoc script with a shebang: its text. It is put in a file at argv[0]
                         ("/dev/pipes/EOF", mode 0755) and executed as that; or NULL */
    char *user;       /* USER as expanded: "name", "uid", "name:group" …; NULL for root. Also of WORKDIR */
    char *shell_name; /* the shell of the shell form ("/bin/sh"); NULL for exec form and scripts */
    GArray *mounts;   /* KilnMount, in order; NULL if there are none */
    KilnNetwork network;
    bool insecure;    /* --security=insecure, which was allowed */

    /* KILN_STEP_COPY */
    bool add;          /* ADD: local archives are unpacked (not with --unpack=false) */
    bool unpack_fetched; /* ADD --unpack: archives of URLs too */
    KilnOrigin from;
    char **sources;    /* expanded, as written otherwise */
    GArray *source_places; /* KilnPlace, one for each source */
    GPtrArray *remotes; /* KilnRemoteSource*, one for each source, NULL for one that is not fetched */
    char *dest;        /* absolute in the rootfs; ends in "/" if it was written so, or as "." */
    char *chown;       /* expanded, or NULL */
    char *chmod;       /* expanded, or NULL: "755", "0644", "u+x" */
    GArray *inlines;   /* KilnInline */
    bool link;         /* --link, that counts: the layer is made on nothing, and is the same on any parent */
    bool parents;      /* --parents */
    char **excludes;   /* --exclude patterns, or NULL */

    /* KILN_STEP_RUN and _WORKDIR, absolute */
    char *workdir;

    gpointer state;    /* the build engine's own */
};

typedef struct {
    char *created_by, *comment;
    KilnStep *step; /* its layer; NULL: empty_layer */
} KilnHistory;

typedef struct {
    GPtrArray *steps;  /* KilnStep*, owned, in an order in which they can run */
    KilnStep *target;  /* last step of the target stage; NULL if that is scratch with metadata only */
    KilnConfig *config; /* of the target: that of its base with rootfs and history as the base has them, plus
                           everything the Dockerfile sets */
    GPtrArray *history; /* KilnHistory*, what comes after the base's */
    GPtrArray *warnings; /* KilnDockerfileWarning*: undefined variables, relative WORKDIR … */
    gint64 epoch;        /* SOURCE_DATE_EPOCH of --build-arg or of an ARG before the first FROM, in
                            seconds; -1: none */
    char *hostname;      /* BUILDKIT_SANDBOX_HOSTNAME; NULL: the usual */
} KilnPlan;

/* What a reference or a name resolves to. `config` is NULL only for a directory context and an unknown base. */
typedef struct {
    KilnConfig *config;
    char *image_id;
    bool directory; /* a --build-context that is a directory */
    bool unknown;   /* an image that is not at hand: the plan is made as if its configuration were empty,
                       but any variable may be set. Its FROM step has no image_id: such a plan explains,
                       it cannot be built */
} KilnResolved;
void kiln_resolved_free(KilnResolved *r);
/* Called once for each distinct base of the needed stages (FROM, COPY --from, RUN --mount from). `name` is as
 * written after expansion, but where a --build-context stands in for it the name of that context as in
 * KilnPlanOptions.contexts; platform as FROM says or the build's. NULL with error if it cannot be had: the
 * plan puts the place before the message. */
typedef KilnResolved *(*KilnResolveFunc)(const char *name, const KilnPlatform *platform, void *data,
                                         GError **error);

typedef struct KilnOutline KilnOutline; /* outline.h */

typedef struct {
    const char *target;             /* stage name or number; NULL: the last */
    const char *const *build_args;  /* "K=V"; NULL-terminated, may be NULL */
    const char *const *proxy_args;  /* predefined proxy ARGs by configuration */
    const char *const *labels;      /* "K=V"; set last, without history */
    const char *const *contexts;    /* names of --build-context: they stand in for stages and references */
    const char *const *no_cache;    /* stages whose steps are run whatever was made before; may be NULL */
    KilnNetwork network;            /* of RUNs that do not say */
    const char *const *allow;       /* entitlements: "network.host", "security.insecure"; may be NULL */
    const KilnPlatform *platform;   /* of the result, written to its config; NULL: the host's and the
                                       config keeps the base's */
    KilnResolveFunc resolve;
    void *resolve_data;
    bool all_stages;                /* plan those that the target does not need, too (to check them) */
    KilnOutline *outline;           /* gets what can be given to the target; NULL: not wanted */
    GPtrArray *warnings;            /* gets the warnings also of a plan that fails; NULL: KilnPlan.warnings alone */
} KilnPlanOptions;

/* Errors carry the place "NAME:LINE:COLUMN: …" and the quoted line. The Dockerfile must outlive the plan. */
KilnPlan *kiln_plan_new(const KilnDockerfile *file, const KilnPlanOptions *options, GError **error);
void kiln_plan_free(KilnPlan *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnPlan, kiln_plan_free)

/* The image references that the needed stages use (FROM and COPY --from), for fetching them at once before
 * kiln_plan_new(). Names of build contexts are left out. g_ptr_array_unref(). */
GPtrArray *kiln_plan_references(const KilnDockerfile *file, const KilnPlanOptions *options,
                                GError **error);

/* Applies one instruction text of `kiln import --change` ("CMD [\"sh\"]", "ENV A=b") to a config: CMD,
 * ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR, HEALTHCHECK, SHELL. */
bool kiln_config_change(KilnConfig *config, const char *instruction, GError **error);

/* A path as Docker joins it to a working directory: lexically clean and absolute, "/" at the least. g_free(). */
char *kiln_path_clean(const char *base, const char *path);
