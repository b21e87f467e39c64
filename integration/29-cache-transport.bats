#!/usr/bin/env bats
# --cache-to and --cache-from: steps and cache mounts of a store for another one. docs/cache-format.md.

bats_require_minimum_version 1.5.0

setup_file() {
    load lib
    # One base for all stores: an import has the time in its configuration.
    export BASES=$BATS_FILE_TMPDIR/bases.tar
    export KILN_ROOT=$BATS_FILE_TMPDIR/store
    as root kiln import "$FIXTURES/busybox.tar" busybox >/dev/null
    as root kiln save -o "$BASES" busybox
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
    chmod 644 "$BASES"
}

setup() {
    load lib
    load services
}

teardown() {
    [ -z "${SERVER:-}" ] || stop "$SERVER"
}

# Makes $DIR with a context for the role; the Dockerfile is standard input.
context() { # ROLE
    DIR=$(workdir "$1")
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
    echo content >"$CONTEXT/file"
    cat >"$CONTEXT/Dockerfile"
    own "$1" "$CONTEXT"
}

# A store that has the base alone.
store() { # ROLE NAME
    export KILN_ROOT=$DIR/$2
    as "$1" kiln load -i "$BASES" >/dev/null
}

# Builds $CONTEXT to $DIR/NAME.tar, its ID to $DIR/NAME.id.
built() { # ROLE NAME ARGUMENTS…
    local role=$1 name=$2
    shift 2
    run build "$role" -o "type=oci,dest=$DIR/$name.tar" --iidfile "$DIR/$name.id" "$@" "$CONTEXT"
    echo "$output"
    [ "$status" -eq 0 ]
}

same_image() { # NAME NAME
    cmp "$DIR/$1.id" "$DIR/$2.id"
}

# How many layers the store has as directories, besides that of the base.
unpacked() {
    echo $(($(ls "$KILN_ROOT/layers" | wc -l) - 1))
}

blobs() { # DIRECTORY
    (cd "$1/blobs/sha256" && find . -type f -printf '%f %T@ %i\n' | sort)
}

each_role() { # FUNCTION
    local role
    for role in ranged single root; do
        echo "--- $role"
        "$1" "$role"
    done
}

two_stages() {
    cat <<'END'
FROM busybox AS builder
RUN echo made > /made; cat /proc/sys/kernel/random/uuid > /noise
COPY file /file
FROM busybox AS whole
RUN cat /proc/sys/kernel/random/uuid > /first; chown 7:8 /first
COPY --from=builder /made /made
WORKDIR /work
RUN cat /proc/sys/kernel/random/uuid > last
END
}

@test "max: a fresh store finds every step, makes the same image, and unpacks nothing" {
    check() {
        context "$1" < <(two_stages)
        store "$1" a
        built "$1" a --cache-to "type=local,dest=$DIR/cache,mode=max"
        store "$1" b
        built "$1" b --cache-from "type=local,src=$DIR/cache"
        [ "$(cached)" -eq 6 ]
        same_image a b
        [ "$(unpacked)" -eq 0 ]
        # those of the result, and the base's: the builder's two stayed where they were
        [ "$(ls "$KILN_ROOT/blobs/sha256" | wc -l)" -eq 6 ]
        assert_clean "$KILN_ROOT"
        run as "$1" kiln fsck
        echo "$output"
        [ "$status" -eq 0 ]
        as "$1" kiln prune --all --force >/dev/null 2>&1 || as "$1" kiln prune --all >/dev/null
        built "$1" b2 --cache-from "type=local,src=$DIR/cache"
        same_image a b2
        # a step more stands on what is brought
        store "$1" c
        echo 'RUN test -s /first && test -s /work/last && [ "$(stat -c %u:%g /first)" = 7:8 ]' >>"$CONTEXT/Dockerfile"
        built "$1" c --cache-from "type=local,src=$DIR/cache"
        [ "$(cached)" -eq 6 ]
        [ "$(unpacked)" -eq 5 ]
        assert_clean "$KILN_ROOT"
    }
    each_role check
}

