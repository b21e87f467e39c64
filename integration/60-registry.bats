#!/usr/bin/env bats
# Bases from registries: Debian's docker-registry on loopback, once open and once behind a password, and
# fixtures/registry-front.py before it for bearer tokens and for registries that lie.

setup_file() {
    load lib
    load services
    local it=$BATS_FILE_TMPDIR fixtures=$BATS_TEST_DIRNAME/fixtures tree name
    chmod 755 "$BATS_RUN_TMPDIR" "$it"
    export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
    # Images that say for which platform they are, and one that can run something.
    for name in amd64 arm64 riscv64 other; do
        tree=$it/tree-$name
        mkdir -p "$tree"
        echo "$name" >"$tree/platform"
        head -c 8192 /dev/urandom >"$tree/ballast"
        tar -C "$tree" --owner=0 --group=0 -cf "$it/$name.tar" .
    done
    HOST=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
    OTHER=$([ "$HOST" = arm64 ] && echo amd64 || echo arm64)
    export HOST OTHER
    "$fixtures/layout.py" "$it/oci" box "linux/$HOST=$FIXTURES/busybox.tar"
    "$fixtures/layout.py" "$it/oci" one "linux/$HOST=gzip:$it/$HOST.tar"
    "$fixtures/layout.py" "$it/oci" moved "linux/$HOST=gzip:$it/other.tar"
    "$fixtures/layout.py" "$it/oci" zstd "linux/$HOST=zstd:$it/$HOST.tar,none:$it/other.tar"
    "$fixtures/layout.py" "$it/oci" multi "linux/riscv64=$it/riscv64.tar" "linux/arm64/v8=$it/arm64.tar" \
        "linux/amd64=$it/amd64.tar"
    "$fixtures/layout.py" "$it/oci" foreign "linux/riscv64=$it/riscv64.tar" "linux/s390x=$it/other.tar"

    mkdir "$it/open" "$it/closed"
    start_registry "$it/open" '' "storage: {filesystem: {rootdirectory: $it/data}}"
    export OPEN=127.0.0.1:$SERVICE_PORT OPEN_PID=$SERVICE_PID
    htpasswd -Bbn alice s3:cret >"$it/htpasswd"
    start_registry "$it/closed" '' "storage: {filesystem: {rootdirectory: $it/data}}" \
        "auth: {htpasswd: {realm: tests, path: $it/htpasswd}}"
    export CLOSED=127.0.0.1:$SERVICE_PORT CLOSED_PID=$SERVICE_PID
    for name in box one zstd multi foreign; do
        push "$it/oci:$name" "$OPEN/test/$name:1" --preserve-digests
    done
    push "$it/oci:multi" "$OPEN/test/schema2:multi" --format v2s2
    push "$it/oci:one" "$OPEN/test/schema2:one" --format v2s2
}

teardown_file() {
    load services
    stop "$OPEN_PID"
    stop "$CLOSED_PID"
}

setup() {
    load lib
    load services
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT" "$DIR/nobody"
    KILN_ROOT=$DIR/store
    FRONT_PID=
    export KILN_ROOT
}

teardown() {
    [ -z "$FRONT_PID" ] || stop "$FRONT_PID"
}

push() { # LAYOUT:TAG NAME [skopeo options …]
    skopeo copy --quiet --all --dest-tls-verify=false "${@:3}" "oci:$1" "docker://$2"
}

# A registry front; its port is in $FRONT, its log in $DIR/front.log.
front() { # UPSTREAM MODE…
    mkfifo "$DIR/port"
    "$BATS_TEST_DIRNAME/fixtures/registry-front.py" "http://$1" "$DIR/front.log" "${@:2}" >"$DIR/port" 2>/dev/null 3>&- &
    FRONT_PID=$!
    read -r FRONT <"$DIR/port"
    FRONT=127.0.0.1:$FRONT
}

# kiln as a user whose Docker configuration is the directory, "nobody" if none is named.
kiln_as() { # CONFIG ARGUMENTS…
    as ranged env DOCKER_CONFIG="$1" kiln "${@:2}"
}

