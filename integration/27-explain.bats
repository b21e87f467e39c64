#!/usr/bin/env bats
# What explains a build without running it: kiln ast, kiln plan, kiln build --call=outline and --call=targets.

bats_require_minimum_version 1.5.0

setup() {
    load lib
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
}

# The verdicts of a plan in order, with what unknown ones depend on: "stored miss unknown:1".
verdicts() { # ROLE ARGUMENTS…
    local role=$1
    shift
    as "$role" kiln plan --format json "$@" |
        jq -r '[.steps[] | .verdict + (if .depends_on != null then ":\(.depends_on)" else "" end)] | join(" ")'
}

chain() {
    cat >"$CONTEXT/Dockerfile" <<'END'
FROM busybox AS build
WORKDIR /src
COPY a .
RUN cat a > b
FROM busybox
COPY --from=build /src/b /b
COPY c /c
RUN echo end
END
    echo a >"$CONTEXT/a"
    echo c >"$CONTEXT/c"
    own "$1" "$CONTEXT"
}

# --- ast ----------------------------------------------------------------------------------------------

@test "ast: instructions, flags, arguments, heredocs and their places" {
    printf '%s\n' '# escape=`' 'FROM --platform=linux/amd64 busybox AS Base' 'RUN --network=none <<-EOT cat >/x' \
        "	it's" 'EOT' 'COPY ["a b", "/c"]' 'RUN one `' '  two' 'ONBUILD ADD x /y' >"$CONTEXT/Dockerfile"
    run --separate-stderr kiln ast --format json "$CONTEXT/Dockerfile"
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    is() { [ "$(jq -c "$1" <<<"$output")" = "$2" ] || { jq -c "$1" <<<"$output"; return 1; }; }
    is .directives '{"syntax":null,"escape":"`","check":null}'
    is '[.instructions[] | .name]' '["FROM","RUN","COPY","RUN","ONBUILD"]'
    is '.instructions[0].stage' '{"index":0,"base":"busybox","name":"base","platform":"linux/amd64"}'
    is '.instructions[0].flags' '[{"name":"platform","value":"linux/amd64","line":2,"column":6,"end_line":2,"end_column":27}]'
    is '.instructions[1].heredocs' '[{"name":"EOT","expand":true,"chomp":true,"content":"it'"'"'s\n","line":3,"column":20,"end_line":3,"end_column":25}]'
    is '.instructions[1] | [.line,.column,.end_line,.end_column]' '[3,1,5,3]'
    is '.instructions[2] | [.json, [.arguments[].value]]' '[true,["a b","/c"]]'
    is '.instructions[3] | [.original, .end_line, .arguments[0].end_column]' '["RUN one   two",8,5]'
    is '.instructions[4].trigger | [.name, .column, [.arguments[].value]]' '["ADD",9,["x","/y"]]'
    is '[.warnings[].rule]' '["StageNameCasing"]'
    is .errors '[]'
}

@test "ast: standard input, and a table for people" {
    run bash -c 'printf "FROM busybox\nRUN --network=none true\nENV A=1 B=2\n" | kiln ast -'
    [ "$status" -eq 0 ]
    [[ ${lines[0]} =~ ^LINE\ +INSTRUCTION\ +FORM\ +FLAGS\ +ARGUMENTS$ ]]
    [[ ${lines[2]} =~ ^2\ +RUN\ +shell\ +--network=none\ +true$ ]]
    [[ ${lines[3]} =~ ^3\ +ENV\ +-\ +-\ +A=1\ B=2$ ]]
}

@test "ast: what is wrong is in the document, with what is right" {
    printf 'FROM busybox\nRUM true\nCOPY --frm=a b c\nUSER app\n' >"$CONTEXT/Dockerfile"
    run --separate-stderr kiln ast --format json "$CONTEXT/Dockerfile"
    [ "$status" -eq 1 ]
    [ -z "$stderr" ]
    [ "$(jq -c '[.errors[] | [.line, .column, .end_column]]' <<<"$output")" = '[[2,1,3],[3,6,12]]' ]
    [ "$(jq -r '.errors[0].text' <<<"$output")" = 'unknown instruction: RUM (did you mean RUN?)' ]
    [ "$(jq -c '[.instructions[].name]' <<<"$output")" = '["FROM","USER"]' ]
    run --separate-stderr kiln ast "$CONTEXT/Dockerfile"
    [ "$status" -eq 1 ]
    [[ $stderr == *"Dockerfile:2:1: unknown instruction: RUM"*"Dockerfile:3:6: unknown flag"* ]]
}

