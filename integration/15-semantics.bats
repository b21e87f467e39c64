#!/usr/bin/env bats
# What a Dockerfile means where it is easily got wrong: found by building it with BuildKit, too
# (scripts/differential), and kept here for machines without docker.

setup() {
    load lib
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
}

# Builds the Dockerfile on standard input; $rootfs is the image's tree.
built() { # BUILD ARGUMENTS…
    cat >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    rm -f "$DIR/a.tar"
    build ranged "$@" -o "type=oci,dest=$DIR/a.tar" "$CONTEXT" >&2 || return
    rootfs=$(unpack "$DIR/a.tar")
}

attributes() { # PATH…
    (cd "$rootfs" && stat -c '%n %a %u:%g' "$@")
}

same_file() { # PATH PATH
    [ "$(stat -c %i "$rootfs/$1")" = "$(stat -c %i "$rootfs/$2")" ]
}

@test "ADD of an archive goes through the image's symlinks, and leaves the directories that it only names" {
    mkdir -p "$DIR/t/lib" "$DIR/t/etc/app"
    echo new >"$DIR/t/lib/file"
    echo new >"$DIR/t/etc/app/file"
    tar -C "$DIR/t" -cf "$CONTEXT/a.tar" lib/file etc/app/file
    built <<'END'
FROM busybox
RUN mkdir -p /usr/lib /etc/app && ln -s usr/lib /lib && echo old > /usr/lib/old && \
    chown 3:4 /usr/lib /etc/app && chmod 711 /usr/lib /etc/app
ADD a.tar /
RUN cat /lib/old /lib/file > /seen && stat -c '%a %u:%g' /usr/lib/ /etc/app > /stat
END
    [ "$(readlink "$rootfs/lib")" = usr/lib ]
    [ "$(tr '\n' ' ' <"$rootfs/seen")" = "old new " ]
    [ "$(attributes usr/lib etc/app | tr '\n' ' ')" = "usr/lib 711 3:4 etc/app 711 3:4 " ]
    [ "$(tr '\n' ' ' <"$rootfs/stat")" = "711 3:4 711 3:4 " ]
}

@test "ADD of several archives: the hard links of one are none of the other's" {
    for n in 1 2; do
        mkdir "$DIR/$n"
        echo "$n" >"$DIR/$n/first-$n"
        ln "$DIR/$n/first-$n" "$DIR/$n/second-$n"
        tar -C "$DIR/$n" -cf "$CONTEXT/$n.tar" .
    done
    built <<'END'
FROM busybox
ADD 1.tar 2.tar /d/
END
    same_file d/first-1 d/second-1
    same_file d/first-2 d/second-2
    refute same_file d/first-1 d/first-2
    [ "$(cat "$rootfs/d/second-1" "$rootfs/d/second-2" | tr '\n' ' ')" = "1 2 " ]
}

@test "hard links of the context are hard links of the image, within one source" {
    mkdir "$CONTEXT/d"
    echo x >"$CONTEXT/d/1"
    ln "$CONTEXT/d/1" "$CONTEXT/d/2"
    ln "$CONTEXT/d/1" "$CONTEXT/3"
    built <<'END'
FROM busybox
COPY --chown=app d 3 /x/
END
    same_file x/1 x/2
    refute same_file x/1 x/3
    [ "$(attributes x/2 x/3 | tr '\n' ' ')" = "x/2 644 1000:1000 x/3 644 1000:1000 " ]
}

@test "COPY --from: each source for itself, with owners, modes and the links inside it" {
    built <<'END'
FROM busybox AS one
RUN mkdir /d && echo x > /d/1 && ln /d/1 /d/2 && ln /d/1 /3 && chown -R 5:6 /d && chmod 4711 /d/1 && chmod 2750 /d
FROM busybox
COPY --from=one /d /3 /x/
COPY --from=one / /all/
END
    same_file x/1 x/2
    refute same_file x/1 x/3
    same_file all/d/1 all/3
    [ "$(attributes x/1 x/3 x all/d | tr '\n' ' ')" = "x/1 4711 5:6 x/3 4711 5:6 x 755 0:0 all/d 2750 5:6 " ]
}

@test "what a wildcard matches is followed, as a symlink that is named is" {
    mkdir "$CONTEXT/dir"
    echo inside >"$CONTEXT/dir/file"
    echo plain >"$CONTEXT/plain"
    ln -s plain "$CONTEXT/link-file"
    ln -s dir "$CONTEXT/link-dir"
    built <<'END'
FROM busybox
COPY link-* /x/
END
    [ "$(cd "$rootfs/x" && find . -type f | LC_ALL=C sort | tr '\n' ' ')" = "./file ./link-file " ]
    [ "$(cat "$rootfs/x/link-file")" = plain ]
    ln -s nowhere "$CONTEXT/link-dangling"
    run built <<'END'
FROM busybox
COPY link-* /x/
END
    [ "$status" -ne 0 ]
    [[ $output == *link-dangling* ]]
}

