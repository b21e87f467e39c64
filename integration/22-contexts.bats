#!/usr/bin/env bats
# Build contexts of every kind, as a user with subordinate ids, one without, and root. What docker makes of the
# same is written down here from trials with docker 28.5.

load lib.bash
load services.bash

roles="ranged single root"

setup() {
    servers=
    ctx=$BATS_TEST_TMPDIR/ctx
    mkdir -p "$ctx/sub"
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR"
    printf 'FROM busybox\nCOPY . /x/\n' >"$ctx/Dockerfile"
    echo a >"$ctx/a.txt"
    echo b >"$ctx/sub/b"
    chmod 750 "$ctx/sub/b"
    ln -s sub/b "$ctx/link"
}

teardown() {
    for pid in $servers; do
        stop "$pid"
    done
}

# Serves a directory by HTTP: sets http.
start_http() { # DIRECTORY
    python3 -u -m http.server 0 --bind 127.0.0.1 --directory "$1" >"$BATS_TEST_TMPDIR/http.log" 2>&1 3>&- &
    servers+=" $!"
    poll 20 grep -q '^Serving HTTP' "$BATS_TEST_TMPDIR/http.log"
    http=http://127.0.0.1:$(sed -nE 's/^Serving HTTP on .* port ([0-9]+).*/\1/p' "$BATS_TEST_TMPDIR/http.log")
}

# Serves the repositories in a directory by git's own protocol, at the first free port: sets git.
start_git() { # DIRECTORY
    local port pid
    for port in $(shuf -i 20000-60000 -n 20); do
        git daemon --verbose --listen=127.0.0.1 --port="$port" --export-all --base-path="$1" "$1" \
            >"$BATS_TEST_TMPDIR/git.log" 2>&1 3>&- &
        pid=$!
        if poll 20 eval "grep -q 'Ready to rumble' $BATS_TEST_TMPDIR/git.log || gone $pid" && ! gone "$pid"; then
            servers+=" $pid"
            git=git://127.0.0.1:$port
            return
        fi
    done
    return 1
}

# Runs as a role what reads standard input.
piped() { # ROLE FILE ARGUMENTS…
    local role=$1 file=$2
    shift 2
    as "$role" kiln build --progress plain "$@" 2>&1 <"$file"
}

# The same Dockerfile, with the context as its owner's directory or as a tar of root's files.
tar_of() { # DIRECTORY ARCHIVE TAR-ARGUMENTS…
    local directory=$1 archive=$2
    shift 2
    tar -C "$directory" --owner=0 --group=0 --numeric-owner "$@" -cf "$archive" .
}

@test "a tar on standard input, in every compression, gives the image that its directory gives" {
    tar_of "$ctx" "$BATS_TEST_TMPDIR/c.tar"
    for role in $roles; do
        dir=$(workdir "$role")
        cp -a "$ctx" "$dir/ctx"
        own "$role" "$dir/ctx"
        run build "$role" --no-cache --output "type=oci,dest=$dir/dir.tar" "$dir/ctx"
        [ "$status" -eq 0 ]
        for kind in "" --gzip --bzip2 --xz --zstd; do
            # shellcheck disable=SC2086
            tar_of "$ctx" "$BATS_TEST_TMPDIR/c.any" $kind
            run piped "$role" "$BATS_TEST_TMPDIR/c.any" -
            [ "$status" -eq 0 ]
            is_cached "COPY . /x/" # what is copied is equal, so is its key
        done
        run piped "$role" "$BATS_TEST_TMPDIR/c.tar" --no-cache --output "type=oci,dest=$dir/tar.tar" -
        [ "$status" -eq 0 ]
        diff <(listing "$(unpack "$dir/dir.tar")/x") <(listing "$(unpack "$dir/tar.tar")/x")
        assert_clean "$KILN_IT/store-$role"
    done
}