@test "ast: bad input" {
    run kiln ast "$CONTEXT/none"
    [ "$status" -eq 1 ]
    [[ $output == *"cannot read $CONTEXT/none: No such file or directory"* ]]
    run kiln ast "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *"Is a directory"* ]]
    run kiln ast --format yaml "$CONTEXT/none"
    [ "$status" -eq 2 ]
    [[ $output == *"there are text and json"* ]]
    # endless: not more is read than a Dockerfile can have
    run bash -c 'kiln ast --format json /dev/zero | jq -c ".errors[0].text"'
    [[ $output == *"16 MiB at most"* ]]
    # not UTF-8, control characters: still JSON, and nothing reaches the terminal
    printf 'FROM busybox\nRUN \xff\x1b[31m\n' >"$CONTEXT/Dockerfile"
    [ "$(kiln ast --format json "$CONTEXT/Dockerfile" | jq '.instructions[1].arguments[0].value | explode | length')" -eq 6 ]
    run kiln ast "$CONTEXT/Dockerfile"
    [[ $output != *$'\x1b'* ]]
}

@test "ast: starts no builder and needs no store" {
    printf 'FROM busybox\n' >"$CONTEXT/Dockerfile"
    run as ranged kiln --libexec /nonexistent --root /nonexistent ast "$CONTEXT/Dockerfile"
    [ "$status" -eq 0 ]
}

# --- plan ---------------------------------------------------------------------------------------------

plan_verdicts() { # ROLE
    DIR=$(workdir "$1")
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
    fresh_store "$1" busybox=busybox
    chain "$1"
    [ "$(verdicts "$1" "$CONTEXT")" = "stored miss unknown:1 unknown:1 unknown:1 unknown:1 unknown:1" ]
    build "$1" "$CONTEXT"
    [ "$(verdicts "$1" "$CONTEXT")" = "stored cached cached cached cached cached cached" ]
    echo changed >"$CONTEXT/c"
    [ "$(verdicts "$1" "$CONTEXT")" = "stored cached cached cached cached miss unknown:5" ]
    echo changed >"$CONTEXT/a"
    [ "$(verdicts "$1" "$CONTEXT")" = "stored cached miss unknown:2 unknown:2 unknown:2 unknown:2" ]
    [ "$(verdicts "$1" --target build "$CONTEXT")" = "stored cached miss unknown:2" ]
    [ "$(verdicts "$1" --no-cache "$CONTEXT")" = "stored miss unknown:1 unknown:1 unknown:1 unknown:1 unknown:1" ]
    # what the plan says is what the build does
    run build "$1" "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(cached)" -eq 1 ]
}

@test "plan: keys are those of a build with the same isolation and emulation" {
    local role flag
    for role in single root; do
        for flag in --emulate=off --emulate=owners --isolation=proot --isolation=chroot; do
            [ "$role$flag" != single--isolation=chroot ] || continue
            fresh_store "$role" busybox=busybox
            dir=$(workdir "$role")/context
            mkdir -p "$dir"
            printf 'FROM busybox\nRUN echo one\nRUN echo two\n' >"$dir/Dockerfile"
            own "$role" "$dir"
            build "$role" "$flag" "$dir"
            [ "$(verdicts "$role" "$flag" "$dir")" = 'stored cached cached' ]
            unset KILN_ROOT
            rm -rf "$(workdir "$role")/store"
        done
    done
    # what makes other images has other keys
    fresh_store single busybox=busybox
    dir=$(workdir single)/context
    build single --isolation=proot "$dir"
    [ "$(verdicts single "$dir")" = 'stored miss unknown:1' ]
}

