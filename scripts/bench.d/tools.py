"""The tools that are measured. Each knows how to get into its cold state (an empty cache, the bases there
already), and with which command it does a piece of work. All builds use the host's network: what a network of its own costs a
RUN is another matter."""

import os
import re
import shutil
import subprocess
import time

from host import Failed, quietly, remove_tree


class Tool:
    """What the tools have in common. daemons: pids whose memory counts; names: which processes are the tool's
    own, not those of a RUN; cached: how a cached step is shown in the output."""

    names = ""
    cached = re.compile("CACHED")
    daemons = ()
    notes = ()

    def __init__(self, host, name, user=None):
        self.host, self.name, self.user = host, name, user
        self.directory = host.directory(name, user)
        self.more = {}
        self.version = ""

    def environment(self):
        return self.host.environment(self.directory, self.more)

    def run(self, *command):
        """Outside the clock, as the tool's user."""
        return quietly(self.host.as_user(self.user, [str(part) for part in command]),
                       env=self.environment(), cwd=self.directory)

    def out(self, name):
        """A file for an export, which is not there yet."""
        path = os.path.join(self.directory, name)
        if os.path.exists(path):
            os.unlink(path)
        return path

    def cached_steps(self, output):
        return len(self.cached.findall(output))

    def close(self):
        """Leaves nothing that the removal of the work directory would stumble over."""


class Kiln(Tool):
    """kiln, from an empty store into which the bases were imported."""

    names = "^kiln"
    cached = re.compile(r"^#\d+ CACHED$", re.M)

    def __init__(self, host, name, user, program):
        super().__init__(host, name, user)
        self.program = program
        self.store = os.path.join(self.directory, "store")
        self.more = {"KILN_ROOT": self.store, "KILN_LIBEXEC": os.path.dirname(program)}
        self.version = self.run(program, "--version")

    def cold(self, bases):
        self.close()
        for base, tar, _ in bases:
            self.run(self.program, "import", tar, base)

    def build(self, context):
        return [self.program, "build", "--progress", "plain", "--network", "host", "-t", "bench", context]

    def export(self, context):
        return [self.program, "build", "--progress", "plain", "--network", "host", "-t", "bench",
                "-o", f"type=oci,dest={self.out('image.tar')}", context]

    def pull(self, reference):
        return [self.program, "pull", reference]

    def close(self):
        if os.path.exists(self.store):
            try:
                self.run(self.program, "reset", "--force")
            except Failed:
                if not self.host.root:
                    raise
            remove_tree(self.store)


class Buildah(Tool):
    """buildah with its layer cache, on overlay, with runc (Debian's crun wants cgroups that not all machines
    have) or, where that does not work, its chroot isolation."""

    names = r"^(buildah|runc|crun|conmon|exe$|netavark|aardvark)"
    cached = re.compile("Using cache")

    def __init__(self, host, name, user=None):
        super().__init__(host, name, user)
        self.base = ["buildah", "--root", os.path.join(self.directory, "root"),
                     "--runroot", os.path.join(self.directory, "run"), "--storage-driver", "overlay"]
        self.more = {"XDG_RUNTIME_DIR": host.directory(f"{name}/xdg", user) if user else "/run"}
        self.version = self.run("buildah", "--version").partition("(")[0].strip()
        self.bases = {}
        self.isolation = ["--isolation", "chroot"]

    def choose_isolation(self, context, base):
        """Tries runc once on a small build."""
        candidates = [["--isolation", "rootless" if self.user or not self.host.root else "oci",
                       "--runtime", shutil.which("runc") or "runc"], ["--isolation", "chroot"]]
        for candidate in candidates:
            self.isolation = candidate
            try:
                self.cold([base])
                self.run(*self.build(context))
                break
            except Failed as problem:
                if candidate is candidates[-1]:
                    raise
                self.notes = (f"runc does not work here: {str(problem).splitlines()[-1].strip()}",)
        self.notes = (*self.notes, " ".join(os.path.basename(part) for part in self.isolation))

    def cold(self, bases):
        """Removes all images but the bases, and imports the bases that are not there."""
        wanted = {base for base, _, _ in bases}
        keep = {identity for base, identity in self.bases.items() if base in wanted}
        there = self.run(*self.base, "images", "--all", "--quiet", "--no-trunc").split()
        gone = [identity for identity in there if identity not in keep]
        if gone:
            self.run(*self.base, "rmi", "--force", *gone)
        self.bases = {base: identity for base, identity in self.bases.items() if identity in keep}
        for base, _, layout in bases:
            if base not in self.bases:
                self.run(*self.base, "pull", "--quiet", f"oci:{layout}:{base}")
                there = self.run(*self.base, "images", "--quiet", "--no-trunc").split()
                new = [identity for identity in there if identity not in self.bases.values()]
                self.run(*self.base, "tag", new[0].removeprefix("sha256:"), base)
                self.bases[base] = new[0]

    def build(self, context):
        return [*self.base, "build", "--layers", "--jobs", str(os.cpu_count()), *self.isolation,
                "--network", "host", "-t", "bench", context]

    def export(self, _):
        return [*self.base, "push", "--quiet", "bench", f"oci-archive:{self.out('image.tar')}"]

    def pull(self, reference):
        return [*self.base, "pull", "--quiet", "--tls-verify=false", reference]

    def close(self):
        if not self.host.root:
            subprocess.run(["buildah", "unshare", "rm", "-rf", self.directory], check=False)