@test "a tar keeps owners, modes and xattrs, and its .dockerignore is a file like any other (as in docker)" {
    echo a.txt >"$ctx/.dockerignore"
    chown 123:456 "$ctx/sub/b"
    setfattr -n user.colour -v red "$ctx/a.txt"
    tar -C "$ctx" --xattrs --xattrs-include='user.*' --numeric-owner -cf "$BATS_TEST_TMPDIR/c.tar" .
    for role in $roles; do
        dir=$(workdir "$role")
        run piped "$role" "$BATS_TEST_TMPDIR/c.tar" --output "type=oci,dest=$dir/out.tar" -
        [ "$status" -eq 0 ]
        root=$(unpack "$dir/out.tar")
        [ "$(stat -c %u:%g:%a "$root/x/sub/b")" = 123:456:750 ]
        [ -f "$root/x/a.txt" ]
        [ -f "$root/x/.dockerignore" ]
        [ "$(getfattr --only-values -n user.colour "$root/x/a.txt")" = red ]
    done
}

@test "a tar file by path, with the Dockerfile named inside; its symlinks lead nowhere else" {
    printf 'FROM busybox\nCOPY link /from-sub\n' >"$ctx/sub/Other"
    ln -s /etc/passwd "$ctx/outside"
    ln -s sub/Other "$ctx/to-other"
    tar_of "$ctx" "$BATS_TEST_TMPDIR/c.tar.zst" --zstd
    for role in $roles; do
        for name in sub/Other /sub/Other to-other; do
            run build "$role" -f "$name" "$BATS_TEST_TMPDIR/c.tar.zst"
            [ "$status" -eq 0 ]
            [[ "$output" == *"COPY link /from-sub"* ]]
        done
        run build "$role" -f outside "$BATS_TEST_TMPDIR/c.tar.zst"
        [ "$status" -eq 1 ]
        [[ "$output" == *"no outside in the build context"* ]]
        run build "$role" -f missing "$BATS_TEST_TMPDIR/c.tar.zst"
        [ "$status" -eq 1 ]
        [[ "$output" == *"no missing in the build context"* ]]
    done
}

@test "a lone Dockerfile on standard input has an empty context" {
    printf 'FROM busybox\nRUN echo from stdin\n' >"$BATS_TEST_TMPDIR/D"
    printf 'FROM busybox\nRUN echo from stdin\nCOPY . /all/\nCOPY a.txt /\n' >"$BATS_TEST_TMPDIR/E"
    for role in $roles; do
        run piped "$role" "$BATS_TEST_TMPDIR/D" --no-cache -
        [ "$status" -eq 0 ]
        [[ "$output" == *"from stdin"* ]]
        run piped "$role" "$BATS_TEST_TMPDIR/E" -
        [ "$status" -eq 1 ]
        [[ "$output" == *'Dockerfile:4:6: "a.txt" is not in the build context'* ]]
        run piped "$role" "$BATS_TEST_TMPDIR/D" -f Dockerfile -
        [ "$status" -eq 2 ]
        [[ "$output" == *"is a Dockerfile itself"* ]]
    done
}

@test "-f -: the Dockerfile from standard input, the files and .dockerignore from the directory" {
    printf 'FROM busybox\nCOPY . /y/\nRUN ls /y\n' >"$BATS_TEST_TMPDIR/D"
    echo a.txt >"$ctx/.dockerignore"
    for role in $roles; do
        dir=$(workdir "$role")
        cp -a "$ctx" "$dir/ctx"
        own "$role" "$dir/ctx"
        run piped "$role" "$BATS_TEST_TMPDIR/D" --no-cache -f - "$dir/ctx"
        [ "$status" -eq 0 ]
        [[ "$output" == *" link"* ]]
        [[ "$output" != *" a.txt"* ]]
        run piped "$role" "$BATS_TEST_TMPDIR/D" -f - -
        [ "$status" -eq 2 ]
        [[ "$output" == *"cannot be both"* ]]
        run piped "$role" /dev/null -f - "$dir/ctx"
        [ "$status" -eq 1 ]
        [[ "$output" == *"standard input is empty"* ]]
    done
}