@test "plan: verdicts before a build, after it, and after a file has changed (ranged)" {
    plan_verdicts ranged
}

@test "plan: verdicts before a build, after it, and after a file has changed (single)" {
    plan_verdicts single
}

@test "plan: verdicts before a build, after it, and after a file has changed (root)" {
    plan_verdicts root
}

@test "plan: the graph in the document" {
    chain ranged
    run as ranged kiln plan --format json "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(jq -c '[.steps[] | [.index, .kind, .line, .parent, .needs]]' <<<"$output")" = \
        '[[0,"from",1,null,[]],[1,"workdir",2,0,[]],[2,"copy",3,1,[]],[3,"run",4,2,[]],[4,"copy",6,0,[3]],[5,"copy",7,4,[]],[6,"run",8,5,[]]]' ]
    [ "$(jq -c '[.target, .steps[0].base, .steps[3].stage, .steps[6].stage]' <<<"$output")" = \
        '[6,"docker.io/library/busybox:latest",{"index":0,"name":"build"},{"index":1,"name":null}]' ]
    jq -e '.steps[0].key | test("^sha256:[0-9a-f]{64}$")' <<<"$output"
}

@test "plan: text and Graphviz" {
    chain ranged
    run as ranged kiln plan "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ ${lines[0]} =~ ^STEP\ +LINE\ +NEEDS\ +KEY\ +VERDICT\ +NAME$ ]]
    [[ ${lines[1]} =~ ^0\ +1\ +-\ +[0-9a-f]{12}\ +in\ store\ +\[build\ 1/4\]\ FROM ]]
    printf 'FROM busybox\nRUN echo "a\\\\b" "\n' >"$CONTEXT/Dockerfile"
    as ranged kiln plan --format dot "$CONTEXT" >"$DIR/plan.dot"
    # Each line is a node or an edge; a label ends at the first quotation mark without a backslash.
    run grep -vE '^(digraph plan \{|  node \[shape=box, style=filled\];|  s[0-9]+ \[label="([^"\\]|\\.)*", fillcolor=[a-z]+\];|  s[0-9]+ -> s[0-9]+( \[style=dashed\])?;|\})$' "$DIR/plan.dot"
    [ -z "$output" ]
    grep -q '  s0 -> s1;' "$DIR/plan.dot"
    if command -v dot >/dev/null; then
        dot -Tsvg "$DIR/plan.dot" >/dev/null
    fi
}

@test "plan: a base that is not there is fetched by no plan, and what stands on it is unknown" {
    printf 'FROM registry.invalid/none AS one\nRUN true\nFROM scratch\nCOPY --from=one /x /\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    [ "$(verdicts ranged "$CONTEXT")" = "absent unknown:0 unknown:0" ]
    run as ranged kiln plan "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output == *"would be fetched"*"unknown: depends on step 0"* ]]
}

@test "plan: changes nothing, and makes no store" {
    chain ranged
    KILN_ROOT=$DIR/none run verdicts ranged "$CONTEXT"
    [[ $output == "absent unknown:0"* ]]
    [ ! -e "$DIR/none" ]
    fresh_store ranged busybox=busybox
    build ranged "$CONTEXT"
    echo more >"$CONTEXT/c"
    before=$(find "$KILN_ROOT" -printf '%P %y %s %T@\n' | sort)
    verdicts ranged "$CONTEXT"
    [ "$(find "$KILN_ROOT" -printf '%P %y %s %T@\n' | sort)" = "$before" ]
}

@test "plan: a step that would fail is an error of its own" {
    printf 'FROM busybox\nCOPY missing /\nRUN true\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    [ "$(verdicts ranged "$CONTEXT")" = "stored error unknown:1" ]
    run as ranged kiln plan "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *'Dockerfile:2:6: "missing" is not in the build context'* ]]
}

@test "plan: COPY --link is known whatever it is put on, and what stands on it is not" {
    printf 'FROM busybox\nRUN echo\nCOPY --link a /\nRUN true\n' >"$CONTEXT/Dockerfile"
    echo a >"$CONTEXT/a"
    own ranged "$CONTEXT"
    fresh_store ranged busybox=busybox
    build ranged "$CONTEXT"
    sed -i 's/RUN echo/RUN echo again/' "$CONTEXT/Dockerfile"
    [ "$(verdicts ranged "$CONTEXT")" = "stored miss cached unknown:1" ]
}

