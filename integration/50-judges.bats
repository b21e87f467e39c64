#!/usr/bin/env bats
# What kiln writes, judged by other people's tools, and what they write, read by kiln. Trees are compared path by
# path (fixtures/tree.py): type, mode, owner, content, time, extended attributes, hard links.

setup_file() {
    load lib
    load services
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
    export NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
    HOST=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
    mkdir "$BATS_FILE_TMPDIR/registry" "$BATS_FILE_TMPDIR/debian"
    start_registry "$BATS_FILE_TMPDIR/registry" '' "storage: {filesystem: {rootdirectory: $BATS_FILE_TMPDIR/data}}"
    export HOST REGISTRY=127.0.0.1:$SERVICE_PORT REGISTRY_PID=$SERVICE_PID
    tar -C "$BATS_FILE_TMPDIR/debian" --xattrs --xattrs-include='*' --numeric-owner -xpf "$FIXTURES/debian.tar"
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
    CGROUP=kiln-it-$$
    mkdir -p "$CONTEXT"
    own ranged "$CONTEXT"
}

teardown() {
    [ -z "$RUNC_ID" ] || runc delete --force "$RUNC_ID" || true
    local group
    for group in /sys/fs/cgroup/"$CGROUP" /sys/fs/cgroup/*/"$CGROUP"; do
        [ ! -d "$group" ] || find "$group" -depth -type d -exec rmdir {} +
    done
}

tree() { # ROOT [NEW]
    "$BATS_TEST_DIRNAME/fixtures/tree.py" "$@"
}

layout() {
    "$BATS_TEST_DIRNAME/fixtures/layout.py" "$@"
}

check_layout() { # ARCHIVE: how many images it holds
    rm -rf "$DIR/checked"
    mkdir "$DIR/checked"
    tar -C "$DIR/checked" -xf "$1"
    "$BATS_TEST_DIRNAME/fixtures/check-layout.py" "$DIR/checked"
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

# A small image with something of everything, named "everything" in the store: $CONTEXT/a.tar
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
END
    echo content >"$CONTEXT/file"
    build_archive -t everything
    build ranged -t everything "$CONTEXT"
}

# --- What kiln writes ----------------------------------------------------------------------------------------

@test "archives are OCI layouts by the letter of the specification" {
    everything
    [ "$(check_layout "$CONTEXT/a.tar")" -eq 1 ]
    [ "$(jq -r '.manifests[0].annotations["org.opencontainers.image.ref.name"]' "$DIR/checked/index.json")" = latest ]
    as ranged kiln save -o "$CONTEXT/two.tar" everything busybox
    [ "$(check_layout "$CONTEXT/two.tar")" -eq 2 ]
    build_archive
    [ "$(check_layout "$CONTEXT/a.tar")" -eq 1 ]
    [ "$(jq '.manifests[0].annotations' "$DIR/checked/index.json")" = null ]
}

@test "skopeo: inspect, to a docker-archive, to a registry and back with the same digests" {
    everything
    run skopeo inspect "oci-archive:$CONTEXT/a.tar"
    [ "$status" -eq 0 ]
    [ "$(jq -r '.Labels.one, .Os, .Architecture' <<<"$output" | tr '\n' ' ')" = "1 linux $HOST " ]
    [ "$(jq '.Layers | length' <<<"$output")" -eq 4 ]
    skopeo copy --quiet "oci-archive:$CONTEXT/a.tar" "docker-archive:$DIR/docker.tar:everything:1"
    [ "$(skopeo inspect "docker-archive:$DIR/docker.tar" | jq -r .Labels.one)" = 1 ]
    skopeo copy --quiet --dest-tls-verify=false "oci-archive:$CONTEXT/a.tar" "docker://$REGISTRY/everything:1"
    skopeo copy --quiet --src-tls-verify=false "docker://$REGISTRY/everything:1" "oci-archive:$DIR/back.tar"
    [ "$(skopeo inspect --raw "oci-archive:$CONTEXT/a.tar" | sha256sum)" = \
        "$(skopeo inspect --raw "oci-archive:$DIR/back.tar" | sha256sum)" ]
}

@test "umoci: the tree of a base that is unchanged is the tree of its tar" {
    printf 'FROM debian:bookworm-slim\nCOPY new /new\n' >"$CONTEXT/Dockerfile"
    echo new >"$CONTEXT/new"
    build_archive
    rootfs=$(unpack "$CONTEXT/a.tar")
    rm "$rootfs/new"
    diff <(tree "$BATS_FILE_TMPDIR/debian") <(tree "$rootfs")
}

@test "umoci: apt-get install, setcap, links and owners give the tree that the same commands give in a chroot" {
    cat >"$CONTEXT/commands" <<'END'
set -e
apt-get update -qq
apt-get install -y -qq --no-install-recommends iputils-ping libcap2-bin >/dev/null
cp /bin/true /usr/local/bin/capable
setcap cap_net_bind_service,cap_net_raw+ep /usr/local/bin/capable
mkdir -p /srv/data/a /srv/data/b
chmod 2750 /srv/data
chown 33:44 /srv/data /srv/data/a
echo x > /srv/data/one
ln /srv/data/one /srv/data/a/two
ln /srv/data/one /srv/data/b/three
ln -s ../one /srv/data/a/link
chown -h 7:8 /srv/data/a/link
cp -a /bin/bash /srv/data/setuid
chmod 6755 /srv/data/setuid
mkfifo /srv/data/fifo && chmod 622 /srv/data/fifo
touch -d '2001-02-03 04:05:06' /srv/data/one /srv/data/b
rm -r /usr/share/bash-completion /var/lib/apt/lists/*
rm -r /etc/skel && mkdir /etc/skel && echo only > /etc/skel/only
mv /usr/share/base-files /usr/share/moved
rm /etc/issue && ln -s issue.net /etc/issue
rm /etc/debian_version && mkdir /etc/debian_version
chown 9:9 /usr/bin/env
END
    printf 'FROM debian:bookworm-slim\nCOPY commands /commands\nRUN sh /commands\nRUN rm /commands\n' >"$CONTEXT/Dockerfile"
    local start chroot=$BATS_FILE_TMPDIR/debian
    start=$(date +%s)
    cp "$CONTEXT/commands" "$chroot/commands"
    # the same commands, beside the build; the mounts go with their namespace
    unshare --mount --pid --fork --kill-child sh -ec '
        for f in resolv.conf hosts; do
            [ -e "$1/etc/$f" ] || touch "$1/etc/$f"
            mount --bind "/etc/$f" "$1/etc/$f"
        done
        mount -t proc proc "$1/proc"
        mount --rbind /dev "$1/dev"
        exec chroot "$1" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh /commands
        ' sh "$chroot" >"$DIR/chroot.log" 2>&1 3>&- &
    local reference=$!
    run build_archive --no-cache
    [ "$status" -eq 0 ]
    wait "$reference" || { cat "$DIR/chroot.log"; false; }
    rm "$chroot/commands"
    local rootfs
    rootfs=$(unpack "$CONTEXT/a.tar")
    [ "$(getfattr --absolute-names -n security.capability "$rootfs/usr/local/bin/capable" "$rootfs/bin/ping" |
        grep -c security.capability=)" -eq 2 ]
    # these hold times and process ids, or are what the host mounts
    local volatile="^b'(var/log/|var/cache/|var/lib/apt/|etc/(resolv.conf|hosts|hostname)'|dev|run|tmp)"
    diff <(tree "$chroot" "$start" | grep -vE "$volatile") <(tree "$rootfs" "$start" | grep -vE "$volatile")
    [ "$(tree "$rootfs" | grep -c "'srv/data/a/two'$")" -eq 3 ]
}

@test "podman: load, and run the image's command" {
    everything
    as ranged kiln save --format docker -o "$CONTEXT/docker.tar" everything
    for archive in a docker; do
        run storage podman load -q -i "$CONTEXT/$archive.tar"
        [ "$status" -eq 0 ]
        image=$(storage podman images -q | head -1)
        # root's podman would raise these limits, and use systemd's cgroups
        run storage podman --runtime runc --cgroup-manager cgroupfs run --rm --cgroups=no-conmon --cgroup-parent "/$CGROUP" \
            --ulimit nofile=1000:1000 --ulimit nproc=1000:1000 --network=host "$image"
        [ "$status" -eq 0 ]
        [[ $output == *"hello world 1000 /work"$'\n'content* ]]
        storage podman rmi -f "$image"
    done
}

@test "a docker-archive of kiln: podman and skopeo know its name, its layers are its diffIDs" {
    everything
    as ranged kiln tag everything example.org/all/things:v2
    as ranged kiln save --format docker -o "$CONTEXT/docker.tar" example.org/all/things:v2
    [ "$(tar -xOf "$CONTEXT/docker.tar" manifest.json | jq -r '.[0].RepoTags[0]')" = example.org/all/things:v2 ]
    run skopeo inspect --config "docker-archive:$CONTEXT/docker.tar:example.org/all/things:v2"
    [ "$status" -eq 0 ]
    [ "$(jq -c .rootfs.diff_ids <<<"$output")" = "$(config_of "$CONTEXT/a.tar" | jq -c .rootfs.diff_ids)" ]
    run storage podman load -q -i "$CONTEXT/docker.tar"
    [[ $output == *example.org/all/things:v2* ]]
    mkdir "$DIR/files"
    tar -C "$DIR/files" -xf "$CONTEXT/docker.tar"
    for layer in $(jq -r '.[0].Layers[]' "$DIR/files/manifest.json"); do
        sha256sum <"$DIR/files/$layer" | cut -d' ' -f1
    done >"$DIR/sums"
    diff "$DIR/sums" <(config_of "$CONTEXT/a.tar" | jq -r '.rootfs.diff_ids[]' | cut -d: -f2)
}

page() { # URL
    curl --silent --fail --noproxy '*' "$1"
}

@test "runc: an nginx image serves its page" {
    local port bundle
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox AS builder
RUN mkdir /site && echo '<p>made by kiln</p>' > /site/index.html
FROM nginx:alpine
COPY --from=builder /site /var/www/html
COPY server.conf /etc/nginx/sites-available/default
RUN nginx -t
END
    echo "server { listen 127.0.0.1:$port; root /var/www/html; }" >"$CONTEXT/server.conf"
    build_archive
    bundle=$(dirname "$(unpack "$CONTEXT/a.tar")")
    [ "$(jq -c .process.args "$bundle/config.json")" = '["nginx","-g","daemon off;"]' ]
    # umoci's bundle has a terminal, a network of its own, and fewer capabilities than Docker gives
    jq '.process.terminal = false | .linux.namespaces |= map(select(.type != "network")) | del(.linux.resources) |
        ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "KILL", "NET_BIND_SERVICE"] as $names |
        .process.capabilities |= map_values($names | map("CAP_" + .))' "$bundle/config.json" >"$DIR/config.json"
    cp "$DIR/config.json" "$bundle/config.json"
    RUNC_ID=kiln-it-$$
    runc run --bundle "$bundle" "$RUNC_ID" </dev/null >"$DIR/nginx.log" 2>&1 3>&- &
    poll 15 page "http://127.0.0.1:$port/" || { cat "$DIR/nginx.log"; false; }
    [ "$(page "http://127.0.0.1:$port/")" = '<p>made by kiln</p>' ]
    runc kill "$RUNC_ID" QUIT
    wait
}

# --- What others write ---------------------------------------------------------------------------------------

# What kiln makes of an image, against what umoci makes of it: as kiln's copy of everything in it, and as a command
# sees it.
assert_same_tree() { # NAME LAYOUT:TAG
    umoci unpack --image "$2" "$DIR/theirs" >&2
    printf 'FROM %s AS all\nFROM scratch\nCOPY --from=all / /\n' "$1" >"$CONTEXT/Dockerfile"
    build_archive
    diff <(tree "$DIR/theirs/rootfs") <(tree "$(unpack "$CONTEXT/a.tar")")
    cat >"$CONTEXT/Dockerfile" <<END
FROM $1 AS look
COPY --from=busybox:latest /bin/busybox /busybox
RUN ["/busybox", "sh", "-c", "cd / && /busybox find . -xdev ! -type d ! -path ./busybox -exec /busybox stat -c '%n %F %a %u:%g %s' {} + > /seen"]
FROM scratch
COPY --from=look /seen /
END
    build_archive
    local rootfs
    rootfs=$(unpack "$CONTEXT/a.tar")
    # without the files that kiln mounts
    local mounted='^\./(seen|etc/resolv.conf|etc/hosts|etc/hostname) '
    diff <(cd "$DIR/theirs/rootfs" && find . ! -type d -exec stat -c '%n %F %a %u:%g %s' {} + | LC_ALL=C sort) \
        <(LC_ALL=C grep -avE "$mounted" "$rootfs/seen" | LC_ALL=C sort)
    rm -rf "$DIR/theirs" "$rootfs"
}

@test "kiln load: layouts and archives of skopeo, with gzip, zstd and plain layers, compressed or not" {
    cp "$FIXTURES/busybox.tar" "$DIR/b.tar"
    layout "$DIR/oci" plain "linux/$HOST=none:$DIR/b.tar"
    skopeo copy --quiet --dest-compress-format zstd --dest-compress "oci:$DIR/oci:plain" "oci:$DIR/zstd:zstd"
    skopeo copy --quiet "oci:$DIR/oci:plain" "oci-archive:$DIR/gzip.tar:gz:1"
    skopeo copy --quiet "oci:$DIR/oci:plain" "docker-archive:$DIR/docker.tar:example.org/docker:1"
    gzip -k "$DIR/gzip.tar"
    zstd -q "$DIR/docker.tar"
    [ "$(skopeo inspect --raw "oci:$DIR/zstd:zstd" | jq -r '.layers[0].mediaType')" = \
        application/vnd.oci.image.layer.v1.tar+zstd ]
    local diff_id pair
    diff_id=sha256:$(sha256sum <"$DIR/b.tar" | cut -d' ' -f1)
    for pair in oci= zstd= gzip.tar=gz:1 gzip.tar.gz=gz:1 docker.tar=example.org/docker:1 docker.tar.zst=example.org/docker:1; do
        fresh_store ranged
        run as ranged kiln load -i "$DIR/${pair%%=*}"
        [ "$status" -eq 0 ]
        [[ $output == *"${pair#*=}"* ]]
        as ranged kiln save -o "$CONTEXT/saved.tar" "$(as ranged kiln images -q)"
        [ "$(config_of "$CONTEXT/saved.tar" | jq -r '.rootfs.diff_ids[0]')" = "$diff_id" ]
        [ "$(check_layout "$CONTEXT/saved.tar")" -eq 1 ]
        [ -z "${pair#*=}" ] || as ranged kiln inspect "${pair#*=}"
        as ranged kiln reset -f
    done
    fresh_store ranged
    as ranged kiln load <"$DIR/docker.tar"
    as ranged kiln inspect example.org/docker:1
}

@test "an image that buildah made is a base" {
    local container
    container=$(storage buildah from scratch)
    storage buildah add -q "$container" "$FIXTURES/busybox.tar"
    storage buildah config --workingdir /there --env MADE=buildah --cmd '["cat", "made"]' "$container"
    storage buildah commit -q "$container" "oci-archive:$DIR/buildah.tar:from-buildah:1"
    fresh_store ranged
    run as ranged kiln load -i "$DIR/buildah.tar"
    [ "$status" -eq 0 ]
    [[ $output == *from-buildah:1* ]]
    printf 'FROM from-buildah:1\nRUN echo "$MADE $(pwd)" > made\n' >"$CONTEXT/Dockerfile"
    build_archive
    [ "$(cat "$(unpack "$CONTEXT/a.tar")/there/made")" = "buildah /there" ]
    [ "$(config_of "$CONTEXT/a.tar" | jq -c .config.Cmd)" = '["cat","made"]' ]
    [ "$(check_layout "$CONTEXT/a.tar")" -eq 1 ]
}

# Layers as GNU tar writes them, whose every trick kiln must know.
@test "layers of others: whiteouts, opaque directories, hard links, xattrs, sparse files, very long names" {
    local t=$DIR/t long
    long=$(printf 'name%.0s' {1..60})
    mkdir -p "$t"/one/{kept,gone,opaque/deep,swapped,bin,etc} "$t"/two/{opaque,kept} "$t/three"
    # below
    for f in kept/file kept/removed gone/file opaque/old opaque/deep/older swapped/file became; do
        echo "$f" >"$t/one/$f"
    done
    ln "$t/one/kept/file" "$t/one/kept/hard"
    ln "$t/one/kept/file" "$t/one/opaque/hard"
    mkdir -p "$t/one/$long/$long/$long"
    echo long >"$t/one/$long/$long/$long/$long"
    ln -s "$long/$long/$long/$long" "$t/one/long-link"
    ln "$t/one/$long/$long/$long/$long" "$t/one/long-hard"
    truncate -s 50M "$t/one/sparse"
    printf data | dd of="$t/one/sparse" bs=1 seek=30000000 conv=notrunc status=none
    cp /bin/true "$t/one/capable"
    setcap cap_net_raw+ep "$t/one/capable"
    setfattr -n user.comment -v "some words" "$t/one/kept/file" "$t/one/kept"
    mknod "$t/one/null" c 1 3
    mkfifo "$t/one/fifo"
    printf 'x' >"$t/one/$(printf 'latin\xe4 new\nline')"
    chown -R 12:34 "$t/one/kept"
    chown -h 56:78 "$t/one/long-link"
    chmod 1777 "$t/one/opaque"
    chmod 6711 "$t/one/capable"
    setcap cap_net_raw+ep "$t/one/capable"
    # above: the marker of the opaque directory stands behind one of its new files
    touch "$t/two/.wh.gone" "$t/two/.wh.swapped" "$t/two/kept/.wh.removed" "$t/two/opaque/.wh..wh..opq"
    echo new >"$t/two/opaque/new"
    mkdir "$t/two/became"
    echo inside >"$t/two/became/inside"
    echo file >"$t/two/null"
    # and on top, what was removed comes back as something else
    mkdir -p "$t/three/gone"
    ln -s kept "$t/three/swapped"
    echo again >"$t/three/gone/again"
    (
        cd "$t/one"
        tar --format=pax --sparse --xattrs --xattrs-include='*' -cf ../one.tar .
        tar --format=gnu --sparse -cf ../gnu.tar .
        tar --format=gnu -cf ../plain.tar .
        cd ../two
        tar -cf ../two.tar opaque/new opaque/.wh..wh..opq kept .wh.gone .wh.swapped became null
        tar -C ../three -cf ../three.tar gone swapped
    )
    chmod -R a+rX "$t"
    fresh_store ranged busybox=busybox:latest
    for kind in one gnu plain; do
        layout "$DIR/oci" "$kind" "linux/$HOST=none:$t/$kind.tar,gzip:$t/two.tar,gzip:$t/three.tar"
        skopeo copy --quiet "oci:$DIR/oci:$kind" "oci-archive:$DIR/$kind-image.tar:$kind:1"
        as ranged kiln load -i "$DIR/$kind-image.tar"
    done
    assert_same_tree one:1 "$DIR/oci:one"
    [ "$(find "$KILN_ROOT/layers" -name sparse -printf '%b\n' | sort -n | head -1)" -lt 1000 ]
    # umoci does not know GNU's sparse files: it gets them in full
    assert_same_tree gnu:1 "$DIR/oci:plain"
}

@test "layers that umoci made by repacking a changed tree" {
    fresh_store ranged busybox=busybox:latest
    layout "$DIR/oci" base "linux/$HOST=gzip:$FIXTURES/busybox.tar"
    umoci unpack --image "$DIR/oci:base" "$DIR/bundle"
    local r=$DIR/bundle/rootfs
    rm -r "$r/root" "$r/bin/ls"
    rm -r "$r/etc" && mkdir "$r/etc" && echo root:x:0:0::/:/bin/sh >"$r/etc/passwd"
    ln "$r/bin/busybox" "$r/bin/hard" && echo x >"$r/tmp/x" && ln "$r/tmp/x" "$r/tmp/y"
    chown 33:44 "$r/tmp/x"
    rm "$r/bin/cat" && mkdir "$r/bin/cat"
    setfattr -n user.made -v by-umoci "$r/tmp"
    cp /bin/true "$r/bin/capable" && setcap cap_sys_time+ep "$r/bin/capable"
    umoci repack --image "$DIR/oci:changed" "$DIR/bundle"
    chmod -R a+rX "$DIR/oci"
    skopeo copy --quiet "oci:$DIR/oci:changed" "oci-archive:$DIR/changed.tar:changed:1"
    as ranged kiln load -i "$DIR/changed.tar"
    assert_same_tree changed:1 "$DIR/oci:changed"
}

@test "--build-context: layout, archives and a directory as FROM, and as COPY --from" {
    fresh_store ranged busybox=busybox:latest
    mkdir "$CONTEXT/folder" "$DIR/tree"
    for n in 1 2; do
        echo "image $n" >"$DIR/tree/which"
        tar -C "$DIR/tree" -cf "$DIR/$n.tar" which
        layout "$DIR/oci" "v$n" "linux/$HOST=$DIR/$n.tar"
    done
    skopeo copy --quiet "oci:$DIR/oci:v1" "oci-archive:$CONTEXT/oci.tar:x:1"
    skopeo copy --quiet "oci:$DIR/oci:v1" "docker-archive:$CONTEXT/docker.tar:x:1"
    cp -r "$DIR/oci" "$CONTEXT/oci"
    skopeo copy --quiet "oci:$DIR/oci:v1" "oci:$CONTEXT/single:v1"
    echo folder >"$CONTEXT/folder/which"
    for how in FROM COPY; do
        printf 'FROM given\nLABEL a=b\n' >"$CONTEXT/Dockerfile"
        [ $how = FROM ] || printf 'FROM scratch\nCOPY --from=given /which /which\n' >"$CONTEXT/Dockerfile"
        for pair in "oci-layout://$CONTEXT/oci:v2=image 2" "oci-layout://$CONTEXT/single=image 1" \
            "oci-archive://$CONTEXT/oci.tar=image 1" "docker-archive://$CONTEXT/docker.tar=image 1" "$CONTEXT/folder=folder"; do
            run build_archive --build-context "given=${pair%%=*}"
            [ "$status" -eq 0 ]
            [ "$(cat "$(unpack "$CONTEXT/a.tar")/which")" = "${pair#*=}" ]
            [ "$(check_layout "$CONTEXT/a.tar")" -eq 1 ]
        done
    done
    # a file of the folder changes: so does what was made of it
    echo other >"$CONTEXT/folder/which"
    build_archive --build-context "given=$CONTEXT/folder"
    [ "$(cat "$(unpack "$CONTEXT/a.tar")/which")" = other ]
    # it stands for names that are in the store, too
    printf 'FROM busybox\nLABEL a=b\n' >"$CONTEXT/Dockerfile"
    build_archive --build-context "busybox=$CONTEXT/folder"
    [ "$(ls "$(unpack "$CONTEXT/a.tar")")" = which ]
    for wrong in "$CONTEXT/nothing" "oci-layout://$CONTEXT/oci:v3" "oci-layout://$CONTEXT/oci" "oci-archive://$CONTEXT/folder/which"; do
        run build_archive --build-context "busybox=$wrong"
        [ "$status" -ne 0 ]
        [[ $output == *"$CONTEXT/"* ]]
    done
}
