/* libkiln: the public API. Describe an operation on a store, start it, read its events.
 *
 * An operation runs in a process of its own (kiln-builder), which enters the namespaces it needs:
 * the calling program keeps its identity, threads and signal handlers. The kiln command uses this
 * API alone.
 *
 *     g_autoptr(KilnRequest) request = kiln_request_new("build");
 *     kiln_request_set(request, "context", "/home/me/app");
 *     kiln_request_add(request, "tags", "app:latest");
 *     KilnSession *session = kiln_session_start(request, &error);
 *     while ((event = kiln_session_next(session)))
 *         show(event);
 *     int status = kiln_session_finish(session);
 *
 * Operations, their keys, and the JSON document of their result ("[]": kiln_request_add, several
 * values; "flag": kiln_request_set with "true"). Paths must be absolute. Every operation takes
 * "root" (the store's directory; default: kiln_default_root()) and "libexec" (where kiln-builder and
 * kiln-remote are; default: $KILN_LIBEXEC, else beside the running program, else where kiln was installed).
 *
 *   build    context (directory, tar file, "-": tar or Dockerfile on standard input, URL, git repository),
 *            file (default CONTEXT/Dockerfile; "-": standard input; URL; not absolute: within the context),
 *            target, tags[], build_args[] "K=V" or "K"
 *            (value from the environment), labels[] "K=V", no_cache flag, pull "missing"|"always"|
 *            "never", output "type=oci,dest=FILE" (dest "-": standard output), platform,
 *            build_contexts[] "NAME=PATH|URL|docker-image://REF|oci-layout://PATH[:TAG][@DIGEST]|
 *            oci-archive://FILE|docker-archive://FILE",
 *            source_date_epoch, proxy_args[] "K=V", jobs (steps at once),
 *            secrets[] "ID=file:PATH" or "ID=env:NAME" (read by this process when a step wants one;
 *            GIT_AUTH_TOKEN and GIT_AUTH_HEADER also log in to git repositories by https),
 *            ssh[] "ID" (the agent of SSH_AUTH_SOCK), "ID=SOCKET" or "ID=KEY[,KEY…]" (an ssh-agent is
 *            started for them; repositories by ssh are fetched with the keys of "default" alone),
 *            limits[] "NAME=VALUE" of each RUN as the flags --NAME VALUE of kiln-build(1) (memory, memory-swap,
 *            cpus, cpu-period, cpu-quota, cpu-shares, cpuset-cpus, cpuset-mems, pids-limit, cgroup-parent,
 *            shm-size, ulimit, step-timeout), timeout (milliseconds, for all),
 *            network "default"|"none"|"host" of RUN, allow[] "network.host", "security.insecure",
 *            seccomp "builtin" (default), "unconfined" or the path of a profile in Docker's form, no_new_privs flag
 *            → {"image_id":"sha256:…","digest":"sha256:…" (of the manifest, with output),"names":[…]}
 *            cache_from[] and cache_to[]: lines KEY=VALUE, as the flags of kiln-build(1) have them; paths absolute,
 *            on_error "shell": when a RUN fails, a shell is opened in its sandbox on the caller's terminal, if there
 *            is one (standard error and the controlling terminal)
 *   run      image, pull and platform as for build, command[] (default: the image's), entrypoint[], variables[] "K=V" or
 *            "K" (unset), user, workdir, hostname, network, volumes[] "ro:PATH:TARGET" or "rw:PATH:TARGET",
 *            tmpfs[] "TARGET" or "TARGET:size=BYTES", input flag (the caller's standard input is the command's),
 *            terminal flag (the command gets a terminal; the caller's is in raw mode meanwhile). The command's
 *            output goes to the caller's standard output and error; its changes to the image are thrown away
 *            → {"exit_code":N}; 126 and 127 are the codes of an error event, too, if it cannot be executed
 *   check    context, file, target, build_args[], build_contexts[], platform, as for build; builds and stores nothing,
 *            and runs on every host → the document of `docker buildx build --call=check,format=json`: {"warnings":[…],
 *            "suggestions":[…],"sources":[…],"buildError":{…}} (docs/kiln-check.1)
 *   fsck     repair flag → {"problems":["…"],"found":N,"repaired":bool,"layers":N,"blobs":N,"images":N,"records":N,
 *            "bytes":N}: what is not as it was made, of all that is in the store
 *   import   path ("-": standard input), name, changes[], message, platform → {"image_id","names"}
 *   load     path (OCI archive, OCI layout directory, docker-archive; "-": standard input), platform
 *            → {"images":[{"image_id":…,"names":[…]}]}
 *   pull     name, platform, pull ("always" default) → {"image_id","names","digest"}
 *   save     names[], dest ("-": standard output), format "oci"|"docker" → {"digest":…}
 *   images   names[] (filter, may be empty) → {"images":[{"image_id","names":[…],"created","size","platform"}]}
 *   inspect  names[] → {"images":[…]}, each as `docker image inspect` prints it
 *   tag      source, name → {}
 *   rmi      names[], force flag → {"untagged":[…],"deleted":["sha256:…"]}
 *   reset    → {} (deletes the store: its files may belong to subordinate ids)
 *   probe    → {"kernel":…,"overlay":…,…}: what `kiln doctor` shows, found by trying */