pull() {
    kiln_as "$DIR/nobody" pull -q "$@" 2>&1
}

login() { # DIRECTORY REGISTRY USER:PASSWORD
    mkdir -p "$1"
    printf '{"auths": {"%s": {"auth": "%s"}}}\n' "$2" "$(printf %s "$3" | base64)" >"$1/config.json"
    own ranged "$1"
}

# Prints a file of an image of the store, through an archive.
file_of() { # IMAGE PATH
    kiln_as "$DIR/nobody" save -o "$DIR/file-of.tar" "$1"
    cat "$(unpack "$DIR/file-of.tar")$2"
}

dockerfile() { # LINE…
    printf '%s\n' "$@" >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
}

layer_asked_for() { # of the front: after the config, the second blob
    [ "$(grep -c /blobs/ "$DIR/front.log")" -ge 2 ]
}

requests() { # how many requests for manifests the open registry has answered
    grep -c '/manifests/' "$BATS_FILE_TMPDIR/open/registry.log" || true
}

@test "a layer that is larger than --max-layer-size is not downloaded" {
    run as ranged kiln pull --max-layer-size 1k "$OPEN/test/one:1"
    [ "$status" -eq 1 ]
    [[ $output == *"the layer sha256:"*" bytes; where that is meant, set --max-layer-size higher"* ]]
    run as ranged kiln pull --max-layer-size 8k "$OPEN/test/zstd:1"
    [ "$status" -eq 1 ]
    [[ $output == *"--max-layer-size higher"* ]]
    [ -z "$(as ranged kiln images -q)" ]
    as ranged kiln pull --max-layer-size 64k "$OPEN/test/one:1"
}

@test "an anonymous pull: the image is there, under its name, and what the registry calls it" {
    run pull "$OPEN/test/one:1"
    [ "$status" -eq 0 ]
    [ "$output" = "$OPEN/test/one:1" ]
    [ "$(file_of "$OPEN/test/one:1" /platform)" = "$HOST" ]
    [[ $(as ranged kiln images) == *"$OPEN/test/one"* ]]
    digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$OPEN/test/one:1")
    [ "$(as ranged kiln inspect "$OPEN/test/one:1" | jq -r '.[0].RepoDigests[0]')" = "$OPEN/test/one@$digest" ]
    assert_clean "$KILN_ROOT"
}

@test "FROM a registry and a command run in it; the base's blobs leave as they came" {
    dockerfile "FROM $OPEN/test/box:1" 'RUN echo made > /made' 'ENV A=b'
    run build ranged -o "type=oci,dest=$DIR/context/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(cat "$(unpack "$DIR/context/a.tar")/made")" = made ]
    skopeo inspect --raw --tls-verify=false "docker://$OPEN/test/box:1" | jq -c '.layers[]' >"$DIR/theirs"
    skopeo inspect --raw "oci-archive:$DIR/context/a.tar" | jq -c '.layers[]' >"$DIR/ours"
    [ "$(wc -l <"$DIR/theirs")" -eq 1 ]
    [ "$(wc -l <"$DIR/ours")" -eq 2 ]
    [ "$(jq -r .digest "$DIR/theirs")" = "$(head -1 "$DIR/ours" | jq -r .digest)" ]
    config_of "$DIR/context/a.tar" | jq -e '.config.Env | index("PLATFORM=linux/'"$HOST"'")'
}

@test "the registry is not asked again: the second build is cached, also when nobody answers any more" {
    front "$OPEN"
    dockerfile "FROM $FRONT/test/box:1" 'RUN echo made > /made'
    build ranged "$CONTEXT"
    asked=$(wc -l <"$DIR/front.log")
    run build ranged "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(cached)" -eq 1 ]
    [ "$(wc -l <"$DIR/front.log")" -eq "$asked" ]
    stop "$FRONT_PID"
    run build ranged -o "type=oci,dest=$CONTEXT/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(cached)" -eq 1 ]
    run build ranged --pull=always "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *"$FRONT"* ]]
}

