#!/usr/bin/env bats
# The network of RUN: private by default (pasta), or the host's, or none; names, name servers and proxies.

setup() {
    load lib
    DIR=$(workdir ranged)
    JOBS=()
}

# As lib.bash's, but a command that waits for ever fails the test.
build() { # ROLE ARGUMENTS…
    local role=$1
    shift
    as "$role" timeout 120 kiln build --progress plain "$@" 2>&1
}

teardown() {
    local job
    for job in "${JOBS[@]}"; do kill "$job" 2>/dev/null || true; done
}

# A context of the role's with the Dockerfile of standard input, to $CONTEXT.
context() { # ROLE
    CONTEXT=$(workdir "$1")/context
    mkdir -p "$CONTEXT"
    cat >"$CONTEXT/Dockerfile"
    own "$1" "$CONTEXT"
}

# Builds it and shows what is in $output when it should have gone otherwise.
built() { # ROLE ARGUMENTS…
    run build "$@" "$CONTEXT"
    [ "$status" -eq 0 ] || { echo "$output"; return 1; }
}

has() { # TEXT…: all are in $output
    local text
    for text; do
        [[ $output == *"$text"* ]] || { echo "missing: $text"; echo "$output"; return 1; }
    done
}

lacks() { # TEXT…
    local text
    for text; do
        [[ $output != *"$text"* ]] || { echo "there: $text"; echo "$output"; return 1; }
    done
}

# A pasta in front of the real one that writes a line to $DIR/started each time; $1: more to do.
count_pastas() {
    mkdir -p "$DIR/bin"
    printf '#!/bin/sh\necho started >>%s\n%s\nexec /usr/bin/pasta "$@"\n' "$DIR/started" "${1:-}" >"$DIR/bin/pasta"
    chmod 755 "$DIR/bin" "$DIR/bin/pasta"
    : >"$DIR/started"
    chmod 666 "$DIR/started"
    PATH=$DIR/bin:$PATH
}

pastas() {
    wc -l <"$DIR/started"
}

# A TCP server on the host at these addresses and at an abstract socket; the port to $PORT.
serve_on_host() {
    python3 - "$DIR/port" "$@" 3>&- <<'END' &
import os, select, socket, sys
servers, port = [], 0
for address in sys.argv[2:]:
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    s.bind((address, port))
    port = s.getsockname()[1]
    servers.append(s)
s = socket.socket(socket.AF_UNIX)
s.bind("\0kiln-test-%d" % port)
servers.append(s)
for s in servers:
    s.listen(16)
with open(sys.argv[1] + ".new", "w") as f:
    f.write("%d\n" % port)
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    for s in select.select(servers, [], [])[0]:
        s.accept()[0].close()
END
    JOBS+=($!)
    until [ -s "$DIR/port" ]; do sleep 0.01; done
    PORT=$(<"$DIR/port")
}

# Perl that tries to connect: prints "PLACE reached" or "PLACE refused". Places: IPv4, [IPv6], @abstract.
connecting() { # PORT PLACE…
    local port=$1
    shift
    cat <<END
use Socket qw(:all);
for my \$place (qw($*)) {
    my (\$family, \$address) = \$place =~ /^\@(.*)/ ? (AF_UNIX, pack("S a*", AF_UNIX, "\\0\$1"))
        : \$place =~ /^\[(.*)\]/ ? (AF_INET6, pack_sockaddr_in6($port, inet_pton(AF_INET6, \$1)))
        : (AF_INET, pack_sockaddr_in($port, inet_pton(AF_INET, \$place)));
    socket(my \$s, \$family, SOCK_STREAM, 0) or die;
    local \$SIG{ALRM} = sub { print "\$place refused\n"; exit };
    if (my \$child = fork) { waitpid(\$child, 0); next }
    alarm 2;
    print "\$place ", (connect(\$s, \$address) ? "reached" : "refused"), "\n";
    exit;
}
END
}

