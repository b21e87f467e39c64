#!/usr/bin/env bats
# kiln check: what it finds and how it says so; where it works; and that it changes nothing.

setup() {
    load lib
    DIR=$(workdir ranged)
    CONTEXT=$DIR/context
    mkdir -p "$CONTEXT"
}

# Writes the Dockerfile and checks it as a role, with the arguments.
check() { # ROLE DOCKERFILE ARGUMENT…
    local role=$1
    printf '%b' "$2" >"$CONTEXT/Dockerfile"
    chmod -R a+rX "$CONTEXT"
    shift 2
    as "$role" kiln check "$@" "$CONTEXT"
}

# "RULE LINE", one a line, of a JSON document.
rules() {
    jq -r '.warnings[] | "\(.ruleName) \(.location.ranges[0].start.line)"'
}

bad='FROM node:alpine\nWORKDIR /usr/app\nCOPY ./ ./\nRUN npm install\nCMD npm start\n'
good='FROM node:alpine\nWORKDIR /usr/app\nCOPY ./package.json ./\nRUN npm install\nCOPY ./ ./\nCMD ["npm", "start"]\n'

@test "text: rule, page, place with the line marked, and the lines that mend it; status 1" {
    run check ranged "$bad"
    [ "$status" -eq 1 ]
    [ "${lines[0]}" = "Check complete, 2 warnings have been found!" ]
    [[ $output == *"WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/"* ]]
    [[ $output == *"Dockerfile:5"*"   5 | >>> CMD npm start"* ]]
    [[ $output == *"WARNING: CopyBeforeInstall"*"   3 | >>> COPY ./ ./"* ]]
    [[ $output == *"    COPY package*.json ./"$'\n'"    RUN npm install"$'\n'"    COPY ./ ./"* ]]
    [[ $output == *"SUGGESTION: CacheMountPossible"*"RUN --mount=type=cache,target=/root/.npm npm install"* ]]
}

@test "a good file: no warning, status 0, whatever could be better still" {
    run check ranged "$good"
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "Check complete, no warnings found." ]
}

@test "JSON: the document of buildx, with the source" {
    check ranged "$bad" --format json >"$DIR/json" || [ $? -eq 1 ]
    [ "$(rules <"$DIR/json")" = $'CopyBeforeInstall 3\nJSONArgsRecommended 5' ]
    jq -e '.warnings | all(.detail and .description and .location.ranges[0].end.line)' "$DIR/json"
    jq -e '.warnings[0].fix[0] == "COPY package*.json ./" and (.warnings[1].url | endswith("/json-args-recommended/"))' "$DIR/json"
    jq -e '.suggestions[0].ruleName == "CacheMountPossible" and .buildError == null' "$DIR/json"
    jq -r '.sources[0].data' "$DIR/json" | base64 -d | cmp - "$CONTEXT/Dockerfile"
}

@test "kiln build --check and --call=check,format=json are the same" {
    check ranged "$bad" >"$DIR/text" || true
    run as ranged kiln build --check -t unused "$CONTEXT"
    [ "$status" -eq 1 ]
    [ "$output" = "$(cat "$DIR/text")" ]
    run as ranged kiln build --call=check,format=json "$CONTEXT"
    [ "$status" -eq 1 ]
    [ "$(rules <<<"$output" | wc -l)" -eq 2 ]
    run as ranged kiln build --call=check,format=xml "$CONTEXT"
    [ "$status" -eq 2 ]
    run as ranged kiln build --call=frob "$CONTEXT"
    [ "$status" -eq 2 ]
    run as ranged kiln check --format yaml "$CONTEXT"
    [ "$status" -eq 2 ]
}

@test "the context counts: its files, its .dockerignore, its Dockerfile by -f" {
    echo '{}' >"$CONTEXT/package.json"
    mkdir "$CONTEXT/.git"
    run check ranged "$bad"
    [[ $output == *"ContextWithoutIgnore"*"takes .git into the image"* ]]
    [[ $output == *"    COPY package.json ./"* ]]
    printf '.git\nsecret\n' >"$CONTEXT/.dockerignore"
    run check ranged 'FROM busybox\nCOPY . /all\nCOPY secret /\n'
    [ "$status" -eq 1 ]
    [[ $output != *ContextWithoutIgnore* ]]
    [[ $output == *"CopyIgnoredFile"*"Dockerfile:3"* ]]
    printf 'FROM busybox\nMAINTAINER me\n' >"$CONTEXT/other"
    cd "$CONTEXT"
    run as ranged kiln check -f other
    [[ $output == *"MaintainerDeprecated"*"other:2"* ]]
}