@test "min: the stages that the result does not have are cached too, and run only when they are needed" {
    check() {
        context "$1" < <(two_stages)
        store "$1" a
        built "$1" a --cache-to "type=local,dest=$DIR/cache"
        store "$1" b
        built "$1" b --cache-from "type=local,src=$DIR/cache"
        [ "$(cached)" -eq 6 ]
        same_image a b
        [ "$(unpacked)" -eq 0 ]
        store "$1" c
        echo 'COPY --from=builder /file /file' >>"$CONTEXT/Dockerfile"
        built "$1" c --cache-from "type=local,src=$DIR/cache"
        grep -A1 -F '[builder 2/3] RUN' <<<"$output" | grep -q DONE
        [ "$(tar -xOf "$DIR/c.tar" index.json | wc -c)" -gt 0 ]
        store "$1" d
        built "$1" d --cache-from "type=local,src=$DIR/cache" --no-cache
        [ "$(cached)" -eq 0 ]
    }
    each_role check
}

@test "what others may share: a cache of root, of a ranged or of a single user is the others', with owners" {
    local from to
    for from in ranged single root; do
        context "$from" < <(two_stages)
        store "$from" a
        built "$from" a --cache-to "type=local,dest=$DIR/cache,mode=max"
        local there=$DIR
        chmod -R a+rX "$BATS_TEST_TMPDIR"
        for to in ranged single root; do
            echo "--- from $from to $to"
            context "$to" < <(two_stages)
            # a step on it sees the owners that the other gave
            printf 'FROM whole\nRUN [ "$(stat -c %%u:%%g /first)" = 7:8 ]\n' >>"$CONTEXT/Dockerfile"
            store "$to" "from-$from"
            built "$to" b --target whole --cache-from "type=local,src=$there/cache"
            [ "$(cached)" -eq 6 ]
            cmp "$there/a.id" "$DIR/b.id"
            built "$to" c --cache-from "type=local,src=$there/cache"
        done
    done
}

@test "SOURCE_DATE_EPOCH: layers with cut times are used by builds that cut them so, and by no others" {
    context ranged < <(two_stages)
    store ranged a
    built ranged a --build-arg SOURCE_DATE_EPOCH=1000 --cache-to "type=local,dest=$DIR/cache,mode=max"
    store ranged b
    built ranged b --build-arg SOURCE_DATE_EPOCH=1000 --cache-from "type=local,src=$DIR/cache"
    [ "$(cached)" -eq 6 ]
    same_image a b
    store ranged c
    built ranged c --build-arg SOURCE_DATE_EPOCH=2000 --cache-from "type=local,src=$DIR/cache"
    [ "$(cached)" -eq 0 ]
}

@test "an export writes what is new; tags stand side by side; reset removes what none leads to" {
    context ranged < <(two_stages)
    store ranged a
    built ranged a --cache-to "type=local,dest=$DIR/cache,mode=max"
    blobs "$DIR/cache" >"$DIR/before"
    built ranged a --cache-to "type=local,dest=$DIR/cache,mode=max"
    diff "$DIR/before" <(blobs "$DIR/cache")
    sed -i 's/echo made/echo other/' "$CONTEXT/Dockerfile"
    built ranged b --cache-to "type=local,dest=$DIR/cache,mode=max,tag=other"
    [ -z "$(comm -23 "$DIR/before" <(blobs "$DIR/cache"))" ] # nothing was written again
    [ "$(jq '.manifests | length' "$DIR/cache/index.json")" -eq 2 ]
    store ranged b
    built ranged c --cache-from "type=local,src=$DIR/cache,tag=other"
    [ "$(cached)" -eq 6 ]
    same_image b c
    local all
    all=$(ls "$DIR/cache/blobs/sha256" | wc -l)
    built ranged c --cache-to "type=local,dest=$DIR/cache,tag=other,reset=true"
    [ "$(ls "$DIR/cache/blobs/sha256" | wc -l)" -lt "$all" ]
    store ranged d
    built ranged d --cache-from "type=local,src=$DIR/cache,tag=other"
    [ "$(cached)" -eq 6 ]
    skopeo inspect --raw "oci:$DIR/cache:other" >/dev/null
}

