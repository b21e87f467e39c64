#!/usr/bin/env bats
# COPY and ADD: --parents, --exclude and sources that are not there, for every kind of user.

setup() {
    load lib
}

# Builds the Dockerfile on standard input as a role; $rootfs is the image's tree.
built() { # ROLE BUILD ARGUMENTS…
    local role=$1
    shift
    DIR=$(workdir "$role")
    cat >"$DIR/Dockerfile"
    rm -rf "$DIR/context" "$DIR/a.tar"
    cp -a "$BATS_TEST_TMPDIR/context" "$DIR/context"
    own "$role" "$DIR/context"
    [ -z "${UNREADABLE-}" ] || { chown 0:0 "$DIR/context/$UNREADABLE" && chmod 600 "$DIR/context/$UNREADABLE"; }
    build "$role" "$@" -f "$DIR/Dockerfile" -o "type=oci,dest=$DIR/a.tar" "$DIR/context" >&2 || return
    rootfs=$(unpack "$DIR/a.tar")
}

# "path mode uid:gid" of what lies below a directory of the image.
attributes() { # DIRECTORY
    (cd "$rootfs/$1" && find . -mindepth 1 -printf '%P %m %U:%G\n' | LC_ALL=C sort)
}

a_context() { # PATH…: files, in directories of mode 750
    local path
    mkdir -p "$BATS_TEST_TMPDIR/context"
    for path; do
        mkdir -p "$BATS_TEST_TMPDIR/context/$(dirname "$path")"
        echo "$path" >"$BATS_TEST_TMPDIR/context/$path"
    done
    find "$BATS_TEST_TMPDIR/context" -mindepth 1 -type d -exec chmod 750 {} +
}