#ifndef KILN_H
#define KILN_H

#include <kiln/event.h>

#include <glib.h>
#include <stdbool.h>

#define KILN_ERROR (kiln_error_quark())
GQuark kiln_error_quark(void);
typedef enum {
    KILN_ERROR_USAGE = 2, /* values are exit codes */
    KILN_ERROR_HOST = 3,  /* this host cannot run it; the message says why and what to try */
} KilnError;

typedef struct KilnRequest KilnRequest;
KilnRequest *kiln_request_new(const char *operation);
void kiln_request_free(KilnRequest *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnRequest, kiln_request_free)
void kiln_request_set(KilnRequest *r, const char *key, const char *value); /* NULL: unset */
void kiln_request_add(KilnRequest *r, const char *key, const char *value); /* one more of key[] */
const char *kiln_request_get(const KilnRequest *r, const char *key);

/* $KILN_ROOT, else $XDG_DATA_HOME/kiln, else ~/.local/share/kiln (home by passwd entry if HOME is unset
 * or "/"), else /var/tmp/kiln-UID for a uid without either; real root: /var/lib/kiln. g_free(). */
char *kiln_default_root(void);

typedef struct KilnSession KilnSession;

/* Starts the operation. NULL if the builder cannot be started: KILN_ERROR_HOST. */
KilnSession *kiln_session_start(const KilnRequest *r, GError **error);

/* Waits for the next event; NULL when the operation has ended. Credentials, registries and the like are
 * dealt with inside, as the calling user. */
const KilnEvent *kiln_session_next(KilnSession *s);

/* For a caller with a clock of its own to serve: waits at most so long. True if kiln_session_next() would not
 * wait (an event is here, or the operation has ended). */
bool kiln_session_wait(KilnSession *s, int milliseconds);

/* Asks the operation to end: its commands are killed, and what is not over a second later is broken off; the
 * second time all is broken off at once. Nothing is left of it in the store either way. Async-signal-safe.
 * kiln_session_next() goes on to give events until the end. */
void kiln_session_cancel(KilnSession *s);

/* Gives a terminal that a command has (KILN_EVENT_CONSOLE) the modes back that it had before; for a caller who ends
 * without kiln_session_finish(). Async-signal-safe. */
void kiln_session_restore_terminal(KilnSession *s);

/* Waits for the end and frees the session. Returns the exit code: 0, or that of the error event. After
 * a success the builder may go on for a moment as a child of the calling process, until the disk holds
 * what its records speak of (docs/store.md, "Durability"). */
int kiln_session_finish(KilnSession *s);

#endif