@test "from one cache to another: layers that nothing needed are passed on" {
    context single < <(two_stages)
    store single a
    built single a --cache-to "type=local,dest=$DIR/one,mode=max"
    store single b
    built single b --cache-from "type=local,src=$DIR/one" --cache-to "type=local,dest=$DIR/two,mode=max"
    [ "$(unpacked)" -eq 0 ]
    rm -r "$DIR/one"
    store single c
    echo 'COPY --from=builder /file /file' >>"$CONTEXT/Dockerfile"
    built single c --cache-from "type=local,src=$DIR/two"
    [ "$(cached)" -eq 6 ]
}

@test "compression: zstd, or as one asks; what is there is made anew by force alone" {
    context ranged < <(two_stages)
    store ranged a
    types() { jq -r '.layers[].mediaType' "$DIR/$1/blobs/sha256/$(jq -r '.manifests[0].digest' "$DIR/$1/index.json" | cut -d: -f2)" | sort -u; }
    built ranged a --cache-to "type=local,dest=$DIR/z"
    [[ "$(types z)" == *tar+zstd ]]
    built ranged a --cache-to "type=local,dest=$DIR/g,compression=gzip"
    [[ "$(types g)" == *tar+gzip ]]
    built ranged a --cache-to "type=local,dest=$DIR/n,compression=uncompressed"
    [[ "$(types n)" == *layer.v1.tar ]]
    built ranged a --cache-to "type=local,dest=$DIR/z,compression=gzip"
    [[ "$(types z)" == *tar+zstd ]]
    built ranged a --cache-to "type=local,dest=$DIR/z,compression=gzip,force-compression=true"
    [[ "$(types z)" == *tar+gzip ]]
    store ranged b
    built ranged b --cache-from "type=local,src=$DIR/z"
    [ "$(cached)" -eq 6 ]
}

@test "inline: from an OCI archive, a docker-archive, and an image of the store" {
    check() {
        context "$1" < <(two_stages)
        store "$1" a
        built "$1" a --cache-to type=inline
        run build "$1" -o "type=docker,dest=$DIR/docker.tar" --cache-to type=inline -t app "$CONTEXT"
        [ "$status" -eq 0 ]
        store "$1" b
        built "$1" b --cache-from "type=local,src=$DIR/a.tar" --cache-to type=inline
        [ "$(cached)" -eq 6 ]
        same_image a b
        store "$1" c
        built "$1" c --cache-from "type=local,src=$DIR/docker.tar" --cache-to type=inline
        [ "$(cached)" -eq 6 ]
        same_image a c
        store "$1" d
        as "$1" kiln load -i "$DIR/docker.tar"
        built "$1" d --cache-from app
        [ "$(cached)" -eq 6 ]
        # what is built on it has no cache of it
        printf 'FROM app\nLABEL a=b\n' >"$CONTEXT/Dockerfile"
        built "$1" e
        config_of "$DIR/e.tar" | jq -e 'has("kiln.cache.v1") | not'
        [ "$(cached)" -eq 0 ]
    }
    each_role check
}