@test "-f outside the context; a file called dockerfile is found too" {
    printf 'FROM busybox\nRUN echo from outside\n' >"$BATS_TEST_TMPDIR/D"
    echo a.txt >"$BATS_TEST_TMPDIR/D.dockerignore"
    printf 'COPY a.txt /\n' >>"$BATS_TEST_TMPDIR/D"
    for role in $roles; do
        dir=$(workdir "$role")
        cp -a "$ctx" "$dir/ctx"
        mv "$dir/ctx/Dockerfile" "$dir/ctx/dockerfile"
        own "$role" "$dir/ctx"
        run build "$role" -f "$BATS_TEST_TMPDIR/D" "$dir/ctx"
        [ "$status" -eq 1 ]
        [[ "$output" == *'"a.txt" is excluded from the build context by'* ]]
        run build "$role" "$dir/ctx"
        [ "$status" -eq 0 ]
        [[ "$output" == *"COPY . /x/"* ]]
    done
}

@test "nothing, half an archive, or what is no archive: one error, exit 1 or 2, and nothing is left" {
    head -c 300000 /dev/urandom >"$ctx/large"
    tar_of "$ctx" "$BATS_TEST_TMPDIR/c.tar"
    tar_of "$ctx" "$BATS_TEST_TMPDIR/c.tar.gz" --gzip
    head -c 100000 "$BATS_TEST_TMPDIR/c.tar" >"$BATS_TEST_TMPDIR/half.tar"
    head -c 100000 "$BATS_TEST_TMPDIR/c.tar.gz" >"$BATS_TEST_TMPDIR/half.gz"
    # cut between two entries, where only the end marker is missing; and the same once compressed
    entries=$(tar -tRf "$BATS_TEST_TMPDIR/c.tar" | sed -n 's/^block \([0-9]*\): \*\* Block of NULs.*/\1/p' | head -1)
    head -c $((entries * 512)) "$BATS_TEST_TMPDIR/c.tar" >"$BATS_TEST_TMPDIR/unfinished.tar"
    gzip -k "$BATS_TEST_TMPDIR/unfinished.tar"
    echo text | gzip >"$BATS_TEST_TMPDIR/text.gz"
    for role in $roles; do
        for name in half.tar half.gz unfinished.tar unfinished.tar.gz text.gz; do
            run piped "$role" "$BATS_TEST_TMPDIR/$name" -
            echo "$name: $output"
            [ "$status" -eq 1 ]
            [[ "$output" == *"unpacking standard input: "* ]]
            [ "$(grep -c "^ERROR: " <<<"$output")" -eq 1 ]
        done
        run piped "$role" /dev/null -
        [ "$status" -eq 1 ]
        [[ "$output" == *"standard input is empty"* ]]
        run build "$role" "$ctx/Dockerfile"
        [ "$status" -eq 2 ]
        [[ "$output" == *"neither a directory nor a tar archive; to name a Dockerfile use --file"* ]]
        run build "$role" "$BATS_TEST_TMPDIR/missing.tar"
        [ "$status" -eq 2 ]
        assert_clean "$KILN_IT/store-$role"
    done
}