@test "skip, in the file, for an instruction, and by build argument; a target" {
    run check ranged "# check=skip=CopyBeforeInstall,JSONArgsRecommended,CacheMountPossible\n$bad"
    [ "$status" -eq 0 ]
    [ "$output" = "Check complete, no warnings found." ]
    run check ranged 'FROM busybox\n# check=skip=all\nCMD a\nENTRYPOINT b\n' --format json
    [ "$(rules <<<"$output")" = "JSONArgsRecommended 4" ]
    run check ranged "$bad" --build-arg BUILDKIT_DOCKERFILE_CHECK=skip=all
    [ "$status" -eq 0 ]
    run check ranged 'FROM busybox AS a\nCMD a\nFROM busybox AS b\nCMD b\n' --target a --format json
    [ "$(rules <<<"$output")" = "JSONArgsRecommended 2" ]
    run check ranged '# check=frob\nFROM busybox\n'
    [ "$status" -eq 1 ]
    [[ $output == *"ERROR: the check option frob is unknown"*"Dockerfile:1"* ]]
}

@test "a base of the store is known, another is not: no variable of it is called undefined" {
    run check ranged 'FROM busybox\nENV A=$NOWHERE\n' --format json
    [ "$(rules <<<"$output")" = "UndefinedVar 2" ]
    run check ranged 'FROM nobody.example/there\nENV A=$NOWHERE\n'
    [ "$status" -eq 0 ]
}

@test "a file that cannot be built: every mistake with its place, and the warnings up to there" {
    run check ranged 'FROM busybox AS Foo\nRUM x\nCOPY --form=a b c\n'
    [ "$status" -eq 1 ]
    [[ $output == *"StageNameCasing"* ]]
    [[ $output == *"ERROR: unknown instruction: RUM"*"Dockerfile:2"* ]]
    [[ $output == *"ERROR: unknown flag --form"*"Dockerfile:3"* ]]
    run check ranged 'FROM busybox\nCMD a\nCOPY --chmod=999 a b\n' --format json
    [ "$status" -eq 1 ]
    [ "$(rules <<<"$output")" = "JSONArgsRecommended 2" ]
    jq -e '.buildError.location.ranges[0].start.line == 3 and (.buildError.message | contains("invalid mode"))' <<<"$output"
    run check ranged ''
    [ "$status" -eq 1 ]
}

@test "bad input: bytes that are no text, control characters, no Dockerfile, no context" {
    run check ranged 'FROM busybox\nCMD \0033[31m \0377\n' --format json
    jq -e '.warnings[0].ruleName == "JSONArgsRecommended"' <<<"$output"
    run check ranged 'FROM busybox\nCMD \0033[31mred\n'
    [[ $output != *$'\033'* ]]
    run check ranged 'FROM busy\0000box\n' --format json
    [ "$status" -eq 1 ]
    jq -e .buildError <<<"$output"
    rm "$CONTEXT/Dockerfile"
    run as ranged kiln check "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *"no Dockerfile at"* ]]
    run as ranged kiln check "$DIR/nowhere"
    [ "$status" -eq 2 ]
}

@test "works without user namespaces, store and network, and makes nothing" {
    printf '%b' "$bad" >"$CONTEXT/Dockerfile"
    own single "$CONTEXT"
    DIR=$(workdir single)
    run python3 "$BATS_TEST_DIRNAME/fixtures/no-user-namespaces.py" "$(id -u kiln-single)" "$(id -g kiln-single)" \
        env HOME="$DIR" KILN_ROOT="$DIR/store" KILN_LIBEXEC="$KILN_IT/bin" ASAN_OPTIONS=detect_leaks=0 \
        kiln check "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *CopyBeforeInstall* ]]
    [ ! -e "$DIR/store" ]
    run as stranger kiln check "$CONTEXT"
    [ "$status" -eq 1 ]
    run as root kiln check "$CONTEXT"
    [ "$status" -eq 1 ]
    [[ $output == *CopyBeforeInstall* ]]
}

@test "changes nothing in a store, which may be of a user with an id map of his own" {
    local store=$KILN_IT/store-ranged
    listing() { find "$store" -maxdepth 2 -printf '%p %s %T@ %C@\n' | sort; }
    listing >"$DIR/before"
    run check ranged 'FROM busybox\nCMD a\n'
    [ "$status" -eq 1 ]
    listing | diff "$DIR/before" -
}

@test "as root: no mount of the host changes its propagation" {
    findmnt -no PROPAGATION / >"$DIR/before"
    run check root 'FROM busybox\nCMD a\n'
    [ "$status" -eq 1 ]
    findmnt -no PROPAGATION / | diff "$DIR/before" -
}

@test "a build says in one line that there is something to check" {
    printf 'FROM busybox\nCOPY . /app\nRUN yarn() { :; }; yarn install\n' >"$CONTEXT/Dockerfile"
    own ranged "$CONTEXT"
    run build ranged "$CONTEXT"
    [ "$status" -eq 0 ]
    [ "$(grep -c CopyBeforeInstall <<<"$output")" -eq 1 ]
    [[ $output == *"kiln check"* ]]
}
