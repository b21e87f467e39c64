#!/usr/bin/env bats
# What uses the space (kiln du), and what is removed: by kiln prune, and by builds at their end.

bats_require_minimum_version 1.5.0

setup() {
    load lib
}

each_role() { # FUNCTION
    local role
    for role in ranged single root; do
        echo "--- $role"
        "$1" "$role"
    done
}

context() { # ROLE: the Dockerfile is standard input
    DIR=$(workdir "$1")
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
    cat >"$CONTEXT/Dockerfile"
    own "$1" "$CONTEXT"
}

prune() { # ROLE ARGUMENTS…
    local role=$1
    shift
    as "$role" kiln prune --force "$@"
}

# What a build does after it has ended has been done: reset waits for it, and so do we.
settled() {
    flock_free() {
        python3 - "$KILN_ROOT/lock" <<'END'
import fcntl, os, struct, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, 38, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 1, 0))  # F_OFD_SETLKW
END
    }
    flock_free
}

layers() {
    find "$KILN_ROOT/layers" -mindepth 1 -maxdepth 1 | wc -l
}

teardown() {
    [ -z "${BUILDER:-}" ] || pkill -INT -P "$BUILDER" kiln || true
}

@test "prune removes what no named image needs, and nothing else" {
    check() {
        fresh_store "$1" busybox=busybox
        context "$1" <<'END'
FROM busybox
RUN --mount=type=cache,target=/cache,id=things echo a >/cache/a; echo kept >/kept
RUN echo one >/one
END
        build "$1" -t app "$CONTEXT" >/dev/null
        sed -i s/one/two/ "$CONTEXT/Dockerfile"
        build "$1" -t app "$CONTEXT" >/dev/null
        settled
        [ "$(layers)" = 4 ]
        run as "$1" kiln prune --all </dev/null
        [ "$status" = 2 ]
        [[ $output == *"--force"* ]]
        run as "$1" kiln prune --all --dry-run
        echo "$output"
        [[ $output == *"RUN /bin/sh -c echo one >/one"* ]]
        [[ $output == *"cache mount things"* ]]
        [[ $output == *"Total that would be reclaimed: "* ]]
        refute grep -q "echo two\|echo kept" <<<"$output"
        [ "$(layers)" = 4 ]
        prune "$1" --all
        [ "$(layers)" = 3 ]
        [ -z "$(ls "$KILN_ROOT/caches")" ]
        assert_clean "$KILN_ROOT"
        run build "$1" "$CONTEXT"
        [ "$(cached)" = 2 ]
        as "$1" kiln rmi app
        settled
        prune "$1"
        run as "$1" kiln images --quiet
        [ "${#lines[@]}" = 1 ] # the base
        [ "$(layers)" = 1 ]
        run build "$1" "$CONTEXT"
        [ "$status" = 0 ]
        [ "$(cached)" = 0 ]
    }
    each_role check
}

@test "what a running build uses stays while prune --all runs, and goes afterwards" {
    check() {
        fresh_store "$1" busybox=busybox
        context "$1" <<'END'
FROM busybox AS files
RUN echo f >/f
FROM busybox
RUN echo one >/one
RUN --mount=type=cache,target=/cache,id=things mkfifo -m 666 /cache/wait; echo waiting; \
    read line </cache/wait; test -e /one && echo "$line" >/two
COPY --from=files /f /f
END
        build "$1" --target files "$CONTEXT" >/dev/null
        coproc builder { build "$1" -t app "$CONTEXT"; }
        BUILDER=$builder_PID
        local line=
        until [[ $line == *waiting && $line != *RUN* ]]; do
            read -r line <&"${builder[0]}"
        done
        prune "$1" --all
        prune "$1" --all --max-used-space 1
        [ "$(layers)" -ge 3 ]
        as "$1" kiln du | grep ' exec.cachemount  *false '
        echo go >"$(echo "$KILN_ROOT"/caches/*/wait)"
        wait "$BUILDER"
        BUILDER=
        settled
        as "$1" kiln rmi app
        prune "$1" --all
        [ "$(layers)" = 1 ]
        [ -z "$(ls "$KILN_ROOT/caches")" ]
    }
    each_role check
}

