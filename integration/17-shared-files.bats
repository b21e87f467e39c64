#!/usr/bin/env bats
# Files that one layer takes from another by a hard link: only where nobody can tell.

setup() {
    load lib
}

many_files() { # ROLE
    DIR=$(workdir "$1")
    mkdir -p "$DIR/context/sub"
    for i in $(seq 100); do
        echo "file $i" >"$DIR/context/sub/f$i"
    done
    own "$1" "$DIR/context"
}

# Builds the Dockerfile on standard input.
built() { # ROLE ARGUMENTS…
    local role=$1
    shift
    cat >"$DIR/Dockerfile"
    rm -f "$DIR/a.tar"
    run build "$role" "$@" -f "$DIR/Dockerfile" -o "type=oci,dest=$DIR/a.tar" "$DIR/context"
    echo "$output"
    [ "$status" -eq 0 ]
}

# How many files of the store's layers of this path have so many links.
linked() { # PATH LINKS
    find "$KILN_ROOT"/layers/ -path "$KILN_ROOT/layers/[0-9]*/$1" -type f -links "$2" | wc -l
}

@test "a file changed: the others are those of the layer before, and no command can change them there" {
    for role in ranged single root; do
        fresh_store "$role" busybox=busybox
        many_files "$role"
        built "$role" <<<$'FROM busybox\nCOPY . /app'
        [ "$(linked 'app/sub/f*' 1)" -eq 100 ]
        first=$(unpack "$DIR/a.tar")

        echo changed >"$DIR/context/sub/f7"
        built "$role" <<<$'FROM busybox\nCOPY . /app\nRUN cd /app/sub && echo more >>f1 && chmod 600 f2 && rm f3 && mv f4 g4 && touch f5 && cat f7 >/seven'
        [ "$(linked 'app/sub/f*' 2)" -eq 198 ] # 99 in both
        [ "$(linked 'app/sub/f7' 1)" -eq 2 ]
        rootfs=$(unpack "$DIR/a.tar")
        [ "$(<"$rootfs/seven")" = changed ]
        [ "$(<"$rootfs/app/sub/f1")" = $'file 1\nmore' ]
        [ "$(stat -c %a "$rootfs/app/sub/f2")" = 600 ]
        [ ! -e "$rootfs/app/sub/f3" ]

        # the layers are as they were
        built "$role" <<<$'FROM busybox\nCOPY . /app'
        [ "$(cached)" -eq 1 ]
        rootfs=$(unpack "$DIR/a.tar")
        diff -r "$first/app" "$rootfs/app" >"$DIR/diff" || true
        [ "$(grep -c '^diff' "$DIR/diff")" -eq 1 ]
        [ "$(<"$rootfs/app/sub/f1")" = "file 1" ]
        assert_clean "$KILN_ROOT"
    done
}

@test "the digest that is made while the files are put there is that of the layer's tar" {
    for role in ranged single root; do
        fresh_store "$role" busybox=busybox
        many_files "$role"
        ln "$DIR/context/sub/f9" "$DIR/context/sub/g9" # a hard link comes after all files
        for change in none some; do
            [ "$change" = none ] || echo "$change" >"$DIR/context/sub/f7"
            printf 'FROM busybox\nCOPY . /app\n' >"$DIR/Dockerfile"
            run build "$role" -f "$DIR/Dockerfile" "$DIR/context"
            echo "$output"
            [ "$status" -eq 0 ]
            # the tar is written now: kiln fails where it is not what the image was given
            built "$role" <<<$'FROM busybox\nCOPY . /app'
            [ "$(cached)" -eq 1 ]
        done
    done
}

