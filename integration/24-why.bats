# Which steps run again, which do not, and what kiln says of it: content keys, kiln why.
load lib

setup() {
    CONTEXT=$(workdir root)
    mkdir -p "$CONTEXT/src"
    for i in 1 2 3 4 5 6 7 8 9; do echo "$i" >"$CONTEXT/src/f$i"; done
    unique=$BATS_TEST_NUMBER.$RANDOM # no earlier run has made these steps
    echo "$unique" >"$CONTEXT/src/app.js"
    cat >"$CONTEXT/Dockerfile" <<END
FROM busybox AS builder
ARG V=1
WORKDIR /app
COPY src .
RUN echo $unique \$V >/out
FROM busybox
COPY --from=builder /out /
RUN cat /out
END
    chmod -R a+rX "$CONTEXT"
}

@test "a file that changed is named at the first miss, with what the steps took last time; kiln why follows it" {
    for role in ranged single root; do
        own "$role" "$CONTEXT"
        run build $role "$CONTEXT"
        [ "$status" -eq 0 ]
        [[ $output != *'not cached:'* ]]
        echo "$role $unique" >"$CONTEXT/src/app.js"
        run build $role "$CONTEXT"
        [[ $output == *'not cached: 1 of 10 files changed: app.js (the steps from here took '*'s last time)'* ]] ||
            { echo "$output"; false; }
        [ "$(grep -c 'not cached:' <<<"$output")" = 1 ]
        run as $role kiln why
        [[ $output == *'[builder 3/4] COPY src .'*'app.js: content sha256:'*' became sha256:'* ]] || { echo "$output"; false; }
        [[ $output == *'[builder 4/4] RUN echo'*'stands on or reads what was made anew: [builder 3/4] COPY src .'* ]]
        run as $role kiln why 4/4
        [[ $output == *'[builder 4/4] RUN echo'*'[builder 3/4] COPY src .'*'app.js: content'* ]]
        # what it copies is as it was
        run as $role kiln why 'COPY --from=builder'
        [[ $output == *'cached; it took'*'known by:'*'source: /out'* ]] || { echo "$output"; false; }
        echo 1 >"$CONTEXT/src/app.js"
    done
}

@test "an argument, the instruction's text, a mode, a new and a removed file, the base" {
    build root "$CONTEXT" >/dev/null 2>&1
    says() { # TEXT BUILD-ARGUMENTS…
        local text=$1
        shift
        run build root "$@" "$CONTEXT"
        [ "$status" -eq 0 ]
        [[ $output == *"not cached: $text"* ]] || { echo "$output"; false; }
    }
    says 'variable V: "1" became "2"' --build-arg V=2
    build root "$CONTEXT" >/dev/null 2>&1
    sed -i 's/RUN echo /RUN echo -n /' "$CONTEXT/Dockerfile"
    says 'command: /bin/sh -c echo {+-n+}'
    chmod 700 "$CONTEXT/src/f1"
    says '1 of 10 files changed: f1'
    run as root kiln why 'COPY src'
    [[ $output == *'f1: mode 0644 became 0700'* ]] || { echo "$output"; false; }
    echo x >"$CONTEXT/src/new" && chmod a+r "$CONTEXT/src/new"
    says '1 of 11 files changed: new (new)'
    rm "$CONTEXT/src/f2" "$CONTEXT/src/f3"
    says '2 of 11 files changed: f2 (gone), f3 (gone)'
    sed -i 's/^FROM busybox AS/FROM other-base AS/' "$CONTEXT/Dockerfile"
    for base in one two; do
        printf 'FROM busybox\nRUN echo %s >/base\n' "$base.$unique" | as root kiln build -q -t other-base - >/dev/null
        run build root "$CONTEXT"
        [ "$status" -eq 0 ]
    done
    [[ $output == *'FROM docker.io/library/other-base:latest is another: image docker.io/library/other-base:latest: "sha256:'*'" became "sha256:'* ]] ||
        { echo "$output"; false; }
}

