/* What a user names as a build context, made into one: a directory, a tar (standard input, a file, a URL), a git
 * repository, a lone Dockerfile (standard input, a URL). */
#pragma once

#include "build/context.h"
#include "builder/fetch.h"
#include "builder/operation.h"

/* What came of it. */
typedef struct {
    KilnContext *context;
    bool local;           /* a directory of the host: ignore files are read */
    char *dockerfile;     /* standard input had no context but a Dockerfile (the context is empty); or NULL */
    gsize dockerfile_size;
    const char *only_file; /* a URL gave no archive but one file, which lies in the context so; static, or NULL */
} KilnLoadedContext;
void kiln_loaded_context_clear(KilnLoadedContext *l);

typedef struct {
    KilnOperation *op;
    KilnFetch *fetch;
    const char *name;  /* what messages call the context */
    const char *title; /* of the task that is shown where something has to be unpacked */
    bool keep_git_dir; /* of a repository, whatever its URL says */
    bool commit_times; /* files of a repository get the time of the commit */
} KilnContextLoader;

/* place: "-", an absolute path, or what docker takes for a repository or URL: "https://host/x.git#ref:dir",
 * "git@host:path", "github.com/owner/name", "http://host/x.tar.gz" … */
bool kiln_context_load(const KilnContextLoader *l, const char *place, KilnLoadedContext *out, GError **error);