@test "private by default, as each kind of user: devices, addresses and port 80 of its own, ping, and one host for names" {
    for role in ranged single root; do
        context "$role" <<'END'
FROM busybox
RUN ls /sys/class/net | tr '\n' ' '; readlink /proc/self/ns/net; echo
RUN nc -l -p 80 >/got & until grep -q ":0050 " /proc/net/tcp*; do sleep 0.05; done; echo over-80 | nc -w 2 127.0.0.1 80; wait; cat /got; ping -c 1 -W 1 127.0.0.1 >/dev/null && echo ping-works
RUN ip route | grep default; cat /etc/hosts
END
        built "$role" --no-cache
        has over-80 ping-works 'default via' buildkitsandbox
        [[ $output =~ (net:\[[0-9]+\]) ]]
        [ "${BASH_REMATCH[1]}" != "$(readlink /proc/self/ns/net)" ]
        lacks warning
    done
}

@test "/sys/class/net: a private network shows its own devices, none shows the loopback device, host the host's" {
    macs=$(cat /sys/class/net/*/address | grep -v '^00:00:00:00:00:00$' | sort -u | tr '\n' ' ')
    for role in ranged single root; do
        context "$role" <<'END'
FROM busybox
RUN cat /sys/class/net/*/address; ls /sys/class/net
RUN --network=none echo none: $(ls /sys/class/net) $(ls /sys/devices/virtual/net)
END
        built "$role" --no-cache
        has "none: lo lo"
        for mac in $macs; do lacks "$mac"; done
        built "$role" --no-cache --network host
        for mac in $macs; do has "$mac"; done
    done
}

@test "the host's loopback services, by any address, and its abstract sockets are out of reach" {
    own_address=$(ip -4 route get 198.51.100.1 | grep -oP 'src \K\S+')
    gateway=$(ip -4 route show default | grep -oP 'via \K\S+' | head -1)
    serve_on_host 127.0.0.1 ::1 "$own_address"
    places=(127.0.0.1 "$own_address" "[::1]" "@kiln-test-$PORT")
    for role in ranged single root; do
        context "$role" <<'END'
FROM debian:bookworm-slim
COPY try.pl /
RUN perl /try.pl
END
        connecting "$PORT" "${places[@]}" "$gateway" >"$CONTEXT/try.pl"
        own "$role" "$CONTEXT"
        built "$role" --no-cache
        for place in "${places[@]}" "$gateway"; do has "$place refused"; done
        lacks reached
        built "$role" --no-cache --network none
        lacks reached
        built "$role" --no-cache --network host # it does find what can be reached
        for place in "${places[@]}"; do has "$place reached"; done
    done
}

@test "two stages at once listen on one port, each in a network of its own" {
    for role in ranged single root; do
        count_pastas
        id=meet-$role-$RANDOM
        meet='until grep -q ":1F90 " /proc/net/tcp*; do sleep 0.05; done; touch /m/$me; for i in $(seq 300); do [ -e /m/$other ] && break; sleep 0.1; done; [ -e /m/$other ] || exit 1'
        context "$role" <<END
FROM busybox AS a
RUN --mount=type=cache,target=/m,id=$id me=a; other=b; nc -l -p 8080 >/got & $meet; echo from-a | nc -w 2 127.0.0.1 8080; wait
FROM busybox AS b
RUN --mount=type=cache,target=/m,id=$id me=b; other=a; nc -l -p 8080 >/got & $meet; echo from-b | nc -w 2 127.0.0.1 8080; wait
FROM busybox
COPY --from=a /got /a
COPY --from=b /got /b
RUN echo \$(cat /a) \$(cat /b) is-all
END
        built "$role" --no-cache
        has "from-a from-b is-all"
        [ "$(pastas)" -eq 2 ]
    done
}

@test "pasta is started once for steps that follow each other, and not for what is cached, or runs nothing" {
    count_pastas
    context ranged <<'END'
FROM busybox
RUN true 1
RUN --network=none true
RUN true 2
RUN true 3
END
    built ranged --no-cache
    [ "$(pastas)" -eq 1 ]
    : >"$DIR/started"
    built ranged
    [ "$(cached)" -eq 4 ]
    [ "$(pastas)" -eq 0 ]
    built ranged --network=private # is the same kind
    [ "$(cached)" -eq 4 ]
    built ranged --no-cache --network=none
    built ranged --no-cache --network=host
    printf 'FROM busybox\nCOPY Dockerfile /\nENV A=b\n' >"$CONTEXT/Dockerfile"
    built ranged --no-cache
    [ "$(pastas)" -eq 0 ]
}

@test "pasta ends with the build, also when that fails, or kiln or its builder is killed" {
    cp /usr/bin/passt "$DIR/pasta" # found by its inode: nobody else runs this one
    chmod 755 "$DIR/pasta"
    PATH=$DIR:$PATH
    running() { find -L /proc/[0-9]*/exe -maxdepth 0 -samefile "$DIR/pasta" 2>/dev/null | grep .; }
    await_none() {
        for _ in $(seq 200); do running >/dev/null || return 0; sleep 0.05; done
        return 1
    }
    fresh_store ranged busybox=busybox:latest
    context ranged <<'END'
FROM busybox
RUN echo up; sleep 1000
END
    for victim in kiln kiln-builder kiln-launcher; do
        # shellcheck disable=SC2016 # expanded by that shell
        as ranged sh -c 'echo $$ >"$0"; exec kiln build --no-cache --progress plain "$1"' "$DIR/pid" "$CONTEXT" \
            >"$DIR/out" 2>&1 3>&- &
        job=$!
        for _ in $(seq 1000); do grep -q ' up$' "$DIR/out" && break; sleep 0.02; done
        running
        kiln=$(<"$DIR/pid")
        builder=$(pgrep -P "$kiln" -x kiln-builder)
        launcher=$(pgrep -P "$builder" -x kiln-launcher)
        case $victim in
        kiln) kill -KILL "$kiln" ;;
        kiln-builder) kill -KILL "$builder" ;;
        kiln-launcher) kill -KILL "$launcher" ;;
        esac
        wait "$job" || true
        await_none
    done
    context ranged <<'END'
