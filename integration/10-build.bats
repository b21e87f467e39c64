#!/usr/bin/env bats
# The main job: a Dockerfile to an OCI archive, and what the cache makes of a second build.

setup() {
    load lib
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
}

context_done() {
    own ranged "$CONTEXT"
}

@test "two stages: the archive holds what COPY --from took, and nothing of the builder" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox AS builder
WORKDIR /src
COPY input .
RUN tr a-z A-Z < input > output && echo junk > /junk
FROM busybox
COPY --from=builder /src/output /result
ENV GREETING="hello world"
CMD ["cat", "/result"]
END
    echo hello >"$CONTEXT/input"
    context_done
    run build ranged -t app -o "type=oci,dest=$DIR/app.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    rootfs=$(unpack "$DIR/app.tar")
    [ "$(cat "$rootfs/result")" = HELLO ]
    [ ! -e "$rootfs/junk" ]
    [ ! -e "$rootfs/src" ]
    run config_of "$DIR/app.tar"
    [ "$(jq -c .config.Cmd <<<"$output")" = '["cat","/result"]' ]
    jq -e '.config.Env | index("GREETING=hello world")' <<<"$output"
}

@test "a second build is all cached and byte-identical" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
WORKDIR /app
COPY . .
RUN date +%N > /stamp
LABEL a=b
END
    echo 1 >"$CONTEXT/file"
    context_done
    build ranged --no-cache -o "type=oci,dest=$DIR/one.tar" "$CONTEXT"
    run build ranged -o "type=oci,dest=$DIR/two.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(cached)" -eq 3 ]
    cmp "$DIR/one.tar" "$DIR/two.tar"
}

@test "a changed file invalidates from the COPY that reads it on, and nothing before" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
COPY first /first
RUN echo one > /one
COPY second /second
RUN echo two > /two
END
    echo a >"$CONTEXT/first"
    echo a >"$CONTEXT/second"
    context_done
    build ranged "$CONTEXT"
    echo b >"$CONTEXT/second"
    run build ranged "$CONTEXT"
    is_cached "COPY first"
    is_cached "RUN echo one"
    refute is_cached "COPY second"
    refute is_cached "RUN echo two"
}

@test "a changed mtime alone invalidates nothing; a changed mode does" {
    printf 'FROM busybox\nCOPY file /\nRUN true\n' >"$CONTEXT/Dockerfile"
    echo a >"$CONTEXT/file"
    context_done
    build ranged "$CONTEXT"
    touch -d '2001-01-01' "$CONTEXT/file"
    run build ranged "$CONTEXT"
    [ "$(cached)" -eq 2 ]
    chmod 755 "$CONTEXT/file"
    run build ranged "$CONTEXT"
    [ "$(cached)" -eq 0 ]
}

@test "metadata instructions make no layer and no step" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
ENV A=b
LABEL c=d
EXPOSE 80/tcp
USER app
VOLUME /data
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true
ENTRYPOINT ["sh"]
MAINTAINER me
END
    context_done
    build ranged -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    run config_of "$DIR/a.tar"
    [ "$(jq '.rootfs.diff_ids | length' <<<"$output")" -eq 1 ]
    [ "$(jq -r .config.User <<<"$output")" = app ]
    [ "$(jq -r .config.StopSignal <<<"$output")" = SIGINT ]
    [ "$(jq -c .config.ExposedPorts <<<"$output")" = '{"80/tcp":{}}' ]
    [ "$(jq -c .config.Volumes <<<"$output")" = '{"/data":{}}' ]
    [ "$(jq -r .config.Healthcheck.Interval <<<"$output")" = 5000000000 ]
    [ "$(jq -r .author <<<"$output")" = me ]
    [ "$(jq '[.history[] | select(.empty_layer)] | length' <<<"$output")" -eq 9 ]
}

@test "a failing RUN names its place and exit code, and leaves earlier steps cached" {
    printf 'FROM busybox\nRUN echo kept > /kept\nRUN echo before; exit 7\n' >"$CONTEXT/Dockerfile"
    context_done
    run build ranged -t broken "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *"exit code: 7"* ]]
    [[ $output == *"Dockerfile:3:1"* ]]
    [[ $output == *before* ]]
    run build ranged -t broken "$CONTEXT"
    is_cached "RUN echo kept"
    run as ranged kiln inspect broken
    [ "$status" -eq 1 ]
    assert_clean "$KILN_IT/store-ranged"
}

@test "only the stages that the target needs are built" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox AS unused
RUN echo never; exit 1
FROM busybox AS wanted
RUN echo wanted > /w
FROM wanted AS later
RUN exit 1
END
    context_done
    run build ranged --target wanted "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output != *never* ]]
    run build ranged --target WANTED "$CONTEXT"
    [ "$status" -eq 0 ]
    run build ranged --target nothing "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *nothing* ]]
}