@test "plan: bad input" {
    run as ranged kiln plan --format yaml "$CONTEXT"
    [ "$status" -eq 2 ]
    [[ $output == *"there are text, json and dot"* ]]
    run as ranged kiln plan "$CONTEXT/none"
    [ "$status" -eq 2 ]
    printf 'FROM busybox\nRUM true\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run as ranged kiln plan "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *"Dockerfile:2:1: unknown instruction: RUM"* ]]
}

# --- outline and targets ------------------------------------------------------------------------------

parameters() {
    cat >"$CONTEXT/Dockerfile" <<'END'
ARG inherited=box
ARG unused=x
# suffix ends the name
ARG suffix="usy${inherited}"
FROM b${suffix} AS first
# this says nothing of FOO
ARG FOO=123
# BAR is a number
ARG BAR=456
RUN echo ${BAR:-x} $FOO
FROM alpine${unused} AS second
ARG BAZ
FROM scratch AS third
# EMPTY has no default
ARG EMPTY
# target is what is shipped
FROM third AS target
COPY --from=first /etc/passwd /
RUN --mount=type=cache,target=/root/.cache true
FROM second
END
    own ranged "$CONTEXT"
}

@test "outline: arguments of the target and of what it stands on, where they are read, and caches" {
    parameters
    run as ranged kiln build --call=outline,format=json --target target --build-arg BAR=678 "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(jq -c '[.name, .description]' <<<"$output")" = '["target","is what is shipped"]' ]
    [ "$(jq -c '[.args[] | [.name, .value, .description, .location.ranges[0].start.line, .used]]' <<<"$output")" = \
        '[["inherited","box",null,1,[4]],["suffix","usybox","ends the name",4,[5]],["FOO","123",null,7,[10]],["BAR","678","is a number",9,[10]],["EMPTY",null,"has no default",15,[]]]' ]
    [ "$(jq -c '[.cache[].ID]' <<<"$output")" = '["/root/.cache"]' ]
    run as ranged kiln build --call outline --target target "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output =~ TARGET:\ +target.DESCRIPTION:\ is\ what\ is\ shipped ]]
    [[ $output =~ BAR\ +456\ +10\ +is\ a\ number ]]
}

@test "targets: the stages, and which is the default" {
    parameters
    run as ranged kiln build --call=targets "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output =~ target\ +is\ what\ is\ shipped ]]
    [[ ${lines[-1]} =~ ^\(default\) ]]
    run as ranged kiln build --call targets,format=json "$CONTEXT"
    [ "$(jq -c '[.targets[] | [.name, .base, .default]]' <<<"$output")" = \
        '[["first","b${suffix}",null],["second","alpine${unused}",null],["third","scratch",null],["target","third",null],[null,"second",true]]' ]
}

@test "outline and targets need neither a store nor namespaces" {
    parameters
    run unshare --user --map-root-user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces;
        KILN_LIBEXEC=$1/bin KILN_ROOT=/nonexistent ASAN_OPTIONS=detect_leaks=0 kiln build --call=targets "$2"' sh "$KILN_IT" "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output == *first*third* ]]
}

@test "outline and targets: bad input" {
    parameters
    run as ranged kiln build --call=nothing "$CONTEXT"
    [ "$status" -eq 2 ]
    [[ $output == *"outline and targets"* ]]
    run as ranged kiln build --call=outline,format=yaml "$CONTEXT"
    [ "$status" -eq 2 ]
    run as ranged kiln build --call=outline --target nowhere "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *nowhere* ]]
    # what a file says reaches no terminal as it is
    printf '# a \x1b[31mred\nFROM scratch AS a\n' >"$CONTEXT/Dockerfile"
    run as ranged kiln build --call=targets "$CONTEXT"
    [ "$status" -eq 0 ]
    [[ $output != *$'\x1b'* ]]
}