FROM busybox
RUN false
END
    run build ranged --no-cache "$CONTEXT"
    [ "$status" -eq 1 ]
    await_none
}

@test "what --security=insecure did to its network the next step does not see" {
    count_pastas
    context ranged <<'END'
FROM debian:bookworm-slim
RUN --security=insecure for f in /proc/sys/net/ipv4/conf/*/forwarding; do echo 1 >$f; done; cat /proc/sys/net/ipv4/conf/all/forwarding
RUN echo forwarding-$(cat /proc/sys/net/ipv4/conf/all/forwarding)
END
    built ranged --no-cache --allow security.insecure
    has forwarding-0
    [ "$(pastas)" -eq 2 ]
}

@test "a pasta that dies is replaced for the next step" {
    cp /usr/bin/passt "$DIR/the-pasta"
    chmod 755 "$DIR/the-pasta"
    mkdir -p "$DIR/bin"
    ln -s ../the-pasta "$DIR/bin/pasta"
    PATH=$DIR/bin:$PATH
    context ranged <<'END'
FROM busybox
RUN echo up; for i in $(seq 300); do [ "$(cat /sys/class/net/*/carrier 2>/dev/null | grep -c 1)" -lt 2 ] && break; sleep 0.1; done
RUN cat /sys/class/net/*/carrier | grep -c 1
END
    as ranged kiln build --no-cache --progress plain "$CONTEXT" >"$DIR/out" 2>&1 3>&- &
    job=$!
    for _ in $(seq 1000); do grep -q ' up$' "$DIR/out" && break; sleep 0.02; done
    for exe in $(find -L /proc/[0-9]*/exe -maxdepth 0 -samefile "$DIR/the-pasta" 2>/dev/null); do
        pid=${exe#/proc/}
        kill -KILL "${pid%/exe}"
    done
    wait "$job"
    grep -qE '^#4 [0-9.]+ 2$' "$DIR/out"
}