@test "a base that only names a registry, by single user, by root" {
    for role in single root; do
        dir=$(workdir "$role")
        KILN_ROOT=$dir/store
        mkdir "$dir/context"
        printf 'FROM %s\nCOPY --chown=5:6 Dockerfile /\n' "$OPEN/test/one:1" >"$dir/context/Dockerfile"
        own "$role" "$dir/context"
        run build "$role" -o "type=oci,dest=$dir/context/a.tar" "$dir/context"
        [ "$status" -eq 0 ]
        [ "$(cat "$(unpack "$dir/context/a.tar")/platform")" = "$HOST" ]
    done
}

@test "an index: the host's platform, another by --platform, both kept at once" {
    for name in test/multi:1 test/schema2:multi; do
        pull "$OPEN/$name"
        [ "$(file_of "$OPEN/$name" /platform)" = "$HOST" ]
        pull --platform "linux/$OTHER" "$OPEN/$name"
        [ "$(file_of "$OPEN/$name" /platform)" = "$OTHER" ]
        [ "$(as ranged kiln inspect "$OPEN/$name" | jq -r '.[0].Architecture')" = "$OTHER" ]
        pull "$OPEN/$name"
        [ "$(as ranged kiln inspect "$OPEN/$name" | jq -r '.[0].Architecture')" = "$HOST" ]
    done
}

@test "stages for several platforms from one name; the second build needs no registry" {
    front "$OPEN"
    dockerfile "FROM --platform=linux/riscv64 $FRONT/test/multi:1 AS far" "FROM $FRONT/test/multi:1" \
        'COPY --from=far /platform /far'
    build ranged -o "type=oci,dest=$CONTEXT/a.tar" "$CONTEXT"
    stop "$FRONT_PID"
    run build ranged -o "type=oci,dest=$CONTEXT/b.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(cached)" -eq 1 ]
    cmp "$CONTEXT/a.tar" "$CONTEXT/b.tar"
    rootfs=$(unpack "$CONTEXT/a.tar")
    [ "$(cat "$rootfs/far" "$rootfs/platform" | tr '\n' ' ')" = "riscv64 $HOST " ]
    [ "$(config_of "$CONTEXT/a.tar" | jq -r .architecture)" = "$HOST" ]
}

@test "an image of the store for another platform: the error says so, and how to use it" {
    cp "$BATS_FILE_TMPDIR/other.tar" "$CONTEXT/other.tar"
    dockerfile "FROM $OPEN/test/local:1" 'COPY Dockerfile /'
    as ranged kiln import --platform linux/riscv64 "$CONTEXT/other.tar" "$OPEN/test/local:1"
    for how in never missing; do
        run build ranged --pull=$how "$CONTEXT"
        [ "$status" -eq 1 ]
        [[ $output == *"--platform=linux/riscv64"* ]]
    done
    run build ranged --platform=linux/riscv64 "$CONTEXT"
    [ "$status" -eq 0 ]
}

@test "an index without the platform: one error that lists those there are" {
    run pull "$OPEN/test/foreign:1"
    [ "$status" -eq 1 ]
    [[ $output == *"linux/$HOST"* && $output == *linux/riscv64* && $output == *linux/s390x* ]]
    [ "$(wc -l <<<"$output")" -eq 1 ]
    dockerfile "FROM scratch" "FROM --platform=linux/ppc64le $OPEN/test/multi:1"
    run build ranged "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *linux/ppc64le* && $output == *linux/amd64* && $output == *linux/arm64* ]]
    [[ $output == *Dockerfile:2* ]]
    assert_clean "$KILN_ROOT"
}