@test "what a step cannot see does not make it run" {
    build root "$CONTEXT" >/dev/null 2>&1
    # comments, blank lines, metadata after it, another stage in between, another order of stages
    cat >"$CONTEXT/other" <<END
# a comment
FROM busybox AS unused
RUN exit 1

FROM busybox AS builder
ARG V=1
WORKDIR /app

COPY src .
# another
RUN echo $unique \$V >/out
LABEL later=1
FROM busybox
LABEL some=label
COPY --from=builder /out /
RUN cat /out
ENV x=y
END
    chmod a+r "$CONTEXT/other"
    run build root -f "$CONTEXT/other" "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output != *'] RUN '*$'\n#'*'DONE'*'[stage'* ]]
    [ "$(grep -c CACHED <<<"$output")" = 6 ] || { echo "$output"; false; }
}

@test "a parent that is built again to the same content keeps its children, and the image" {
    build root --iidfile "$CONTEXT/one" "$CONTEXT" >/dev/null 2>&1
    cat >"$CONTEXT/again" <<END
FROM busybox AS builder
ARG V=1
WORKDIR /app
COPY src .
RUN echo $unique \$V >/out && touch -d @1 /out; : # as before
FROM busybox
COPY --from=builder /out /
RUN cat /out
END
    chmod a+r "$CONTEXT/again"
    run build root -f "$CONTEXT/again" --iidfile "$CONTEXT/two" "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output == *'[stage-1 1/3] COPY --from=builder /out /'$'\n'*'CACHED'* ]] || { echo "$output"; false; }
    cmp "$CONTEXT/one" "$CONTEXT/two"
}

@test "two builds of the same at once: each step is made by one of them" {
    for role in ranged single root; do
        own "$role" "$CONTEXT"
        sed -i "s/^RUN echo.*/RUN echo $role $RANDOM; sleep 0.7; cat \/proc\/sys\/kernel\/random\/uuid >\/out/" "$CONTEXT/Dockerfile"
        build $role --iidfile "$CONTEXT/one" "$CONTEXT" >"$CONTEXT/log1" 2>&1 &
        build $role --iidfile "$CONTEXT/two" "$CONTEXT" >"$CONTEXT/log2" 2>&1 &
        wait %1 && wait %2 || { cat "$CONTEXT"/log*; false; }
        cmp "$CONTEXT/one" "$CONTEXT/two"
        grep -q 'waiting for another build' "$CONTEXT"/log[12]
        rm "$CONTEXT/one" "$CONTEXT/two"
    done
}

@test "--no-cache-filter runs the steps of the stages it names" {
    build root "$CONTEXT" >/dev/null 2>&1
    run build root --no-cache-filter=BUILDER,none "$CONTEXT"
    [[ $output == *'[builder 4/4] RUN '*$'\n'*'DONE'* ]]
    [[ $output == *'[stage-1 1/3] COPY --from=builder /out /'$'\n'*'CACHED'* ]] || { echo "$output"; false; }
    run as root kiln why 'builder 4/4'
    [[ $output == *'--no-cache-filter'* ]]
}

@test "kiln why: no build, no such step, two builds named, unknown format; JSON" {
    fresh=$BATS_TEST_TMPDIR/fresh
    KILN_ROOT=$fresh run as root kiln why
    [ "$status" -eq 1 ]
    [[ $output == *'no build is known here yet: run "kiln build" first'* ]]
    build root "$CONTEXT" >/dev/null 2>&1
    run as root kiln why 'no such'
    [ "$status" -eq 1 ]
    [[ $output == *'has no step "no such"'* ]]
    run as root kiln why --last --build 1
    [ "$status" -eq 2 ]
    run as root kiln why --format xml
    [ "$status" -eq 2 ]
    run as root kiln why --build 999999
    [ "$status" -eq 1 ]
    as root kiln why --format json '3/4' | jq -e '.steps[0].name == "[builder 3/4] COPY src ." and .build.id > 0'
}