class Docker(Tool):
    """docker build on a daemon of its own, which is warm: its start is not measured."""

    names = r"^(docker|containerd|runc|exe$|buildkit)"

    def __init__(self, host, name):
        super().__init__(host, name)
        dockerd = shutil.which("dockerd")
        beside = "/usr/bin/docker"  # the client of the same package, if it is there
        self.client = beside if os.access(beside, os.X_OK) else shutil.which("docker")
        self.socket = os.path.join(self.directory, "socket")
        self.more = {"DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "1",
                     "DOCKER_CONFIG": host.directory("docker/config")}
        self.version = self.run(dockerd, "--version").partition(",")[0]
        self.daemon = host.daemon(
            [dockerd, "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver", "overlay2",
             "--data-root", os.path.join(self.directory, "data"),
             "--exec-root", os.path.join(self.directory, "exec"),
             "--pidfile", os.path.join(self.directory, "pid"), "--host", f"unix://{self.socket}"],
            os.path.join(self.directory, "daemon.log"), self.environment())
        self.daemons = (self.daemon.pid,)
        self.notes = ("BuildKit in dockerd, warm daemon, overlay2", "W5: docker save | gzip")
        self.await_daemon()

    def await_daemon(self):
        for _ in range(300):
            try:
                self.run(self.client, "info")
                return
            except Failed:
                if self.daemon.poll() is not None:
                    break
                time.sleep(0.1)
        with open(os.path.join(self.directory, "daemon.log"), encoding="utf-8", errors="replace") as f:
            raise Failed("dockerd did not start:\n" + "".join(f.readlines()[-5:]))

    def cold(self, bases):
        wanted = {f"{base}:latest" for base, _, _ in bases}
        there = self.run(self.client, "images", "--format", "{{.Repository}}:{{.Tag}}").split()
        gone = [name for name in there if name not in wanted and "<none>" not in name]  # prune takes those
        if gone:
            self.run(self.client, "rmi", "--force", *gone)
        self.run(self.client, "image", "prune", "--force")
        self.run(self.client, "builder", "prune", "--all", "--force")
        for base, tar, _ in bases:
            if f"{base}:latest" not in there:
                self.run(self.client, "import", "--change", 'CMD ["/bin/sh"]', tar, f"{base}:latest")

    def build(self, context):
        return [self.client, "build", "--progress", "plain", "--network", "host", "-t", "bench", context]

    def export(self, _):
        return ["sh", "-c", f"set -e; '{self.client}' save bench | gzip > '{self.out('image.tar.gz')}'"]

    def pull(self, reference):
        return [self.client, "pull", "--quiet", reference]


PEERS = {"buildah": "buildah", "docker": "dockerd", "buildah-rootless": "buildah"}


def installed_peers(host):
    """Those of the default peers that can run here."""
    if not host.root:
        return ["buildah-rootless"] if shutil.which("buildah") else []
    return [name for name in ("buildah", "docker") if shutil.which(PEERS[name])]


def copy_programs(host, program):
    """Puts a build tree's programs where every user reaches them; an installed kiln stays where it is."""
    source = os.path.dirname(os.path.realpath(program))
    if not os.path.exists(os.path.join(source, "kiln-builder")):
        return program
    target = host.directory("bin")
    for name in ("kiln", "kiln-builder", "kiln-remote"):
        shutil.copy(os.path.join(source, name), os.path.join(target, name))
    return os.path.join(target, "kiln")


def make_kilns(host, program, users):
    program = copy_programs(host, program)
    if not host.root:
        return [Kiln(host, "kiln", None, program)]
    made = []
    for who in users:
        user = {"ranged": "kiln-bench", "single": "kiln-bench-single", "root": None}[who]
        if user:
            host.user(user, who == "ranged")
        made.append(Kiln(host, "kiln" if who == "ranged" else f"kiln-{who}", user, program))
    return made


def make_peer(host, name):
    if name == "docker":
        return Docker(host, name)
    if name == "buildah":
        return Buildah(host, name)
    return Buildah(host, name, host.user("kiln-bench", True) if host.root else None)