@test "without pasta: the host's network and one warning; --network=private is refused with what to install" {
    cp -as /usr/bin "$DIR/path"
    rm "$DIR"/path/pasta* "$DIR"/path/passt*
    PATH=$KILN_IT/bin:$DIR/path:/bin.none
    for role in ranged single root; do
        context "$role" <<'END'
FROM busybox AS a
RUN readlink /proc/self/ns/net
RUN true
FROM busybox
RUN true 2
COPY --from=a /bin/sh /sh
END
        built "$role" --no-cache
        has "$(readlink /proc/self/ns/net)" "network of this host" "apt-get install passt" --network=host
        [ "$(grep -c 'apt-get install passt' <<<"$output")" -eq 1 ]
        run build "$role" --no-cache --network=private "$CONTEXT"
        [ "$status" -eq 3 ]
        has "--network=private" "apt-get install passt"
        built "$role" --no-cache --network=host
        lacks passt
    done
}

@test "a pasta that cannot start, and a /dev/net/tun that cannot be opened, are told of with their reason" {
    count_pastas 'echo "no luck today" >&2; exit 1'
    context ranged <<'END'
FROM busybox
RUN readlink /proc/self/ns/net
RUN true
END
    built ranged --no-cache
    has "$(readlink /proc/self/ns/net)" "no luck today"
    [ "$(pastas)" -eq 1 ]
    run build ranged --no-cache --network=private "$CONTEXT"
    [ "$status" -eq 3 ]
    has "no luck today"
    mknod -m 600 "$DIR/tun" c 10 200
    KILN_TUN=$DIR/tun run build ranged --no-cache --network=private "$CONTEXT"
    [ "$status" -eq 3 ]
    has "/dev/net/tun" "Permission denied"
}

# A host of its own: a network namespace with a resolver on 127.0.0.1 and one on the host's own address, which
# answer with 203.0.113.1 and 203.0.113.2.
in_own_host() { # RESOLV.CONF COMMAND…
    printf '%s\n' "$1" >"$DIR/resolv.conf"
    shift
    cat >"$DIR/dns.py" <<'END'
import select, socket, sys
servers = {}
for n, address in enumerate(("127.0.0.1", "192.0.2.77")):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, 53))
    servers[s] = n + 1
print("ready", flush=True)
while True:
    for s in select.select(list(servers), [], [])[0]:
        query, peer = s.recvfrom(512)
        end = query.index(b"\0", 12) + 5
        a = query[end - 4:end - 2] == b"\0\x01"
        answer = b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04" + bytes((203, 0, 113, servers[s])) if a else b""
        s.sendto(query[:2] + b"\x81\x80\0\x01" + (b"\0\x01" if a else b"\0\0") + b"\0\0\0\0" + query[12:end] + answer, peer)
END
    # shellcheck disable=SC2016 # expanded by that shell
    unshare --net --mount bash -c '
        ip link set lo up
        ip link add name outside type veth peer name elsewhere
        ip addr add 192.0.2.77/24 dev outside
        ip link set elsewhere up; ip link set outside up
        ip route add default via 192.0.2.1
        mount --bind "$1/resolv.conf" "$(readlink -f /etc/resolv.conf)"
        coproc python3 "$1/dns.py"
        read -r -u "${COPROC[0]}" _
        trap "kill $COPROC_PID" EXIT
        . "$2"; shift 2
        "$@"' in-own-host "$DIR" "$BATS_TEST_DIRNAME/lib.bash" "$@"
}