@test "hostile archives: names that lead out, links, devices, a Dockerfile without end" {
    victim=$BATS_TEST_TMPDIR/victim
    echo safe >"$victim"
    chmod 666 "$victim"
    python3 - "$BATS_TEST_TMPDIR" "$victim" <<'PYTHON'
import io, sys, tarfile
to, victim = sys.argv[1:]
def make(name, *members):
    with tarfile.open(f"{to}/{name}.tar", "w") as t:
        d = tarfile.TarInfo("Dockerfile")
        text = b"FROM busybox\nCOPY . /x/\n"
        d.size = len(text)
        t.addfile(d, io.BytesIO(text))
        for path, kind, target in members:
            m = tarfile.TarInfo(path)
            m.type, m.linkname, m.mode = kind, target, 0o644
            m.devmajor, m.devminor = 1, 3
            body = b"bad" if kind == tarfile.REGTYPE else b""
            m.size = len(body)
            t.addfile(m, io.BytesIO(body))
make("dots", ("../victim", tarfile.REGTYPE, ""))
make("absolute", (victim, tarfile.REGTYPE, ""))
make("through", ("l", tarfile.SYMTYPE, to), ("l/victim", tarfile.REGTYPE, ""))
make("hard", ("h", tarfile.LNKTYPE, victim))
make("harddots", ("h", tarfile.LNKTYPE, "../../../../../../.." + victim))
PYTHON
    head -c 17000000 /dev/zero | tr '\0' '#' >"$BATS_TEST_TMPDIR/long"
    for role in $roles; do
        for name in dots absolute through hard harddots; do
            run piped "$role" "$BATS_TEST_TMPDIR/$name.tar" -
            echo "$name: $status $output"
            [ "$status" -le 1 ]
            [[ "$output" != *"defect"* ]]
            [ "$(cat "$victim")" = safe ]
        done
        run piped "$role" "$BATS_TEST_TMPDIR/dots.tar" -
        [ "$status" -eq 1 ]
        [[ "$output" == *'has a “..” component'* ]]
        run piped "$role" "$BATS_TEST_TMPDIR/long" -
        [ "$status" -eq 1 ]
        [[ "$output" == *"standard input is larger than 16 MB"* ]]
    done
}

@test "RUN --mount=type=bind shows a tar's files, also of a named context, and to be written to" {
    printf 'FROM busybox\nRUN --mount=type=bind,target=/m %s --mount=type=bind,from=named,target=/n,rw %s\n' \
        "--mount=type=bind,from=named,source=sub,target=/s" \
        "cat /m/sub/b && cmp /m/a.txt /n/a.txt && cmp /s/b /n/sub/b && echo changed >/n/a.txt" >"$ctx/Dockerfile"
    tar_of "$ctx" "$BATS_TEST_TMPDIR/c.tar"
    for role in $roles; do
        run piped "$role" "$BATS_TEST_TMPDIR/c.tar" --no-cache --build-context "named=$BATS_TEST_TMPDIR/c.tar" -
        echo "$output"
        [ "$status" -eq 0 ]
        grep -qE '^#[0-9]+ [0-9.]+ b$' <<<"$output"
    done
}

@test "--build-context: a directory with its own .dockerignore, a tar with its owners" {
    mkdir "$BATS_TEST_TMPDIR/more"
    echo one >"$BATS_TEST_TMPDIR/more/one"
    echo two >"$BATS_TEST_TMPDIR/more/two"
    echo two >"$BATS_TEST_TMPDIR/more/.dockerignore"
    chown -R 7:8 "$BATS_TEST_TMPDIR/more/one"
    tar -C "$BATS_TEST_TMPDIR/more" --numeric-owner -czf "$BATS_TEST_TMPDIR/more.tgz" .
    printf 'FROM busybox\nCOPY --from=more / /more/\n' >"$ctx/Dockerfile"
    for role in $roles; do
        dir=$(workdir "$role")
        run build "$role" --build-context more="$BATS_TEST_TMPDIR/more" -o "type=oci,dest=$dir/d.tar" "$ctx"
        [ "$status" -eq 0 ]
        root=$(unpack "$dir/d.tar")
        [ "$(stat -c %u:%g "$root/more/one")" = 0:0 ]
        [ ! -e "$root/more/two" ]
        run build "$role" --build-context more="$BATS_TEST_TMPDIR/more.tgz" -o "type=oci,dest=$dir/t.tar" "$ctx"
        [ "$status" -eq 0 ]
        root=$(unpack "$dir/t.tar")
        [ "$(stat -c %u:%g "$root/more/one")" = 7:8 ]
        [ -e "$root/more/two" ]
    done
}