@test "--parents keeps the path, from the root or from the pivot" {
    a_context src/app/main.c src/app/deep/util.c src/readme docs/readme
    for role in ranged single root; do
        built "$role" <<'END'
FROM busybox
COPY --parents src/app/main.c docs /whole/
COPY --parents src/./app/deep /pivot/
COPY --parents **/*.c /every/
COPY --parents s*/./readme /glob/
COPY --parents --chmod=700 src/app/main.c /mode/
END
        [ "$(attributes whole)" = "docs 750 0:0
docs/readme 644 0:0
src 750 0:0
src/app 750 0:0
src/app/main.c 644 0:0" ]
        [ "$(attributes pivot | cut -d' ' -f1 | paste -sd' ')" = "app app/deep app/deep/util.c" ]
        [ "$(attributes every | cut -d' ' -f1 | paste -sd' ')" = \
            "src src/app src/app/deep src/app/deep/util.c src/app/main.c" ]
        [ "$(attributes glob)" = "readme 644 0:0" ]
        [ "$(attributes mode)" = "src 700 0:0
src/app 700 0:0
src/app/main.c 700 0:0" ]
        assert_clean "$KILN_IT/store-$role"
    done
}

@test "--parents: a directory that exists keeps its owner, and gets the source's mode" {
    a_context src/app/main.c
    built ranged <<'END'
FROM busybox
RUN mkdir -p /d/src && chown 5:6 /d/src && chmod 711 /d/src
COPY --parents --chown=3:4 --chmod=700 src/app/main.c /d/
END
    [ "$(attributes d)" = "src 750 5:6
src/app 700 3:4
src/app/main.c 700 3:4" ]
}

@test "--parents from a stage: owners, hard links and symlinks come along" {
    a_context x
    built ranged <<'END'
FROM busybox AS one
RUN mkdir -p /a/b/c && echo x > /a/b/c/f && ln /a/b/c/f /a/b/c/again && ln -s f /a/b/c/soft && \
    chown -hR 7:8 /a/b && chmod 710 /a/b
FROM busybox
COPY --from=one --parents /a/./b/c/* /d/
END
    [ "$(attributes d)" = "b 710 7:8
b/c 755 7:8
b/c/again 644 7:8
b/c/f 644 7:8
b/c/soft 777 7:8" ]
    [ "$(stat -c %i "$rootfs/d/b/c/f")" = "$(stat -c %i "$rootfs/d/b/c/again")" ]
}

@test "--parents reads no more of the context than it copies" {
    a_context src/main.c other/private
    UNREADABLE=other/private
    built ranged <<<$'FROM busybox\nCOPY --parents **/*.c /d/\n'
    run built ranged <<<$'FROM busybox\nCOPY --parents s* o* /d/\n'
    [ "$status" -ne 0 ]
    [[ $output == *other/private* ]]
    built ranged <<<$'FROM busybox\nCOPY --exclude=other . /d/\n'
    [ "$(attributes d | cut -d' ' -f1 | paste -sd' ')" = "src src/main.c" ]
}

@test "--parents is cached, and is not taken for a plain COPY" {
    a_context a/b c
    fresh_store ranged busybox=busybox:latest
    built ranged <<<$'FROM busybox\nCOPY --parents a/b /d/\n'
    run built ranged <<<$'FROM busybox\nCOPY --parents a/b /d/\n'
    is_cached "COPY --parents"
    echo other >"$BATS_TEST_TMPDIR/context/c"
    run built ranged <<<$'FROM busybox\nCOPY --parents a/b /d/\n'
    is_cached "COPY --parents"
    built ranged <<<$'FROM busybox\nCOPY a/b /d/\n'
    [ -f "$rootfs/d/b" ]
    chmod 700 "$BATS_TEST_TMPDIR/context/a"
    run built ranged <<<$'FROM busybox\nCOPY --parents a/b /d/\n'
    refute is_cached "COPY --parents"
}

@test "--exclude: a \"!\" brings back what lies in an excluded directory, with its parents" {
    a_context dir/sub/deep/keep dir/sub/gone dir/top
    built ranged <<<$'FROM busybox\nCOPY --exclude=sub --exclude=!sub/deep dir /d/\n'
    [ "$(attributes d)" = "sub 750 0:0
sub/deep 750 0:0
sub/deep/keep 644 0:0
top 644 0:0" ]
}

refused() { # DOCKERFILE: the error, without the quoted line
    run built ranged --pull=never <<<"$1"
    [ "$status" -eq 1 ]
    error=$(grep -m1 '^ERROR: ' <<<"$output")
    echo "$error"
}

@test "a source that is not there: why, and what was meant" {
    a_context src/app.js src/secret.log .git/config
    printf '# ours\n*.md\n**/*.log\n.git\n' >"$BATS_TEST_TMPDIR/context/.dockerignore"
    refused $'FROM busybox\nCOPY src/App.js /'
    [[ $error == *'Dockerfile:2:6: "src/App.js" is not in the build context; did you mean "src/app.js"?' ]]
    refused $'FROM busybox\nCOPY src/app.js srv/app.js /d/'
    [[ $error == *'Dockerfile:2:17: '*'did you mean "src/app.js"?' ]]
    refused $'FROM busybox\nCOPY app.js /'
    [[ $error == *'did you mean "src/app.js"?' ]]
    refused $'FROM busybox\nCOPY nothing-like-it /'
    [[ $error == *'"nothing-like-it" is not in the build context' ]]
    refused $'FROM busybox\nCOPY src/secret.log /'
    [[ $error == *'"src/secret.log" is excluded from the build context by the pattern "**/*.log" ('*'.dockerignore:3)' ]]
    refused $'FROM busybox\nCOPY .git /'
    [[ $error == *'by the pattern ".git" ('*'.dockerignore:4)' ]]
    refused $'FROM busybox\nCOPY ../app.js /'
    [[ $error == *'"../app.js" is outside of the build context'*--build-context* ]]
    refused $'FROM busybox AS one\nFROM busybox\nCOPY --from=one /bin/sj /'
    [[ $error == *'Dockerfile:3:17: "/bin/sj" is not in one' ]]
    refused $'FROM busybox AS one\nFROM busybox\nCOPY --from=one /etc/passwdd /'
    [[ $error == *'did you mean "/etc/passwd"?' ]]
}

@test "a stage that is misspelt is suggested" {
    a_context x
    refused $'FROM busybox AS Builder\nFROM busybox\nCOPY --from=biulder /bin/sh /x'
    [[ $error == *'Dockerfile:3:6: '*biulder*'(did you mean the stage builder?)' ]]
    refused $'FROM busybox AS builder\nFROM bulder'
    [[ $error == *'Dockerfile:2:6: '*'(did you mean the stage builder?)' ]]
    built ranged <<<$'FROM busybox AS Builder\nFROM busybox\nCOPY --from=BUILDER /bin/sh /x'
    [ -f "$rootfs/x" ]
}

@test "--exclude: malformed patterns are refused before anything runs" {
    a_context x
    refused $'FROM busybox\nRUN false\nCOPY --link --exclude=ok --exclude=[a- x /'
    [[ $error == *'Dockerfile:3:26: --exclude: malformed pattern "[a-"'* ]]
    refused $'FROM busybox\nADD --exclude=! x /'
    [[ $error == *'Dockerfile:2:5: --exclude: "!" needs a pattern'* ]]
}

@test "--parents: arguments that name nothing are refused" {
    a_context src/app.js
    ln -s src "$BATS_TEST_TMPDIR/context/way"
    refused $'FROM busybox\nCOPY --parents src/./nothing /'
    [[ $error == *'Dockerfile:2:16: "src/./nothing" is not in the build context' ]]
    refused $'FROM busybox\nCOPY --parents . /'
    [[ $error == *'"." leaves nothing to copy'* ]]
    refused $'FROM busybox\nCOPY --parents way/app.js /'
    [[ $error == *'"way/app.js" is there by a symlink'* ]]
    refused $'FROM busybox\nCOPY --parents --exclude=src src/app.js /'
    [[ $error == *'"src/app.js" is excluded by --exclude' ]]
    refused $'FROM busybox\nCOPY --parents src/[a- /'
    [[ $error == *'malformed pattern "src/[a-"'* ]]
    refused $'FROM busybox\nADD --parents src /'
    [[ $error == *'unknown flag --parents for ADD'* ]]
}