@test "names are found in each network, by a resolver on the host's loopback device or own address" {
    for role in ranged single root; do
        context "$role" <<'END'
FROM debian:bookworm-slim
RUN cat /etc/resolv.conf; getent hosts name.test; getent hosts by-file.test
END
        run in_own_host 'nameserver 127.0.0.1' build "$role" --no-cache --add-host by-file.test:203.0.113.9 "$CONTEXT"
        [ "$status" -eq 0 ] || { echo "$output"; false; }
        has "203.0.113.1 " "203.0.113.9 "
        lacks "nameserver 127"
        run in_own_host 'nameserver 192.0.2.77' build "$role" --no-cache --add-host by-file.test=203.0.113.9 "$CONTEXT"
        [ "$status" -eq 0 ] || { echo "$output"; false; }
        has "203.0.113.2 "
        run in_own_host 'nameserver 192.0.2.77' build "$role" --no-cache --dns 127.0.0.1 \
            --add-host by-file.test:203.0.113.9 "$CONTEXT"
        has "203.0.113.1 "
        run in_own_host 'nameserver 127.0.0.1' build "$role" --no-cache --network=host \
            --add-host by-file.test:203.0.113.9 "$CONTEXT"
        [ "$status" -eq 0 ] || { echo "$output"; false; }
        has "nameserver 127.0.0.1" "203.0.113.1 " "203.0.113.9 "
    done
    context ranged <<'END'
FROM debian:bookworm-slim
RUN --network=none getent hosts by-file.test
END
    built ranged --no-cache --add-host by-file.test:203.0.113.9
    has "203.0.113.9 "
}

@test "a host without a way out keeps its own network, and is told so" {
    context ranged <<'END'
FROM busybox
RUN ls /sys/class/net
END
    run unshare --net bash -c '. "$1"; build ranged --no-cache "$2"' - "$BATS_TEST_DIRNAME/lib.bash" "$CONTEXT"
    [ "$status" -eq 0 ]
    # newer ones start all the same
    [[ $output == *"network of this host"* || $(/usr/bin/pasta --help 2>&1) == *--no-splice* ]]
}

@test "--add-host is in the key, --dns is not; both, and --dns-search and --dns-option, are in the files" {
    fresh_store ranged busybox=busybox:latest
    context ranged <<'END'
FROM busybox
RUN cat /etc/hosts /etc/resolv.conf
END
    built ranged --no-cache --add-host a.test:203.0.113.1 --add-host six:[2001:db8::6] --dns 203.0.113.53 \
        --dns-search corp.test --dns-option ndots:3
    has $'203.0.113.1\ta.test' $'2001:db8::6\tsix' 'nameserver 203.0.113.53' 'search corp.test' 'options ndots:3'
    built ranged --add-host a.test=203.0.113.1 --add-host six=2001:db8::6 --dns 203.0.113.54
    [ "$(cached)" -eq 1 ]
    run as ranged kiln plan --add-host a.test=203.0.113.1 --add-host six=2001:db8::6 "$CONTEXT"
    has cached
    built ranged --add-host a.test=203.0.113.2 --add-host six=2001:db8::6
    [ "$(cached)" -eq 0 ]
    run build ranged --add-host a.test "$CONTEXT"
    [ "$status" -eq 2 ]
    has "NAME:IP"
    run build ranged --add-host a.test:host-gateway "$CONTEXT"
    [ "$status" -eq 2 ]
    has --network=host
}

@test "a proxy on the host's loopback device is warned of, once, where it cannot be reached" {
    context ranged <<'END'
FROM busybox
RUN true
RUN true 2
END
    proxy=(--build-arg HTTP_PROXY=http://127.0.0.1:3128)
    built ranged --no-cache "${proxy[@]}"
    [ "$(grep -c 'HTTP_PROXY names a proxy' <<<"$output")" -eq 1 ]
    has --network=host
    built ranged --no-cache "${proxy[@]}" --network=host
    lacks "names a proxy"
    built ranged --no-cache --build-arg HTTP_PROXY=http://proxy.test:3128
    lacks "names a proxy"
}

@test "kiln doctor tries pasta out" {
    for role in ranged single root; do
        run as "$role" kiln doctor
        [[ $output =~ OK\ +private\ network ]] || { echo "$output"; false; }
    done
    count_pastas 'echo "no luck today" >&2; exit 1'
    run as ranged kiln doctor
    [[ $output =~ WARN\ +private\ network.*no\ luck\ today ]] || { echo "$output"; false; }
}
