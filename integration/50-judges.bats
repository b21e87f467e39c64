#!/usr/bin/env bats
# What kiln writes, judged by other people's tools, and what they write, read by kiln. Trees are compared path by
# path (fixtures/tree.py): type, mode, owner, content, time, extended attributes, hard links.

setup_file() {
    load lib
    load services
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
    export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
    mkdir "$BATS_FILE_TMPDIR/registry"
    start_registry "$BATS_FILE_TMPDIR/registry" '' "storage: {filesystem: {rootdirectory: $BATS_FILE_TMPDIR/data}}"
    export REGISTRY=127.0.0.1:$SERVICE_PORT REGISTRY_PID=$SERVICE_PID
    HOST=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
    export HOST
}

teardown_file() {
    load services
    stop "$REGISTRY_PID"
}

setup() {
    load lib
    load services
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    RUNC_ID=
    mkdir -p "$CONTEXT"
}

teardown() {
    [ -z "$RUNC_ID" ] || runc delete --force "$RUNC_ID" || true
}

tree() { # ROOT [NEW]
    "$BATS_TEST_DIRNAME/fixtures/tree.py" "$@"
}

layout() {
    "$BATS_TEST_DIRNAME/fixtures/layout.py" "$@"
}

# Builds the context, as the ranged user, to $CONTEXT/a.tar.
build_archive() { # ARGUMENTS…
    own ranged "$CONTEXT"
    build ranged -o "type=oci,dest=$CONTEXT/a.tar" "$@" "$CONTEXT"
}

# podman and buildah with a storage of the test's own, which needs no mounts.
storage() { # PROGRAM ARGUMENTS…
    "$1" --root "$DIR/storage" --runroot "$DIR/run" --storage-driver vfs "${@:2}"
}

# A small image with something of everything: $CONTEXT/a.tar, also in the store as "everything".
everything() {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
ENV GREETING="hello world"
LABEL one=1
WORKDIR /work
COPY file .
RUN ln file hard && ln -s file soft && mkfifo fifo && mkdir dir && chmod 3770 dir && chown 5:6 dir && rm /etc/group
EXPOSE 80
VOLUME /data
USER app
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo \"$GREETING $(id -u) $(pwd)\"; cat file"]