@test "--build-context: stands in for an image, for a stage, and for no file system at all" {
    mkdir "$BATS_TEST_TMPDIR/other"
    echo from-other >"$BATS_TEST_TMPDIR/other/marker"
    tar_of "$BATS_TEST_TMPDIR/other" "$BATS_TEST_TMPDIR/other.tar"
    cat >"$ctx/Dockerfile" <<'DOCKERFILE'
FROM no-such-image:9 AS base
RUN echo on busybox
FROM no-such-image:9 AS data
RUN false
FROM base
COPY --from=data /marker /
RUN cat /marker
DOCKERFILE
    for role in $roles; do
        for data in "$BATS_TEST_TMPDIR/other" "$BATS_TEST_TMPDIR/other.tar"; do
            run build "$role" --no-cache --build-context no-such-image:9=docker-image://busybox \
                --build-context data="$data" "$ctx"
            echo "$output"
            [ "$status" -eq 0 ]
            [[ "$output" == *"on busybox"* ]]
            [[ "$output" == *"from-other"* ]]
        done
        run build "$role" --build-context docker.io/library/no-such-image:9=docker-image://busybox \
            --build-context data=docker-image://scratch "$ctx"
        [ "$status" -eq 1 ]
        [[ "$output" == *'"/marker" is not in data'* ]]
    done
}

@test "--build-context: images in layouts and archives, by tag and by digest" {
    printf 'FROM base\nRUN echo it runs\n' >"$ctx/Dockerfile"
    for role in $roles; do
        dir=$(workdir "$role")
        printf 'FROM busybox\nLABEL n=1\n' | as "$role" kiln build -q -t one:1 -
        as "$role" kiln save -o "$dir/one.tar" --format oci one:1
        as "$role" kiln save -o "$dir/docker.tar" --format docker one:1
        skopeo copy --quiet "oci-archive:$dir/one.tar" "oci:$dir/layout:first"
        skopeo copy --quiet "docker-archive:$FIXTURES/busybox-docker.tar" "oci:$dir/layout:second" 2>/dev/null ||
            skopeo copy --quiet "docker-archive:$dir/docker.tar" "oci:$dir/layout:second"
        digest=$(jq -r '.manifests[0].digest' "$dir/layout/index.json")
        chmod -R a+rX "$dir"
        for place in oci-archive://$dir/one.tar docker-archive://$dir/docker.tar \
            oci-layout://$dir/layout:first oci-layout://$dir/layout@$digest \
            oci-layout://$dir/layout:other@$digest; do
            run build "$role" --no-cache --build-context base="$place" "$ctx"
            echo "$place: $output"
            [ "$status" -eq 0 ]
            [[ "$output" == *"it runs"* ]]
        done
        run build "$role" --build-context base="oci-layout://$dir/layout:none" "$ctx"
        [ "$status" -eq 1 ]
        [[ "$output" == *'no image "none"'* ]]
        run build "$role" --build-context \
            base="oci-layout://$dir/layout@sha256:$(printf '0%.0s' {1..64})" "$ctx"
        [ "$status" -eq 1 ]
        [[ "$output" == *"0000000000"* ]]
    done
}

@test "--build-context: what is refused" {
    for role in $roles; do
        for pair in "x=target:y|bake" "x=-|no named context" "x=$BATS_TEST_TMPDIR/none|does not exist" \
            "x|NAME=PLACE" "x=docker-image://A B|docker-image://A B" "x=oci-layout:///none|No such file"; do
            run build "$role" --build-context "${pair%|*}" "$ctx"
            echo "$pair: $output"
            [ "$status" -eq 2 ]
            [[ "$output" == *"${pair#*|}"* ]]
        done
        echo "not a tar" >"$BATS_TEST_TMPDIR/file"
        printf 'FROM busybox\nCOPY --from=x / /x\n' >"$ctx/Dockerfile"
        run build "$role" --build-context "x=$BATS_TEST_TMPDIR/file" "$ctx"
        [ "$status" -eq 2 ]
        [[ "$output" == *"neither a directory nor a tar"* ]]
        # one that nothing uses is not even opened
        printf 'FROM busybox\n' >"$ctx/Dockerfile"
        run build "$role" --build-context "x=$BATS_TEST_TMPDIR/file" "$ctx"
        [ "$status" -eq 0 ]
    done
}