@test "what differs in time, mode, owner or content is copied" {
    fresh_store ranged busybox=busybox
    many_files ranged
    built ranged <<<$'FROM busybox\nCOPY . /app'
    cd "$DIR/context/sub"
    touch -d '2001-02-03' f1
    chmod 600 f2
    # the same size and time, other content
    touch -r f3 "$DIR/time"
    echo "FILE 3" >f3
    touch -r "$DIR/time" f3
    rm f4 && ln f5 f4
    built ranged <<<$'FROM busybox\nCOPY . /app'
    rootfs=$(unpack "$DIR/a.tar")
    for i in 1 2 3; do
        [ "$(linked "app/sub/f$i" 1)" -eq 2 ]
    done
    [ "$(<"$rootfs/app/sub/f3")" = "FILE 3" ]
    [ "$(stat -c %a "$rootfs/app/sub/f2")" = 600 ]
    [ "$(stat -c %i "$rootfs/app/sub/f4")" = "$(stat -c %i "$rootfs/app/sub/f5")" ]
    [ "$(stat -c %h "$rootfs/app/sub/f5")" -eq 2 ]
    [ "$(linked 'app/sub/f[6-9]' 2)" -eq 8 ]

    before=$(linked '*' 1)
    built ranged <<<$'FROM busybox\nCOPY --chown=7:8 . /app'
    [ "$(linked '*' 1)" -ge $((before + 98)) ]
    rootfs=$(unpack "$DIR/a.tar")
    [ "$(stat -c %u:%g "$rootfs/app/sub/f9")" = 7:8 ]
}

@test "COPY --from links to the stage's layer, under another name too" {
    for role in ranged single root; do
        fresh_store "$role" busybox=busybox
        DIR=$(workdir "$role")
        mkdir -p "$DIR/context"
        built "$role" <<'END'
FROM busybox AS a
RUN mkdir /d && echo one >/d/one && ln /d/one /d/two && echo three >/d/three && chown 5:6 /d/three && chmod 4711 /d/three
FROM busybox
COPY --from=a /d /other
COPY --from=a --chmod=600 /d/three /plain
RUN echo more >>/other/three
END
        [ "$(linked 'other/three' 2)" -eq 1 ]
        [ "$(linked 'plain' 1)" -eq 1 ]
        rootfs=$(unpack "$DIR/a.tar")
        [ "$(stat -c %a "$rootfs/plain")" = 600 ]
        [ "$(<"$rootfs/other/three")" = $'three\nmore' ]
        [ "$(stat -c %i:%h "$rootfs/other/one")" = "$(stat -c %i:2 "$rootfs/other/two")" ]

        built "$role" <<<$'FROM busybox AS a\nRUN mkdir /d && echo one >/d/one && ln /d/one /d/two && echo three >/d/three && chown 5:6 /d/three && chmod 4711 /d/three'
        rootfs=$(unpack "$DIR/a.tar")
        [ "$(<"$rootfs/d/three")" = three ]
        [ "$(stat -c %a:%u:%g "$rootfs/d/three")" = 4711:5:6 ]
    done
}

@test "no command sees one file at two paths where there are two" {
    fresh_store ranged busybox=busybox
    many_files ranged
    built ranged <<'END'
FROM busybox AS base
RUN echo x >/x
COPY . /app

FROM base
COPY --from=base /x /y
RUN cp /x /y
COPY --from=base /x /x /z/
COPY --from=base /app /second
COPY --from=base /app/sub/f1 /third
COPY . /again
RUN for f in /second /again; do for i in 1 50 100; do cp /app/sub/f$i $f/sub/f$i; done; done && cp /third /second/sub/f1 && cp /third /app/sub/f1
END
}

@test "the layer of a --link, which can come over any other, shares nothing" {
    fresh_store ranged busybox=busybox
    many_files ranged
    built ranged <<<$'FROM busybox\nCOPY --link . /app'
    echo changed >"$DIR/context/sub/f7"
    built ranged <<<$'FROM busybox AS a\nCOPY --link . /app\nFROM busybox\nCOPY --from=a /app /app'
    [ "$(linked 'app/sub/*' 1)" -eq 300 ]
}

@test "an earlier layer that lost files, or was collected, is no reason to fail" {
    fresh_store ranged busybox=busybox
    many_files ranged
    built ranged <<<$'FROM busybox\nCOPY . /app'
    layer=$(dirname "$(dirname "$(find "$KILN_ROOT/layers" -name sub)")")
    rm "$layer/app/sub/f1"
    echo changed >"$DIR/context/sub/f7"
    built ranged <<<$'FROM busybox\nCOPY . /app'
    rootfs=$(unpack "$DIR/a.tar")
    [ "$(<"$rootfs/app/sub/f1")" = "file 1" ]

    rm -rf "$layer"
    echo changed again >"$DIR/context/sub/f7"
    built ranged <<<$'FROM busybox\nCOPY . /app'
    rootfs=$(unpack "$DIR/a.tar")
    diff -r "$DIR/context" "$rootfs/app"
}