@test "Docker's schema 2 becomes an OCI image with the same layers" {
    [ "$(skopeo inspect --raw --tls-verify=false "docker://$OPEN/test/schema2:one" | jq -r .mediaType)" = \
        application/vnd.docker.distribution.manifest.v2+json ]
    dockerfile "FROM $OPEN/test/schema2:one"
    build ranged -o "type=oci,dest=$CONTEXT/a.tar" "$CONTEXT"
    [ "$(skopeo inspect --raw "oci-archive:$CONTEXT/a.tar" | jq -r .mediaType)" = \
        application/vnd.oci.image.manifest.v1+json ]
    [ "$(skopeo inspect --raw "oci-archive:$CONTEXT/a.tar" | jq -r '.layers[].digest')" = \
        "$(skopeo inspect --raw --tls-verify=false "docker://$OPEN/test/schema2:one" | jq -r '.layers[].digest')" ]
}

@test "zstd and uncompressed layers" {
    pull "$OPEN/test/zstd:1"
    kiln_as "$DIR/nobody" save -o "$DIR/file-of.tar" "$OPEN/test/zstd:1"
    [ "$(skopeo inspect --raw "oci-archive:$DIR/file-of.tar" | jq -r '.layers[].mediaType' | tr '\n' ' ')" = \
        "application/vnd.oci.image.layer.v1.tar+zstd application/vnd.oci.image.layer.v1.tar " ]
    dockerfile "FROM $OPEN/test/zstd:1 AS base" 'FROM scratch' 'COPY --from=base /platform /'
    build ranged -o "type=oci,dest=$CONTEXT/a.tar" "$CONTEXT"
    [ "$(cat "$(unpack "$CONTEXT/a.tar")/platform")" = other ]
}

@test "by digest, of an index and of an image, with and without a tag; a wrong one fails" {
    index=$(skopeo inspect --raw --tls-verify=false "docker://$OPEN/test/multi:1" | sha256sum | cut -d' ' -f1)
    image=$(skopeo inspect --raw --tls-verify=false "docker://$OPEN/test/multi:1" |
        jq -r '.manifests[] | select(.platform.architecture == "riscv64") | .digest')
    dockerfile "FROM $OPEN/test/multi@sha256:$index" 'COPY Dockerfile /'
    run build ranged -o "type=oci,dest=$CONTEXT/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(cat "$(unpack "$CONTEXT/a.tar")/platform")" = "$HOST" ]
    before=$(requests)
    dockerfile "FROM $OPEN/test/multi:1@sha256:$index" 'COPY Dockerfile /'
    run build ranged "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(requests)" -eq "$before" ]
    run pull "$OPEN/test/multi@$image"
    [ "$status" -eq 0 ]
    [ "$(file_of "$(as ranged kiln images -q | head -1)" /platform)" = riscv64 ]
    run pull "$OPEN/test/multi@sha256:$(printf '%064d' 7)"
    [ "$status" -eq 1 ]
    [[ $output == *"$(printf '%064d' 7)"* ]]
}

@test "basic authentication: config.json of DOCKER_CONFIG, and of HOME" {
    login "$DIR/config" "$CLOSED" alice:s3:cret
    run kiln_as "$DIR/config" pull -q "$CLOSED/test/one:1"
    [ "$status" -eq 0 ]
    as ranged kiln rmi "$CLOSED/test/one:1"
    login "$DIR/home/.docker" "$CLOSED" alice:s3:cret
    run as ranged env HOME="$DIR/home" kiln pull -q "$CLOSED/test/one:1"
    [ "$status" -eq 0 ]
    # the password is in no output and not in the store
    refute grep -rqa 's3:cret' "$KILN_ROOT"
}

@test "FROM with a password, in a build" {
    login "$DIR/config" "$CLOSED" alice:s3:cret
    dockerfile "FROM $CLOSED/test/box:1" 'RUN true'
    run as ranged env DOCKER_CONFIG="$DIR/config" kiln build --progress plain "$CONTEXT"
    [ "$status" -eq 0 ]
}

@test "no password, a wrong one, one for another registry: one clear error, and nothing is kept" {
    run pull "$CLOSED/test/one:1"
    [ "$status" -eq 1 ]
    [ "$(wc -l <<<"$output")" -eq 1 ]
    [[ $output == *"$CLOSED/test/one"* && $output == *"docker login $CLOSED"* ]]
    login "$DIR/config" "$CLOSED" alice:guess
    run kiln_as "$DIR/config" pull -q "$CLOSED/test/one:1"
    [ "$status" -eq 1 ]
    [ "$(wc -l <<<"$output")" -eq 1 ]
    [[ $output == *alice* && $output == *config.json* && $output != *guess* ]]
    login "$DIR/config" "$OPEN" alice:s3:cret
    run kiln_as "$DIR/config" pull -q "$CLOSED/test/one:1"
    [ "$status" -eq 1 ]
    [ -z "$(as ranged kiln images -q)" ]
    assert_clean "$KILN_ROOT"
}