# A repository with two branches, a tag, a folder, and a .dockerignore that is a file like any other.
make_repository() { # DIRECTORY
    export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
    export GIT_CONFIG_GLOBAL=/dev/null
    mkdir -p "$1"
    git -C "$1" init -q -b main repo.git
    cp -a "$ctx/." "$1/repo.git/"
    echo a.txt >"$1/repo.git/.dockerignore"
    printf 'FROM busybox\nCOPY . /in-sub/\n' >"$1/repo.git/sub/Dockerfile"
    git -C "$1/repo.git" add .
    git -C "$1/repo.git" commit -qm one
    git -C "$1/repo.git" tag v1
    git -C "$1/repo.git" checkout -q -b other
    echo other >"$1/repo.git/a.txt"
    git -C "$1/repo.git" commit -qam two
    git -C "$1/repo.git" checkout -q main
}

@test "git: a branch, a tag, a commit, a folder, the query form; owners are root's" {
    make_repository "$BATS_TEST_TMPDIR/git"
    printf 'FROM busybox\nCOPY . /x/\nRUN cat /x/a.txt; ls -A /x; stat -c %%u:%%g /x/a.txt\n' \
        >"$BATS_TEST_TMPDIR/git/repo.git/Dockerfile"
    git -C "$BATS_TEST_TMPDIR/git/repo.git" commit -qam three
    commit=$(git -C "$BATS_TEST_TMPDIR/git/repo.git" rev-parse other)
    start_git "$BATS_TEST_TMPDIR/git"
    for role in $roles; do
        run build "$role" --no-cache "$git/repo.git"
        echo "$output"
        [ "$status" -eq 0 ]
        grep -qE '^#[0-9]+ [0-9.]+ a$' <<<"$output"
        grep -qE '^#[0-9]+ [0-9.]+ 0:0$' <<<"$output"
        grep -qE '^#[0-9]+ [0-9.]+ \.dockerignore$' <<<"$output"
        refute grep -qE '^#[0-9]+ [0-9.]+ \.git$' <<<"$output"
        for place in "#main:sub" "?subdir=sub" "#v1:sub" "?tag=v1&subdir=sub" "#$commit:sub" \
            "?branch=other&subdir=sub&checksum=$commit"; do
            run build "$role" "$git/repo.git$place"
            echo "$place: $output"
            [ "$status" -eq 0 ]
            [[ "$output" == *"COPY . /in-sub/"* ]]
        done
        run build "$role" --no-cache --build-arg BUILDKIT_CONTEXT_KEEP_GIT_DIR=1 "$git/repo.git"
        [ "$status" -eq 0 ]
        grep -qE '^#[0-9]+ [0-9.]+ \.git$' <<<"$output"
        assert_clean "$KILN_IT/store-$role"
    done
}

@test "git: the Dockerfile by name inside, from standard input, from the host; named contexts" {
    make_repository "$BATS_TEST_TMPDIR/git"
    start_git "$BATS_TEST_TMPDIR/git"
    printf 'FROM busybox\nCOPY a.txt /from-host\n' >"$BATS_TEST_TMPDIR/D"
    printf 'FROM busybox\nCOPY --from=repo / /r/\nRUN cat /r/a.txt\n' >"$ctx/Dockerfile"
    for role in $roles; do
        run build "$role" -f sub/Dockerfile "$git/repo.git"
        [ "$status" -eq 0 ]
        [[ "$output" == *"COPY . /in-sub/"* ]]
        run piped "$role" "$BATS_TEST_TMPDIR/D" -f - "$git/repo.git"
        [ "$status" -eq 0 ]
        run build "$role" -f "$BATS_TEST_TMPDIR/D" "$git/repo.git"
        [ "$status" -eq 0 ]
        [[ "$output" == *"COPY a.txt /from-host"* ]]
        run build "$role" --no-cache --build-context "repo=$git/repo.git#other" "$ctx"
        echo "$output"
        [ "$status" -eq 0 ]
        grep -qE '^#[0-9]+ [0-9.]+ other$' <<<"$output"
    done
}

