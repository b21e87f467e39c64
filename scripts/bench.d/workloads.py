"""The pieces of work. Each is a context, the bases it stands on, and phases: one phase is one command on the
clock, in the order in which they leave the cache for the next."""

import os
import random
from dataclasses import dataclass, field

from host import quietly

CHANGED = "dir100/file50"  # the file of W3 that changes


@dataclass
class Phase:
    """what: build, export or pull. cached: how many steps must be shown as cached (-1: not looked at).
    untimed: it only leads to the next one. repeat: it leaves things as they were, and can be run again."""

    name: str
    what: str = "build"
    title: str = ""
    cached: int = -1
    untimed: bool = False
    repeat: bool = False
    change: bool = False
    steps: int = 0


@dataclass
class Workload:
    name: str
    title: str
    phases: list
    bases: list = field(default_factory=list)
    dockerfile: str = ""
    fill: object = None  # fills the context: a function of its path
    unpack: str = ""  # a fixture whose files are the context
    context: str = ""


def many_files(context):
    """20,000 files of 200–8,000 random bytes in 200 folders: 82 MB, the same in every run."""
    source = random.Random(3)
    for folder in range(200):
        path = os.path.join(context, f"dir{folder}")
        os.mkdir(path)
        for number in range(100):
            with open(os.path.join(path, f"file{number}"), "wb") as f:
                f.write(source.randbytes(source.randint(200, 8000)))


STEPS = 1000


def small_files(context):
    """A file for each second step of W10."""
    for number in range(STEPS // 2):
        with open(os.path.join(context, f"f{number}"), "w", encoding="utf-8") as f:
            f.write(f"{number}\n")


def change_one_file(context):
    path = os.path.join(context, CHANGED)
    size = os.path.getsize(path)
    with open(path, "wb") as f:
        f.write(os.urandom(size))


# What has system users, and what it needs beside the debian fixture; from files, so that no network is measured.
PACKAGES = ("cron cron-daemon-common dbus dbus-bin dbus-daemon dbus-session-bus-common dbus-system-bus-common iproute2 "
            "iputils-ping libapparmor1 libbpf1 libbsd0 libcap2-bin libdbus-1-3 libelf1 libexpat1 libmnl0 "
            "libnginx-mod-http-echo libtirpc-common libtirpc3 libgssapi-krb5-2 libk5crypto3 libkeyutils1 libkrb5-3 libkrb5support0 "
            "libxtables12 nginx nginx-common nginx-light sensible-utils").split()
APT = ("FROM debian\nRUN --mount=type=bind,target=/debs DEBIAN_FRONTEND=noninteractive "
       "apt-get install -y --no-install-recommends " + " ".join(f"/debs/{name}_*.deb" for name in PACKAGES) + "\n")

COUNT = "RUN i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done; echo $i > /count-"


def all_workloads():
    lines = "".join(f"RUN echo {n} > /f{n}\n" for n in range(1, 31))
    many = "".join(f"COPY f{n} /d/f{n}\nWORKDIR /w{n}\n" for n in range(STEPS // 2))
    return [
        Workload("W1", "30 × RUN echo", bases=["busybox"], dockerfile="FROM busybox\n" + lines, phases=[
            Phase("cold", steps=30, cached=0), Phase("cached", cached=30, repeat=True)]),
        Workload("W3", "COPY of 20,000 files, 82 MB", bases=["busybox"], fill=many_files,
                 dockerfile="FROM busybox\nWORKDIR /app\nCOPY . .\nRUN echo done > /done\n", phases=[
                     Phase("cold", cached=0), Phase("cached", cached=3, repeat=True),
                     Phase("one file changed", change=True, cached=1)]),
        Workload("apt", "apt-get install of nginx, dbus, cron, ping", bases=["debian"], unpack="debs", dockerfile=APT,
                 phases=[Phase("cold", cached=0)]),
        Workload("W5", "a layer of 220 MB", bases=["python"],
                 dockerfile="FROM python\nRUN cp -a /usr/lib /usr/lib2\n", phases=[
                     Phase("cold build", cached=0), Phase("export, gzip", "export")]),
        Workload("W6", "two CPU-bound stages", bases=["busybox", "debian"],
                 dockerfile=f"FROM debian AS a\n{COUNT}a\nFROM debian AS b\n{COUNT}b\n"
                            "FROM busybox\nCOPY --from=a /count-a /\nCOPY --from=b /count-b /\n", phases=[
                                Phase("cold", cached=0)]),
        Workload("W8", "RUN writes 1 GB, COPY --from", bases=["busybox"],
                 dockerfile="FROM busybox AS a\nRUN dd if=/dev/zero of=/big bs=1M count=1024 2>/dev/null\n"
                            "FROM busybox\nCOPY --from=a /big /big\n", phases=[Phase("cold", cached=0)]),
        Workload("W10", "1,000 steps: COPY, WORKDIR", bases=["busybox"], fill=small_files, dockerfile="FROM busybox\n" + many,
                 phases=[Phase("cold", steps=STEPS, cached=0), Phase("cached", steps=STEPS, cached=STEPS, repeat=True)]),
        Workload("pull", "pull and unpack Debian + Python", phases=[Phase("cold", "pull")]),
    ]


def make_context(host, workload, fixture):
    """Writes the context, readable by all users. fixture: the path of one by its name."""
    if not workload.dockerfile:
        return
    workload.context = host.directory("context-" + workload.name)
    with open(os.path.join(workload.context, "Dockerfile"), "w", encoding="utf-8") as f:
        f.write(workload.dockerfile)
    if workload.unpack:
        quietly(["tar", "-C", workload.context, "--no-same-owner", "-xf", fixture(workload.unpack)])
        os.chmod(workload.context, 0o755)
    if workload.fill:
        workload.fill(workload.context)