@test "a destination that is a symlink is followed; a symlink inside the destination is replaced" {
    echo new >"$CONTEXT/file"
    built <<'END'
FROM busybox
RUN mkdir /d && echo old > /target && ln -s /target /link && ln -s /gone /dangling && ln -s /target /d/file
COPY file /link
COPY file /dangling
COPY file /d/
END
    [ -L "$rootfs/link" ]
    [ -L "$rootfs/dangling" ]
    [ "$(cat "$rootfs/target" "$rootfs/gone" | tr '\n' ' ')" = "new new " ]
    [ ! -L "$rootfs/d/file" ]
}

@test "--chmod: octal holds for the directories that are made, too; symbolic as chmod does it" {
    mkdir "$CONTEXT/dir"
    echo x >"$CONTEXT/dir/script"
    echo x >"$CONTEXT/dir/plain"
    chmod 700 "$CONTEXT/dir/script"
    chmod 640 "$CONTEXT/dir/plain"
    built <<'END'
FROM busybox
RUN mkdir /have && chmod 711 /have
COPY --chmod=700 dir/plain /made/deeper/
COPY --chmod=4777 dir/plain /special/x
COPY --chmod=700 dir/plain /have/
COPY --chmod=u=rwX,go=rX dir /symbolic
COPY --chmod=+x,g=u dir/plain /plus/
END
    [ "$(attributes made made/deeper made/deeper/plain special special/x have | tr '\n' ' ')" = \
        "made 700 0:0 made/deeper 700 0:0 made/deeper/plain 700 0:0 special 755 0:0 special/x 4777 0:0 have 711 0:0 " ]
    [ "$(attributes symbolic/script symbolic/plain plus plus/plain | tr '\n' ' ')" = \
        "symbolic/script 755 0:0 symbolic/plain 644 0:0 plus 755 0:0 plus/plain 771 0:0 " ]
}

@test "--link: the layer is as on an empty image, whatever lies below" {
    echo x >"$CONTEXT/file"
    built <<'END'
FROM busybox
RUN mkdir /have /real && echo old > /have/old && chown 5:6 /have && chmod 700 /have && ln -s real /way
COPY --link file /have/
COPY --link --chown=app file /way/
RUN ls /have /way > /list
END
    [ "$(attributes have have/file way way/file | tr '\n' ' ')" = \
        "have 755 0:0 have/file 644 0:0 way 755 1000:1000 way/file 644 1000:1000 " ]
    [ ! -L "$rootfs/way" ]
    [ ! -e "$rootfs/real/file" ]
    [ -e "$rootfs/have/old" ]
    [ "$(tr '\n' ' ' <"$rootfs/list")" = "/have: file old  /way: file " ]
}

@test "ADD --unpack and COPY --link are not what the same words without them were" {
    mkdir "$DIR/t"
    echo x >"$DIR/t/inside"
    tar -C "$DIR/t" -cf "$CONTEXT/a.tar" inside
    built <<<$'FROM busybox\nADD a.tar /d/\n'
    [ -e "$rootfs/d/inside" ]
    built <<<$'FROM busybox\nADD --unpack=false a.tar /d/\n'
    [ -e "$rootfs/d/a.tar" ]
    built <<<$'FROM busybox\nRUN ln -s /real /way && mkdir /real\nCOPY a.tar /way/\n'
    [ -e "$rootfs/real/a.tar" ]
    built <<<$'FROM busybox\nRUN ln -s /real /way && mkdir /real\nCOPY --link a.tar /way/\n'
    [ ! -e "$rootfs/real/a.tar" ]
}

@test "--exclude: a directory that is named is made, though all in it is excluded" {
    mkdir "$CONTEXT/dir"
    touch "$CONTEXT/dir/file"
    built <<<$'FROM busybox\nCOPY --exclude=* dir /x/\n'
    [ -d "$rootfs/x" ]
    [ -z "$(ls -A "$rootfs/x")" ]
}

@test "RUN --mount=type=bind shows what .dockerignore leaves of the context" {
    mkdir "$CONTEXT/sub"
    echo secret >"$CONTEXT/secret"
    echo seen >"$CONTEXT/sub/seen"
    echo hidden >"$CONTEXT/sub/hidden"
    printf 'secret\n**/hidden\n' >"$CONTEXT/.dockerignore"
    built <<'END'
FROM busybox
RUN --mount=target=/in cd /in && find . | sort > /list && stat -c '%u:%g' sub/seen >> /list && touch x || echo read-only >> /list
RUN --mount=source=sub,target=/in ls /in > /sub
RUN --mount=source=sub/seen,target=/file cat /file > /file-seen
END
    [ "$(tr '\n' ' ' <"$rootfs/list")" = ". ./.dockerignore ./Dockerfile ./sub ./sub/seen 0:0 read-only " ]
    [ "$(cat "$rootfs/sub")" = seen ]
    [ "$(cat "$rootfs/file-seen")" = seen ]
    run built <<'END'
FROM busybox
RUN --mount=source=secret,target=/file true
END
    [ "$status" -ne 0 ]
    [[ $output == *secret* ]]
    assert_clean "$KILN_IT/store-ranged"
}

