"""What reading a Dockerfile of 10,000 lines costs: kiln ast to JSON, beside awk printing each word of the same
file with its line. (No other parser of Dockerfiles is a command; awk does the least that one must.)"""

import os
import statistics
import subprocess
import time

LINES = 10_000
REPEATS = 21
STAGE = """FROM debian:bookworm-slim AS stage{n}
ARG VERSION=1.2.{n}
ENV PATH=/opt/bin:$PATH LANG=C.UTF-8
WORKDIR /srv/app{n}
COPY --chown=1000:1000 package.json package-lock.json ./
# dependencies
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev
RUN apt-get update && \\
    apt-get install -y --no-install-recommends \\
      curl ca-certificates git \\
    && rm -rf /var/lib/apt/lists/*
RUN <<EOF
set -eu
echo {n}
EOF
LABEL org.example.a="b c"
EXPOSE 80 443
CMD ["node", "server.js"]

COPY . .
"""
AWK = "{ for (i = 1; i <= NF; i++) print NR, $i }"


def milliseconds(command):
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


def measure(kiln, directory):
    path = os.path.join(directory, "Dockerfile-10000")
    with open(path, "w", encoding="utf-8") as f:
        f.write("".join(STAGE.format(n=n) for n in range(LINES // STAGE.count("\n"))))
    found = {"lines": LINES, "kiln_ms": milliseconds([kiln, "ast", "--format", "json", path]),
             "awk_ms": milliseconds(["awk", AWK, path])}
    found["ratio"] = found["kiln_ms"] / found["awk_ms"]
    return found


def text(found):
    return (f"kiln ast, {found['lines']} lines: {found['kiln_ms']:.1f} ms (below 20 ms is wanted); "
            f"awk over the same words: {found['awk_ms']:.1f} ms; ratio {found['ratio']:.2f}")