@test "two builds in a loop beside prune --all in a loop: none of them fails" {
    fresh_store ranged busybox=busybox
    context ranged <<'END'
FROM busybox AS a
RUN echo a >/a
FROM busybox
RUN --mount=type=cache,target=/cache echo b >/b
COPY --from=a /a /c
RUN test -e /b && test -e /c && echo d >/d
END
    loop() {
        local i
        for i in 1 2 3 4 5 6; do
            as ranged kiln build --progress plain --keep-storage 1 "$CONTEXT" || return 1
        done
    }
    loop >"$DIR/one" 2>&1 &
    local one=$!
    loop >"$DIR/two" 2>&1 &
    local two=$! n=0
    while kill -0 "$one" 2>/dev/null || kill -0 "$two" 2>/dev/null; do
        prune ranged --all >/dev/null
        n=$((n + 1))
    done
    wait "$one" || { cat "$DIR/one"; false; }
    wait "$two" || { cat "$DIR/two"; false; }
    [ "$n" -gt 1 ]
    settled
    prune ranged --all
    [ "$(layers)" = 1 ]
    assert_clean "$KILN_ROOT"
}

@test "a build removes what is beyond --keep-storage, KILN_KEEP_STORAGE or the setting, the oldest first" {
    check() {
        fresh_store "$1" busybox=busybox
        context "$1" <<'END'
FROM busybox
ARG N
RUN dd if=/dev/zero of=/file bs=1024 count=1000 2>/dev/null; echo $N >/n
END
        local n
        for n in 1 2 3 4; do
            build "$1" --build-arg N=$n --keep-storage unlimited "$CONTEXT" >/dev/null
        done
        settled
        [ "$(layers)" = 5 ]
        build "$1" --build-arg N=5 --keep-storage 2500k "$CONTEXT" >/dev/null
        settled
        [ "$(layers)" = 3 ]
        run build "$1" --build-arg N=5 "$CONTEXT"
        [ "$(cached)" = 1 ]
        # the environment, then the settings
        build "$1" --build-arg N=6 --keep-storage unlimited "$CONTEXT" >/dev/null
        as "$1" env KILN_KEEP_STORAGE=1k kiln build -q --build-arg N=7 "$CONTEXT"
        settled
        [ "$(layers)" = 1 ]
        mkdir -p "$DIR/config/kiln"
        echo '{"keep-storage": "1k"}' >"$DIR/config/kiln/config.json"
        as "$1" env XDG_CONFIG_HOME="$DIR/config" kiln build -q --build-arg N=8 "$CONTEXT"
        settled
        [ "$(layers)" = 1 ]
        assert_clean "$KILN_ROOT"
    }
    each_role check
}

@test "du: images, steps and caches with their sizes, sums, filters and json" {
    check() {
        fresh_store "$1" busybox=busybox
        context "$1" <<'END'
FROM busybox
RUN --mount=type=cache,target=/cache,id=things dd if=/dev/zero of=/cache/a bs=1024 count=300 2>/dev/null
RUN dd if=/dev/zero of=/big bs=1024 count=2000 2>/dev/null
END
        build "$1" -t app "$CONTEXT" >/dev/null
        settled
        run as "$1" kiln du
        echo "$output"
        grep -E '^app:latest +[0-9a-f]{12} .* ago ' <<<"$output"
        grep -E '^[0-9]+ +regular +false +2\.[01][0-9]?MB .* RUN /bin/sh -c dd if=/dev/zero of=/big' <<<"$output"
        grep -E ' exec.cachemount +true +3[0-9]{2}kB .* cache mount things' <<<"$output"
        grep -E '^Reclaimable: +3[0-9]{2}kB' <<<"$output"
        grep -E '^Total: +4' <<<"$output"
        run as "$1" kiln du --format json --filter type=exec.cachemount
        [ "$(jq -r '.Description + " " + (.Reclaimable|tostring) + " " + (.Size > 300000|tostring)' <<<"$output")" = \
            "cache mount things true true" ]
        run as "$1" kiln du --verbose --filter type=exec.cachemount
        grep -E '^Type: +exec.cachemount' <<<"$output"
        [ -z "$(as "$1" kiln du --filter until=1h)" ]
    }
    each_role check
}

@test "flags that make no sense are refused" {
    local store
    KILN_ROOT=$(workdir root)/store
    export KILN_ROOT
    refused() { # PATTERN ARGUMENTS…
        local pattern=$1
        shift
        run as root kiln "$@" </dev/null
        echo "$output"
        [ "$status" = 2 ]
        [[ $output == *$pattern* ]]
        [ ! -e "$KILN_ROOT" ]
    }
    refused 'not a duration such as 24h' prune -f --filter until=soon
    refused 'there are until=DURATION' prune -f --filter color=red
    refused 'there are regular, internal' du --filter type=big
    refused 'is not a size' prune -f --keep-storage lots
    refused 'is not a size' build --keep-storage lots .
    refused 'there are table and json' du --format yaml
    refused 'takes no arguments' prune things
    run as root env KILN_KEEP_STORAGE=lots kiln build .
    [ "$status" = 2 ]
    [[ $output == *'KILN_KEEP_STORAGE: "lots" is not a size'* ]]
}