@test "bearer tokens: for anybody, and for a user" {
    front "$OPEN" bearer
    run pull "$FRONT/test/one:1"
    [ "$status" -eq 0 ]
    grep -q '^GET /token.*scope=repository.*test.*one.*pull.* - $' "$DIR/front.log"
    grep -q 'Bearer plain' "$DIR/front.log"
}

@test "bearer tokens: a private repository wants the user's; blobs from elsewhere do not get it" {
    front "$OPEN" bearer private redirect
    run pull "$FRONT/test/one:1"
    [ "$status" -eq 1 ]
    [ "$(wc -l <<<"$output")" -eq 1 ]
    login "$DIR/config" "$FRONT" alice:wrong
    run kiln_as "$DIR/config" pull -q "$FRONT/test/one:1"
    [ "$status" -eq 1 ]
    [ "$(wc -l <<<"$output")" -eq 1 ]
    [[ $output == *alice* ]]
    login "$DIR/config" "$FRONT" alice:s3:cret
    run kiln_as "$DIR/config" pull -q "$FRONT/test/one:1"
    [ "$status" -eq 0 ]
    [ "$(file_of "$FRONT/test/one:1" /platform)" = "$HOST" ]
    grep -q '/elsewhere/' "$DIR/front.log"
    refute grep -q LEAK "$DIR/front.log"
}

@test "an unknown name, an unknown tag, nobody there: one clear error" {
    for name in test/nothing:1 test/one:nothing; do
        run pull "$OPEN/$name"
        [ "$status" -eq 1 ]
        [ "$(wc -l <<<"$output")" -eq 1 ]
        [[ $output == *"$OPEN/$name"* ]]
    done
    dockerfile "FROM $OPEN/test/nothing:1"
    run build ranged -o "type=oci,dest=$CONTEXT/a.tar" "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *"$OPEN/test/nothing:1"* && $output == *Dockerfile:1* ]]
    [ ! -e "$CONTEXT/a.tar" ]
    front "$OPEN"
    stop "$FRONT_PID"
    run pull "$FRONT/test/one:1"
    [ "$status" -eq 1 ]
    [ "$(wc -l <<<"$output")" -eq 1 ]
    [[ $output == *"$FRONT"* ]]
    assert_clean "$KILN_ROOT"
}