@test "ARG: global and stage scope, --build-arg, and no rerun when the value is the same" {
    cat >"$CONTEXT/Dockerfile" <<'END'
ARG BASE=nothing
FROM ${BASE} AS x
ARG WHO=nobody
RUN echo "$WHO" > /who
END
    context_done
    build ranged --build-arg BASE=busybox --build-arg WHO=me -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    rootfs=$(unpack "$DIR/a.tar")
    [ "$(cat "$rootfs/who")" = me ]
    run build ranged --build-arg BASE=busybox --build-arg WHO=me "$CONTEXT"
    is_cached "RUN echo"
    run build ranged --build-arg BASE=busybox --build-arg WHO=you "$CONTEXT"
    refute is_cached "RUN echo"
}

@test "COPY: wildcards, directories' contents, --chown by name and number, --chmod" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
COPY *.txt /texts/
COPY tree /tree
COPY --chown=app:extra one.txt /owned
COPY --chown=12:34 --chmod=4711 one.txt /numbered
COPY --chown=app tree /apptree/
END
    mkdir -p "$CONTEXT/tree/sub"
    echo 1 >"$CONTEXT/one.txt"
    echo 2 >"$CONTEXT/two.txt"
    echo 3 >"$CONTEXT/three.md"
    echo 4 >"$CONTEXT/tree/sub/four"
    chmod 700 "$CONTEXT/tree/sub"
    context_done
    build ranged -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    rootfs=$(unpack "$DIR/a.tar")
    [ "$(ls "$rootfs/texts" | tr '\n' ' ')" = "one.txt two.txt " ]
    [ "$(cat "$rootfs/tree/sub/four")" = 4 ]
    [ "$(stat -c %a "$rootfs/tree/sub")" = 700 ]
    [ "$(stat -c %u:%g "$rootfs/owned")" = 1000:2000 ]
    [ "$(stat -c %u:%g:%a "$rootfs/numbered")" = 12:34:4711 ]
    [ "$(stat -c %u:%g "$rootfs/apptree/sub/four")" = 1000:1000 ]
    [ "$(stat -c %u:%g "$rootfs/tree/sub/four")" = 0:0 ]
}

@test "ADD unpacks local archives in every compression; COPY never does" {
    mkdir "$DIR/content"
    echo inside >"$DIR/content/file"
    for how in tar: tar.gz:--gzip tar.bz2:--bzip2 tar.xz:--xz tar.zst:--zstd; do
        tar -C "$DIR/content" ${how#*:} -cf "$CONTEXT/a.${how%%:*}" file
    done
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
ADD a.tar /plain/
ADD a.tar.gz /gz/
ADD a.tar.bz2 /bz2/
ADD a.tar.xz /xz/
ADD --chown=7:8 a.tar.zst /zst/
COPY a.tar.gz /copied
END
    context_done
    build ranged -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    rootfs=$(unpack "$DIR/a.tar")
    for d in plain gz bz2 xz zst; do
        [ "$(cat "$rootfs/$d/file")" = inside ]
    done
    [ "$(stat -c %u:%g "$rootfs/zst/file")" = 7:8 ]
    cmp "$rootfs/copied" "$CONTEXT/a.tar.gz"
}

@test ".dockerignore: patterns, exceptions, and NAME.dockerignore before it" {
    printf 'FROM busybox\nCOPY . /all/\n' | tee "$CONTEXT/Dockerfile" >"$CONTEXT/Other"
    printf '# comment\n*.log\n**/tmp\n!keep.log\nOther*\n' >"$CONTEXT/.dockerignore"
    printf '*\n!only\n' >"$CONTEXT/Other.dockerignore"
    mkdir -p "$CONTEXT/a/tmp" "$CONTEXT/tmp"
    touch "$CONTEXT"/{drop.log,keep.log,only,a/kept,a/tmp/x}
    context_done
    build ranged -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    rootfs=$(unpack "$DIR/a.tar")
    [ "$(cd "$rootfs/all" && find . -type f | LC_ALL=C sort | tr '\n' ' ')" = "./.dockerignore ./Dockerfile ./a/kept ./keep.log ./only " ]
    build ranged -f "$CONTEXT/Other" -o "type=oci,dest=$DIR/b.tar" "$CONTEXT"
    rootfs=$(unpack "$DIR/b.tar")
    [ "$(ls -A "$rootfs/all")" = only ]
}

@test "files that COPY does not read do not matter" {
    printf 'FROM busybox\nCOPY wanted /\n' >"$CONTEXT/Dockerfile"
    touch "$CONTEXT/wanted"
    context_done
    build ranged "$CONTEXT"
    echo other >"$CONTEXT/unrelated"
    run build ranged "$CONTEXT"
    [ "$(cached)" -eq 1 ]
}

@test "ONBUILD triggers of a base run after FROM, once" {
    printf 'FROM busybox\nONBUILD COPY given /given\nONBUILD RUN cat /given > /made\n' >"$CONTEXT/base"
    printf 'FROM onbuild-base\n' >"$CONTEXT/Dockerfile"
    printf 'FROM onbuild-child\n' >"$CONTEXT/grandchild"
    echo content >"$CONTEXT/given"
    context_done
    build ranged -f "$CONTEXT/base" -t onbuild-base "$CONTEXT"
    build ranged -t onbuild-child -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    rootfs=$(unpack "$DIR/a.tar")
    [ "$(cat "$rootfs/made")" = content ]
    [ "$(config_of "$DIR/a.tar" | jq '.config.OnBuild')" = null ]
}

@test "heredocs, SHELL, exec form and ENV are what the command sees" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
ENV ONE=1 TWO="t w o"
RUN ["/bin/sh", "-c", "echo exec-$ONE-$TWO > /exec"]
SHELL ["/bin/sh", "-e", "-c"]
RUN false; echo reached > /reached || true
END
    context_done
    run build ranged "$CONTEXT"
    [ "$status" -eq 1 ]
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
ENV ONE=1 TWO="t w o"
RUN ["/bin/sh", "-c", "echo exec-$ONE-$TWO > /exec"]
RUN <<EOF
echo first > /heredoc
echo second >> /heredoc
EOF
COPY <<EOF /inline
value $ONE
EOF
END
    build ranged -o "type=oci,dest=$DIR/a.tar" "$CONTEXT"
    rootfs=$(unpack "$DIR/a.tar")
    [ "$(cat "$rootfs/exec")" = "exec-1-t w o" ]
    [ "$(cat "$rootfs/heredoc" | tr '\n' ' ')" = "first second " ]
    [ "$(cat "$rootfs/inline")" = "value 1" ]
}