@test "USER with a group has that group alone" {
    built <<'END'
FROM busybox
USER app:nogroup
RUN id -G > /tmp/groups
USER app
RUN id -G > /tmp/all
END
    [ "$(tr ' ' '\n' <"$rootfs/tmp/groups" | sort -u | tr '\n' ' ')" = "65534 " ]
    [[ " $(cat "$rootfs/tmp/all") " == *" 2000 "* ]]
}

@test "# check=error=true makes warnings errors" {
    run built <<'END'
# check=error=true
FROM busybox
WORKDIR relative
END
    [ "$status" -ne 0 ]
    [[ $output == *"lint violation found for rules: WorkdirRelativePath"* ]]
    built <<'END'
# check=skip=WorkdirRelativePath;error=true
FROM busybox
WORKDIR relative
END
}

@test "bytes that are not UTF-8 make a config that is JSON" {
    printf 'FROM busybox\nLABEL name="caf\351"\nHEALTHCHECK CMD caf\351\nRUN echo caf\351 > /file\n' >"$DIR/Dockerfile.bytes"
    built <"$DIR/Dockerfile.bytes"
    [ "$(config_of "$DIR/a.tar" | jq -r .config.Labels.name)" = $'caf\uFFFD' ]
    cmp "$rootfs/file" <(printf 'caf\351\n')
}

@test "an imported base has no working directory of its own" {
    built <<<$'FROM busybox\nLABEL a=b\n'
    [ "$(config_of "$DIR/a.tar" | jq .config.WorkingDir)" = null ]
    built <<<$'FROM scratch\nLABEL a=b\n'
    [ "$(config_of "$DIR/a.tar" | jq -r .config.WorkingDir)" = / ]
}

@test "a stage and an ARG that are misspelt are suggested" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox AS builder
ARG VERSION=1
FROM bulder
END
    own ranged "$CONTEXT"
    run build ranged "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *'Dockerfile:3:6: '*'(did you mean the stage builder?)'* ]]
    run build ranged --target buildr "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *'no target stage "buildr"; did you mean builder?'* ]]
    run build ranged --target builder --build-arg VERSOIN=2 "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output == *'[VERSOIN] were not consumed (VERSOIN: did you mean VERSION?)'* ]]
}

@test "stages that read from each other are refused though nothing needs them" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox AS a
COPY --from=b /bin/sh /x
FROM busybox AS b
COPY --from=a /bin/sh /x
FROM busybox
END
    own ranged "$CONTEXT"
    run build ranged "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *'Dockerfile:2:6: circular dependency: the stage a needs what is read here from b, and that needs a'* ]]
}

@test "SOURCE_DATE_EPOCH of an ARG before the first FROM is that of the image" {
    built <<'END'
ARG SOURCE_DATE_EPOCH=1234567890
FROM busybox
ARG SOURCE_DATE_EPOCH
RUN echo $SOURCE_DATE_EPOCH > /epoch
END
    [ "$(cat "$rootfs/epoch")" = 1234567890 ]
    [ "$(config_of "$DIR/a.tar" | jq -r .created)" = 2009-02-13T23:31:30Z ]
    cat >"$CONTEXT/Dockerfile" <<'END'
ARG SOURCE_DATE_EPOCH=now
FROM busybox
END
    own ranged "$CONTEXT"
    run build ranged "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *'Dockerfile:1:1: SOURCE_DATE_EPOCH=now is neither a number of seconds'* ]]
}

@test "SOURCE_DATE_EPOCH of the environment is a build argument" {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox
ARG SOURCE_DATE_EPOCH
RUN echo "[$SOURCE_DATE_EPOCH]"
END
    own ranged "$CONTEXT"
    run as ranged env SOURCE_DATE_EPOCH=1234567890 kiln build --no-cache --progress plain "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output == *'[1234567890]'* ]]
}

@test "BUILDKIT_SANDBOX_HOSTNAME names the sandbox" {
    built --build-arg BUILDKIT_SANDBOX_HOSTNAME=some.name <<'END'
FROM busybox
RUN hostname > /h; cat /etc/hostname > /n; grep -c some.name /etc/hosts > /c
END
    [ "$(cat "$rootfs/h" "$rootfs/n" "$rootfs/c" | tr '\n' ' ')" = "some.name some.name 1 " ]
    run build ranged --build-arg 'BUILDKIT_SANDBOX_HOSTNAME=a b' "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *'BUILDKIT_SANDBOX_HOSTNAME=a b: a hostname has at most 64'* ]]
}