@test "git: what is not there or malformed is one clear error" {
    make_repository "$BATS_TEST_TMPDIR/git"
    start_git "$BATS_TEST_TMPDIR/git"
    for role in $roles; do
        for case in "#none|none" "#main:nowhere|nowhere" "?colour=red|colour" "?tag=a&branch=b|branch"; do
            run build "$role" "$git/repo.git${case%|*}"
            echo "$case: $output"
            [ "$status" -eq 1 ]
            [ "$(grep -c '^ERROR: ' <<<"$output")" -eq 1 ]
            [[ "$(grep '^ERROR: ' <<<"$output")" == *"${case#*|}"* ]]
        done
        run build "$role" "$git/none.git"
        [ "$status" -eq 1 ]
        assert_clean "$KILN_IT/store-$role"
    done
}

@test "http: a tar in any compression, a Dockerfile, and -f URL" {
    served=$BATS_TEST_TMPDIR/served
    mkdir "$served"
    tar_of "$ctx" "$served/c.tar"
    tar_of "$ctx" "$served/c.tzst" --zstd
    printf 'FROM busybox\nRUN echo by http\nCOPY context /itself\n' >"$served/D"
    start_http "$served"
    for role in $roles; do
        for name in c.tar c.tzst; do
            run build "$role" "$http/$name"
            echo "$output"
            [ "$status" -eq 0 ]
            [[ "$output" == *"COPY . /x/"* ]]
        done
        run build "$role" --no-cache "$http/D"
        echo "$output"
        [ "$status" -eq 0 ]
        [[ "$output" == *"by http"* ]]
        dir=$(workdir "$role")
        cp -a "$ctx" "$dir/ctx"
        echo "# the context's own" >"$dir/ctx/context"
        own "$role" "$dir/ctx"
        run build "$role" --no-cache -f "$http/D" "$dir/ctx"
        [ "$status" -eq 0 ]
        [[ "$output" == *"by http"* ]]
        run build "$role" -f "$http/none" "$dir/ctx"
        [ "$status" -eq 1 ]
        [[ "$output" == *404* ]]
        run build "$role" -f other "$http/D"
        [ "$status" -eq 2 ]
        [[ "$output" == *"is a Dockerfile itself"* ]]
        assert_clean "$KILN_IT/store-$role"
    done
}

@test "http: named contexts: an archive is unpacked, another file is \"context\"" {
    served=$BATS_TEST_TMPDIR/served
    mkdir "$served"
    tar_of "$ctx" "$served/c.tgz" --gzip
    echo plain >"$served/plain"
    start_http "$served"
    printf 'FROM busybox\nCOPY --from=tar /a.txt /\nCOPY --from=file /context /plain\nRUN cat /a.txt /plain\n' \
        >"$ctx/Dockerfile"
    for role in $roles; do
        run build "$role" --no-cache --build-context "tar=$http/c.tgz" --build-context "file=$http/plain" "$ctx"
        echo "$output"
        [ "$status" -eq 0 ]
        grep -qE '^#[0-9]+ [0-9.]+ plain$' <<<"$output"
        run build "$role" --build-context "tar=$http/none" --build-context "file=$http/plain" "$ctx"
        [ "$status" -eq 1 ]
        [[ "$output" == *"--build-context tar"* ]]
        assert_clean "$KILN_IT/store-$role"
    done
}