@test "independent stages run at once" {
    # Each stage waits for a sign of the other in a shared cache mount: one after the other would never end.
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox AS left
RUN --mount=type=cache,id=meet,target=/meet touch /meet/left; while [ ! -e /meet/right ]; do usleep 1000; done; touch /l
FROM busybox AS right
RUN --mount=type=cache,id=meet,target=/meet touch /meet/right; while [ ! -e /meet/left ]; do usleep 1000; done; touch /r
FROM busybox
COPY --from=left /l /
COPY --from=right /r /
RUN --mount=type=cache,id=meet,target=/meet rm /meet/left /meet/right
END
    context_done
    run build ranged --no-cache "$CONTEXT"
    [ "$status" -eq 0 ]
}

@test "images, inspect, tag, save, load, rmi" {
    printf 'FROM busybox\nRUN echo x > /x\nLABEL kind=test\n' >"$CONTEXT/Dockerfile"
    context_done
    fresh_store ranged busybox=busybox:latest
    build ranged -t one -t registry.example/two:v1 --iidfile "$DIR/iid" "$CONTEXT"
    id=$(cat "$DIR/iid")
    [[ $id == sha256:* ]]
    run as ranged kiln images
    [[ $output == *one* && $output == *registry.example/two* ]]
    [ "$(as ranged kiln inspect one | jq -r '.[0].Id')" = "$id" ]
    [ "$(as ranged kiln inspect one | jq -r '.[0].Config.Labels.kind')" = test ]
    as ranged kiln tag one three:x
    as ranged kiln save -o "$DIR/saved.tar" one
    as ranged kiln rmi one three:x registry.example/two:v1
    run as ranged kiln inspect one
    [ "$status" -ne 0 ]
    run as ranged kiln load -i "$DIR/saved.tar"
    [ "$status" -eq 0 ]
    [[ $output == *one:latest* ]]
    [ "$(as ranged kiln inspect one | jq -r '.[0].Id')" = "$id" ]
}

@test "SOURCE_DATE_EPOCH sets every time, so that two cold builds are byte-identical" {
    printf 'FROM busybox\nCOPY f /f\nRUN echo x > /x\nENV A=b\n' >"$CONTEXT/Dockerfile"
    touch "$CONTEXT/f"
    context_done
    for n in 1 2; do
        as ranged env SOURCE_DATE_EPOCH=1234567890 kiln build --no-cache -q -o "type=oci,dest=$DIR/$n.tar" "$CONTEXT"
    done
    cmp "$DIR/1.tar" "$DIR/2.tar"
    [ "$(config_of "$DIR/1.tar" | jq -r .created)" = 2009-02-13T23:31:30Z ]
    [ "$(config_of "$DIR/1.tar" | jq -r '.history[-1].created')" = 2009-02-13T23:31:30Z ]
}