@test "a cache that is not there, no cache, newer, damaged or lying is warned of, and the build is right" {
    context ranged < <(two_stages)
    store ranged a
    built ranged a --cache-to "type=local,dest=$DIR/cache,mode=max"
    local n=0
    # the manifest or config of a copy, changed and all digests made right again
    changed() { # JQ-PROGRAM ON-CONFIG…
        n=$((n + 1))
        rm -rf "$DIR/bad$n"
        cp -a "$DIR/cache" "$DIR/bad$n"
        python3 - "$DIR/bad$n" "$1" <<'END'
import hashlib, json, os, subprocess, sys
d, program = sys.argv[1:]
def get(x): return open(f"{d}/blobs/sha256/{x['digest'][7:]}", "rb").read()
def put(x, data):
    x["digest"] = "sha256:" + hashlib.sha256(data).hexdigest(); x["size"] = len(data)
    open(f"{d}/blobs/sha256/{x['digest'][7:]}", "wb").write(data)
index = json.load(open(f"{d}/index.json"))
manifest = json.loads(get(index["manifests"][0]))
put(manifest["config"], subprocess.run(["jq", "-c", program], input=get(manifest["config"]), stdout=-1, check=True).stdout)
put(index["manifests"][0], json.dumps(manifest).encode())
json.dump(index, open(f"{d}/index.json", "w"))
END
        store ranged "store$n"
        built ranged "bad$n" --cache-from "type=local,src=$DIR/bad$n"
    }
    store ranged store-none
    built ranged none --cache-from "type=local,src=$DIR/nowhere"
    grep -q "nowhere is not used: cannot open" <<<"$output"
    built ranged none --cache-from "type=local,src=$CONTEXT" --no-cache
    grep -q "is not used" <<<"$output"
    built ranged none --cache-from "type=local,src=$DIR/cache,tag=nothing" --no-cache
    grep -q 'no cache "nothing"' <<<"$output"
    built ranged none --cache-from nobody/has:this --no-cache
    grep -q "not read from registries yet" <<<"$output"
    local program
    for program in '.version = 2' 'del(.version)' '.nodes[1].inputs = [1]' '.nodes[1].inputs = [-2]' \
        '.nodes[1].layer.blob = 99' '.nodes[1].layer.diffID = "sha256:1"' '.nodes[1].operation = "../x"' '.nodes = 3' \
        '.mounts = [{"name":"../../x","id":"x","layers":[{"diffID":.nodes[1].layer.diffID,"blob":0}],"entries":0,"mode":0,"uid":0,"gid":0}]'; do
        echo "--- $program"
        changed "$program"
        grep -q "bad$n is not used" <<<"$output"
        [ "$(cached)" -eq 0 ]
    done
    echo "--- layers of other steps"
    changed '.nodes |= map(if .layer then .layer.blob = 0 else . end)'
    grep -q "a layer of the cache is not used, and its step runs again" <<<"$output"
    built ranged "bad$n"
    [ "$(cached)" -eq 6 ]
    echo "--- damaged blobs"
    cp -a "$DIR/cache" "$DIR/torn"
    local f
    for f in "$DIR"/torn/blobs/sha256/*; do
        head -c1 "$f" | grep -q '{' || printf x >>"$f"
    done
    store ranged store-torn
    built ranged torn --cache-from "type=local,src=$DIR/torn"
    grep -q "a layer of the cache is not used, and its step runs again" <<<"$output"
    built ranged torn
    [ "$(cached)" -eq 6 ]
    assert_clean "$KILN_ROOT"
}

@test "a damaged layer of a cache, or of a cache mount in it, is whole again after the next export" {
    context ranged <<'END'
FROM busybox
RUN --mount=type=cache,target=/c [ -s /c/f ] || head -c 5000 /dev/urandom >/c/f
RUN head -c 70000 /dev/urandom | od >/random
END
    store ranged a
    built ranged a --cache-to "type=local,dest=$DIR/cache,mounts=all"
    local f sizes
    sizes=$(du -sb "$DIR/cache")
    for f in "$DIR"/cache/blobs/sha256/*; do # of the size that it had
        head -c1 "$f" | grep -q '{' ||
            as ranged dd if=/dev/urandom of="$f" bs=1 seek=$(($(stat -c %s "$f") / 2)) count=4 conv=notrunc status=none
    done
    [ "$(du -sb "$DIR/cache")" = "$sizes" ]
    store ranged b
    built ranged b --cache-from "type=local,src=$DIR/cache" --cache-to "type=local,dest=$DIR/cache,mounts=all"
    grep -q "a layer of the cache is not used, and its step runs again" <<<"$output"
    grep -q 'the cache mount "/c" is not taken from the cache' <<<"$output"
    store ranged c
    built ranged c --cache-from "type=local,src=$DIR/cache"
    [ "$(cached)" -eq 2 ]
    ! grep -qi "warning\|is not" <<<"$output"
    built ranged c --cache-from "type=local,src=$DIR/cache" --no-cache
    ! grep -qi "warning\|is not" <<<"$output"
}

@test "where a cache cannot go: an error, or a warning where one wants that" {
    context ranged < <(two_stages)
    store ranged a
    run build ranged --cache-to "type=local,dest=$CONTEXT" "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ "$output" == *"neither empty nor an OCI layout"* ]]
    built ranged a --cache-to "type=local,dest=$CONTEXT,ignore-error=true"
    [[ "$output" == *"the cache is not exported"* ]]
    refused() { # ENTRY TEXT FLAG
        run -2 as ranged kiln build "--$3" "$1" "$CONTEXT"
        echo "$output"
        [[ "$output" == *"$2"* ]]
    }
    refused type=gha "not supported yet" cache-to
    refused type=s3,bucket=x "not supported yet" cache-from
    refused type=registry,ref=x/y "not supported yet" cache-to
    refused x/y "not supported yet" cache-to
    refused type=local "dest is missing" cache-to
    refused type=local "src is missing" cache-from
    refused type=inline "there is no type" cache-from
    refused type=inline,mode=max "mode=min" cache-to
    refused type=local,dest=x,mode=middle "mode=middle is not supported" cache-to
    refused type=local,dest=x,compression-level=99 "0 to 22" cache-to
    refused type=local,src=x,digest=sha256:1 "64 hex digits" cache-from
    refused dest=x "it has no type" cache-to
    refused type=local,dest=x,y "not KEY=VALUE" cache-to
}

@test "two exports to one directory at once take turns" {
    context ranged < <(two_stages)
    store ranged a
    build ranged --build-arg X=1 --cache-to "type=local,dest=$DIR/cache,mode=max,tag=one" "$CONTEXT" >"$DIR/one.log" &
    local other=$!
    build ranged --no-cache --cache-to "type=local,dest=$DIR/cache,mode=max,tag=two" "$CONTEXT" >"$DIR/two.log"
    wait "$other"
    [ "$(jq -r '[.manifests[].annotations[]] | sort | join(" ")' "$DIR/cache/index.json")" = "one two" ]
    [ -z "$(find "$DIR/cache" -name '.kiln-*')" ]
    local tag
    for tag in one two; do
        store ranged "$tag"
        built ranged "$tag" --cache-from "type=local,src=$DIR/cache,tag=$tag"
        [ "$(cached)" -eq 6 ]
    done
}

mounted() {
    cat <<'END'
FROM busybox
ARG X
RUN --mount=type=cache,id=mine,target=/c --mount=type=cache,target=/other sh -c "$X"
END
}

@test "cache mounts: brought back with owners, links and modes; changes are layers; a local one is not overwritten" {
    check() {
        context "$1" < <(mounted)
        store "$1" a
        layers() { jq "[.mounts[] | select(.id == \"$1\") | .layers | length] | add" < <(document); }
        document() {
            local manifest
            manifest=$(jq -r '.manifests[0].digest' "$DIR/cache/index.json" | cut -d: -f2)
            cat "$DIR/cache/blobs/sha256/$(jq -r .config.digest "$DIR/cache/blobs/sha256/$manifest" | cut -d: -f2)"
        }
        to=(--cache-to "type=local,dest=$DIR/cache,mounts=all")
        built "$1" a "${to[@]}" --build-arg 'X=cd /c; mkdir -m 700 d; head -c 2000000 /dev/urandom >big; echo 1 >d/f; chown 5:6 d/f; chmod 640 d/f; ln big hard; ln -s d/f link; touch -d 2001-02-03 old; mkfifo gone; echo x >/other/x; chmod 1770 /c'
        [ "$(layers mine)" -eq 1 ]
        local first
        first=$(blobs "$DIR/cache")
        store "$1" b
        built "$1" b --cache-from "type=local,src=$DIR/cache" "${to[@]}" --build-arg 'X=cd /c; cmp big hard && [ "$(stat -c %h big)" = 2 ] && [ "$(stat -c %a:%u:%g d/f)" = 640:5:6 ] && [ "$(stat -c %a d)" = 700 ] && [ "$(stat -c %a .)" = 1770 ] && [ "$(cat link)" = 1 ] && [ "$(date -r old +%F)" = 2001-02-03 ] && [ -p gone ] && cat /other/x && rm gone && rm d/f && echo 2 >d/g'
        [ "$(layers mine)" -eq 2 ]
        [ "$(layers /other)" -eq 1 ]
        [ -z "$(comm -23 <(echo "$first") <(blobs "$DIR/cache"))" ]
        store "$1" c
        built "$1" c --cache-from "type=local,src=$DIR/cache" --build-arg 'X=cd /c; [ ! -e gone ] && [ ! -e d/f ] && [ ! -e link/. ] && [ "$(cat d/g)" = 2 ] && cmp big hard && echo local >d/g'
        built "$1" c --cache-from "type=local,src=$DIR/cache" --build-arg 'X=[ "$(cat /c/d/g)" = local ]'
        # all cached in a store without the mounts: they are handed on
        built "$1" c --build-arg X=: "${to[@]}"
        store "$1" d
        built "$1" d --build-arg X=: --cache-from "type=local,src=$DIR/cache" "${to[@]}"
        [ "$(cached)" -eq 1 ]
        [ "$(layers mine)" -eq 3 ]
        [ ! -e "$KILN_ROOT/caches" ] || [ -z "$(find "$KILN_ROOT/caches" -mindepth 1 -maxdepth 1 -type d)" ]
        # a long chain is written anew
        store "$1" e
        local i
        for i in 1 2 3 4 5 6 7 8 9; do
            built "$1" e --build-arg "X=echo $i >/c/d/$i" --cache-from "type=local,src=$DIR/cache" "${to[@]}"
        done
        [ "$(layers mine)" -le 8 ]
        store "$1" f
        built "$1" f --cache-from "type=local,src=$DIR/cache" --build-arg 'X=cd /c; cat d/g d/1 d/9; cmp big hard'
        # one of them; one that nobody has
        built "$1" f --build-arg X=: --cache-to "type=local,dest=$DIR/one,mounts=/other,nobody"
        [[ "$output" == *"mounts=nobody: no step of this build mounts"* ]]
        assert_clean "$KILN_ROOT"
    }
    each_role check
}

# Serves $1; $PORT is where. $DIR/requests has a line a request.
serve() { # DIRECTORY
    python3 "$BATS_TEST_DIRNAME/fixtures/counting-server.py" "$1" "$DIR/requests" "$DIR/port" &
    SERVER=$!
    poll 10 test -s "$DIR/port"
    PORT=$(cat "$DIR/port")
}

@test "npm ci in a fresh store downloads nothing" {
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT" "$DIR/www/pkg" "$DIR/p/package"
    echo '{"name":"pkg","version":"1.0.0"}' >"$DIR/p/package/package.json"
    tar -C "$DIR/p" -czf "$DIR/www/pkg/pkg-1.0.0.tgz" package
    serve "$DIR/www"
    local sum
    sum=$(openssl dgst -sha512 -binary "$DIR/www/pkg/pkg-1.0.0.tgz" | base64 -w0)
    echo '{"name":"app","version":"1.0.0","dependencies":{"pkg":"1.0.0"}}' >"$CONTEXT/package.json"
    jq -n --arg url "http://127.0.0.1:$PORT/pkg/pkg-1.0.0.tgz" --arg sum "sha512-$sum" '{name:"app",version:"1.0.0",
        lockfileVersion:2,requires:true,packages:{"":{name:"app",version:"1.0.0",dependencies:{pkg:"1.0.0"}},
        "node_modules/pkg":{version:"1.0.0",resolved:$url,integrity:$sum}},
        dependencies:{pkg:{version:"1.0.0",resolved:$url,integrity:$sum}}}' >"$CONTEXT/package-lock.json"
    cat >"$CONTEXT/Dockerfile" <<END
FROM node
WORKDIR /app
COPY package.json package-lock.json ./
ARG X
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund --no-update-notifier --registry http://127.0.0.1:$PORT/ && test -d node_modules/pkg && : \$X
END
    own ranged "$CONTEXT"
    fresh_store ranged node=node
    built ranged a --network host --allow network.host --cache-to "type=local,dest=$DIR/cache,mounts=/root/.npm"
    grep -q '^200 .*tgz' "$DIR/requests"
    : >"$DIR/requests"
    mv "$KILN_ROOT" "$DIR/first"
    fresh_store ranged node=node
    built ranged b --network host --allow network.host --build-arg X=1 --cache-from "type=local,src=$DIR/cache"
    refute is_cached 'npm ci'
    [ ! -s "$DIR/requests" ] || { cat "$DIR/requests"; return 1; }
}

@test "apt-get install in a fresh store downloads nothing" {
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT" "$DIR/www" "$DIR/pkg/DEBIAN" "$DIR/pkg/opt/thing"
    printf 'Package: thing\nVersion: 1.0\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: a thing\n' >"$DIR/pkg/DEBIAN/control"
    head -c 300000 /dev/urandom >"$DIR/pkg/opt/thing/data"
    dpkg-deb --root-owner-group -b "$DIR/pkg" "$DIR/www/thing_1.0_all.deb" >/dev/null
    {
        cat "$DIR/pkg/DEBIAN/control"
        printf 'Filename: ./thing_1.0_all.deb\nSize: %s\nSHA256: %s\n\n' "$(stat -c %s "$DIR/www/thing_1.0_all.deb")" \
            "$(sha256sum "$DIR/www/thing_1.0_all.deb" | cut -d' ' -f1)"
    } >"$DIR/www/Packages"
    printf 'Date: %s\nSHA256:\n %s %s Packages\n' "$(LC_ALL=C date -u -R)" "$(sha256sum "$DIR/www/Packages" | cut -d' ' -f1)" \
        "$(stat -c %s "$DIR/www/Packages")" >"$DIR/www/Release"
    serve "$DIR/www"
    cat >"$CONTEXT/Dockerfile" <<END
FROM debian
RUN rm -f /etc/apt/apt.conf.d/docker-clean /etc/apt/sources.list /etc/apt/sources.list.d/*; echo 'deb [trusted=yes] http://127.0.0.1:$PORT ./' >/etc/apt/sources.list; echo 'Binary::apt::APT::Keep-Downloaded-Packages "true";' >/etc/apt/apt.conf.d/keep
ARG X
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked --mount=type=cache,target=/var/lib/apt,sharing=locked apt-get update && apt-get install -y --no-install-recommends thing && test -s /opt/thing/data && : \$X
END
    own ranged "$CONTEXT"
    fresh_store ranged debian=debian
    built ranged a --network host --allow network.host --cache-to "type=local,dest=$DIR/cache,mounts=all"
    grep -q '^200 .*thing_1.0_all.deb' "$DIR/requests"
    : >"$DIR/requests"
    mv "$KILN_ROOT" "$DIR/first"
    fresh_store ranged debian=debian
    built ranged b --network host --allow network.host --build-arg X=1 --cache-from "type=local,src=$DIR/cache"
    refute is_cached 'apt-get install'
    # it asks whether there is something new, and gets nothing
    refute grep -q '^200 ' "$DIR/requests"
}