@test "a registry whose blobs are not what their digests say: refused, and the store is as before" {
    pull "$OPEN/test/multi:1"
    front "$OPEN" tamper
    run pull "$FRONT/test/box:1"
    [ "$status" -eq 1 ]
    [ "$(wc -l <<<"$output")" -eq 1 ]
    [[ $output == *"$FRONT/test/box"* && $output == *sha256:* ]]
    dockerfile "FROM $FRONT/test/box:1" 'RUN true'
    run build ranged -t broken "$CONTEXT"
    [ "$status" -eq 1 ]
    [ "$(as ranged kiln images -q | wc -l)" -eq 1 ]
    assert_clean "$KILN_ROOT"
    for blob in "$KILN_ROOT"/blobs/sha256/*; do
        [ "$(sha256sum <"$blob" | cut -d' ' -f1)" = "$(basename "$blob")" ]
    done
    run pull "$OPEN/test/box:1"
    [ "$status" -eq 0 ]
    [ -n "$(file_of "$OPEN/test/box:1" /etc/passwd)" ]
}

@test "a download that ends early goes on where it ended" {
    front "$OPEN" truncate
    run pull "$FRONT/test/box:1"
    [ "$status" -eq 0 ]
    [ -n "$(file_of "$FRONT/test/box:1" /etc/passwd)" ]
    grep -q 'bytes=' "$DIR/front.log"
}

@test "a manifest that is not what its digest says is refused" {
    front "$OPEN" forge
    digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$OPEN/test/one:1")
    run pull "$FRONT/test/one@$digest"
    [ "$status" -eq 1 ]
    [ "$(wc -l <<<"$output")" -eq 1 ]
    [[ $output == *"$digest"* ]]
    [ -z "$(as ranged kiln images -q)" ]
}

@test "a pull that is ended while it waits leaves nothing, and the next one works" {
    front "$OPEN" stall
    own ranged "$CONTEXT"
    as ranged sh -c 'echo $$ >"$1"; exec kiln pull -q "$2"' sh "$CONTEXT/pid" \
        "$FRONT/test/box:1" >"$DIR/pull.log" 2>&1 3>&- &
    poll 20 layer_asked_for
    pgrep -f "kiln-remote.*$FRONT"
    kill "$(cat "$CONTEXT/pid")"
    status=0
    wait $! || status=$?
    [ "$status" -eq 143 ]
    assert_clean "$KILN_ROOT"
    refute pgrep -f "kiln-remote.*$FRONT"
    run pull "$OPEN/test/box:1"
    [ "$status" -eq 0 ]
}

@test "several builds pull the same base into one store at once" {
    front "$OPEN"
    dockerfile "FROM $FRONT/test/multi:1 AS a" "FROM $FRONT/test/box:1" 'COPY --from=a /platform /' 'RUN cat /platform'
    local n pids=()
    for n in 1 2 3; do
        build ranged -t "image$n" "$CONTEXT" >"$DIR/log$n" 3>&- &
        pids+=($!)
    done
    for n in 0 1 2; do
        wait "${pids[n]}" || { cat "$DIR"/log*; false; }
    done
    [ "$(as ranged kiln images | grep -c '^image')" -eq 3 ]
    poll 5 assert_clean "$KILN_ROOT"
}

@test "--pull: always sees a tag that moved, missing does not ask, never refuses" {
    push "$BATS_FILE_TMPDIR/oci:one" "$OPEN/test/moving:1"
    dockerfile "FROM $OPEN/test/moving:1" 'COPY Dockerfile /'
    run build ranged --pull=never "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *--pull=never* && $output == *"$OPEN/test/moving:1"* ]]
    build ranged "$CONTEXT"
    run build ranged --pull=always "$CONTEXT"
    [ "$(cached)" -eq 1 ]
    push "$BATS_FILE_TMPDIR/oci:moved" "$OPEN/test/moving:1"
    before=$(requests)
    for how in missing never; do
        run build ranged --pull=$how "$CONTEXT"
        [ "$status" -eq 0 ]
        [ "$(cached)" -eq 1 ]
    done
    [ "$(requests)" -eq "$before" ]
    run build ranged --pull=always -o "type=oci,dest=$CONTEXT/a.tar" "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(cat "$(unpack "$CONTEXT/a.tar")/platform")" = other ]
    run build ranged "$CONTEXT"
    [ "$(cached)" -eq 1 ]
}

@test "by https, only with a certificate that is trusted" {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$DIR/key.pem" -out "$DIR/cert.pem" \
        -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
    start_registry "$DIR" ", tls: {certificate: $DIR/cert.pem, key: $DIR/key.pem}" \
        "storage: {filesystem: {rootdirectory: $BATS_FILE_TMPDIR/data}}"
    FRONT_PID=$SERVICE_PID
    local trust=(env -u CURL_CA_BUNDLE -u SSL_CERT_DIR DOCKER_CONFIG="$DIR/nobody")
    run as ranged "${trust[@]}" kiln pull -q "localhost:$SERVICE_PORT/test/one:1"
    [ "$status" -eq 1 ]
    [[ $output == *certificate* ]]
    run as ranged "${trust[@]}" SSL_CERT_FILE="$DIR/cert.pem" kiln pull -q "localhost:$SERVICE_PORT/test/one:1"
    [ "$status" -eq 0 ]
}
