#!/usr/bin/env bats
# Archives that are small and unpack to much: layers, image archives, contexts and what ADD unpacks.

setup_file() {
    python3 -B "$BATS_TEST_DIRNAME/fixtures/bombs.py" "$BATS_FILE_TMPDIR/bombs"
    chmod -R a+rX "$BATS_FILE_TMPDIR/bombs"
}

setup() {
    load lib
    BOMBS=$BATS_FILE_TMPDIR/bombs
    chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR"
}

# One line says which limit was met, and nothing is left of what was unpacked.
refused() { # ROLE TEXT COMMAND…
    local role=$1 text=$2
    shift 2
    run timeout 120 bash -c '. "$0/lib.bash"; as "$@"' "$BATS_TEST_DIRNAME" "$role" "$@" 2>&1
    echo "$output"
    [ "$status" -eq 1 ]
    [[ $output == *"$text"* ]]
    assert_clean "$KILN_ROOT"
    [ "$(du -sm "$KILN_ROOT" | cut -f1)" -lt 20 ]
}

@test "what exceeds --max-layer-size is refused while it is unpacked: import, load, ADD and a context" {
    local size='it unpacks to more than 1 MiB; where that is meant, set --max-layer-size higher'
    for role in ranged single root; do
        fresh_store $role
        for name in zeros.tar zeros.tar.{gz,xz,zst}; do
            refused $role "entry “zeros” of the tar archive: $size" kiln import --max-layer-size 1m "$BOMBS/$name" bomb
            refused $role "$size" kiln build --progress plain --max-layer-size 1m - <"$BOMBS/$name"
        done
        refused $role "$size" kiln import --max-layer-size 1m "$BOMBS/behind.tar.gz" bomb
        refused $role "$size" kiln load --max-layer-size 1m -i "$BOMBS/image.tar.gz"
        # the archive may have 100 MiB, the layer in it 1: a directory is read in its place
        mkdir -p "$BATS_TEST_TMPDIR/$role/image"
        tar -C "$BATS_TEST_TMPDIR/$role/image" -xf "$BOMBS/image.tar"
        own $role "$BATS_TEST_TMPDIR/$role/image"
        refused $role "$size" kiln load --max-layer-size 1m -i "$BATS_TEST_TMPDIR/$role/image"
        mkdir -p "$BATS_TEST_TMPDIR/$role/context"
        cp "$BOMBS/zeros.tar.gz" "$BATS_TEST_TMPDIR/$role/context"
        printf 'FROM scratch\nADD zeros.tar.gz /\n' >"$BATS_TEST_TMPDIR/$role/context/Dockerfile"
        own $role "$BATS_TEST_TMPDIR/$role/context"
        refused $role "unpacking zeros.tar.gz: entry “zeros” of the tar archive: $size" \
            kiln build --progress plain --max-layer-size 1m "$BATS_TEST_TMPDIR/$role/context"
        # and nothing of it is refused where it is meant
        as $role kiln build --max-layer-size 64m "$BATS_TEST_TMPDIR/$role/context"
        as $role kiln import --max-layer-size 65m "$BOMBS/zeros.tar.gz" bomb
        as $role kiln load --max-layer-size 0 -i "$BOMBS/image.tar.gz"
    done
}

@test "what exceeds --max-layer-entries is refused, also by the configuration" {
    fresh_store ranged
    local text='it unpacks to more than 100 entries; where that is meant, set --max-layer-entries higher'
    refused ranged "$text" kiln import --max-layer-entries 100 "$BOMBS/files.tar.gz" bomb
    refused ranged "$text" kiln build --progress plain --max-layer-entries=100 - <"$BOMBS/files.tar.gz"
    mkdir -p "$(workdir ranged)/config/kiln"
    echo '{"max-layer-entries": 100, "max-layer-size": "1m"}' >"$(workdir ranged)/config/kiln/config.json"
    own ranged "$(workdir ranged)/config"
    refused ranged "$text" env XDG_CONFIG_HOME="$(workdir ranged)/config" kiln import "$BOMBS/files.tar.gz" bomb
    refused ranged '1 MiB' env XDG_CONFIG_HOME="$(workdir ranged)/config" kiln load -i "$BOMBS/image.tar.gz"
    as ranged env XDG_CONFIG_HOME="$(workdir ranged)/config" kiln import --max-layer-entries 3000 "$BOMBS/files.tar.gz" bomb
}

@test "limits that are none are refused" {
    for command in 'build .' "import $BOMBS/zeros.tar" "load -i $BOMBS/image.tar" 'pull busybox'; do
        for flag in --max-layer-size=much --max-layer-size=-1 --max-layer-size=1e --max-layer-entries=1k --max-layer-entries=-1; do
            # shellcheck disable=SC2086
            run as ranged kiln $command $flag
            [ "$status" -eq 2 ]
            [[ $output == *"${flag%=*}: \"${flag#*=}\" is not a "* ]]
        done
    done
    for command in build import load pull; do
        as ranged kiln $command --help | grep -q -- '--max-layer-size SIZE'
        as ranged kiln $command --help | grep -q -- '--max-layer-entries N'
    done
}

@test "what claims more than there can be is refused at once, with the limits that nobody set" {
    for role in ranged single root; do
        fresh_store $role
        for name in sparse sparse-exabytes overlapping claimed negative pax-size pax-header pax-many long-name \
            long-names xattrs newline; do
            case $name in
            sparse) text='256 GiB; where that is meant, set --max-layer-size' ;;
            *) text='' ;;
            esac
            refused $role "$text" prlimit --cpu=60 kiln import "$BOMBS/$name.tar" bomb
            refused $role '' prlimit --cpu=60 kiln load -i "$BOMBS/$name.tar"
            [ "$(wc -l <<<"$output")" -eq 1 ]
        done
        for name in index-wide index-deep index-both; do
            refused $role '' prlimit --cpu=60 kiln load -i "$BOMBS/$name.tar"
            [ "$(wc -l <<<"$output")" -eq 1 ]
        done
        refused $role '' kiln import "$BOMBS/not-gzip.tar.gz" bomb
        [ -z "$(as $role kiln images -q)" ]
        # deep, and yet nothing but a file
        as $role kiln import "$BOMBS/deep.tar" deep
        [ "$(as $role kiln images -q | wc -l)" -eq 1 ]
        # the store can be removed
        as $role kiln reset --force
        [ ! -e "$KILN_ROOT" ]
    done
}
