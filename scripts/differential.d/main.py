"""Builds the cases with both tools and prints the differences. See scripts/differential.

A case is a file integration/differential/NAME.Dockerfile, or a part of NAME.cases between lines "=== PART". Its
last lines may say, as comments, how it is built:
  # flags: --target=x --build-arg A=b      more arguments, the same for both tools
  # context: ignored                       which tree of context.py; "main" by default
  # needs: NAME                            another case that is built first; FROM NAME uses it
  # left: TEXT                             a difference whose line holds this text is known and stays;
                                           the Dockerfile says why beside it
NAME.Dockerfile.dockerignore is found by both tools, as with any build -f."""
import argparse
import concurrent.futures
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import context
import image

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CASES = os.path.join(ROOT, "integration", "differential")
BASES = {"busybox": "busybox:latest", "debian": "debian:bookworm-slim"}


class Case:
    def __init__(self, name, path, text):
        self.name, self.path = name, path
        self.flags, self.context, self.needs, self.left = [], "main", None, []
        for line in text.decode("utf-8", "replace").splitlines():
            found = re.match(r"# (flags|context|needs|left): (.*)", line)
            if not found:
                continue
            key, value = found.groups()
            if key == "flags":
                self.flags = shlex.split(value)
            elif key == "left":
                self.left.append(value)
            else:
                setattr(self, key, value)


def read_cases(work):
    cases = {}
    parts = os.path.join(work, "parts")
    os.makedirs(parts)
    for file in sorted(os.listdir(CASES)):
        path = os.path.join(CASES, file)
        name, suffix = os.path.splitext(file)
        if suffix == ".Dockerfile":
            with open(path, "rb") as f:
                cases[name] = Case(name, path, f.read())
        elif suffix == ".cases":
            with open(path, "rb") as f:
                _, *found = re.split(rb"(?m)^=== (\S+)\n", f.read())
            for part, text in zip(found[::2], found[1::2]):
                whole = f"{name}-{part.decode()}"
                at = os.path.join(parts, whole + ".Dockerfile")
                with open(at, "wb") as f:
                    f.write(text)
                ignore = re.search(rb"(?ms)^# ignore:\n((?:#.*\n?)+)", text)
                if ignore:
                    with open(at + ".dockerignore", "wb") as f:
                        f.write(re.sub(rb"(?m)^#(> )?", b"", ignore.group(1)))
                cases[whole] = Case(whole, at, text)
    return cases


class Tool:
    """One of the two; build() gives None and the output where the build fails."""

    def __init__(self, name, command, work):
        self.name, self.command = name, command
        self.work = os.path.join(work, name)
        os.makedirs(self.work)
        os.chmod(self.work, 0o777)

    def run(self, *arguments, check=True):
        done = subprocess.run(
            [*self.command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600
        )
        text = done.stdout.decode("utf-8", "replace")
        if check and done.returncode != 0:
            sys.exit(f"{shlex.join([*self.command, *arguments])}:\n{text}")
        return done.returncode, text

    def build_arguments(self, case, contexts):
        return [*case.flags, "-f", case.path, os.path.join(contexts, case.context)]

    def build(self, case, contexts):
        out = os.path.join(self.work, case.name + ".tar")
        status, text = self.run(
            *self.building, "-o", f"type=oci,dest={out}", *self.build_arguments(case, contexts), check=False
        )
        if "OCI exporter is not supported" in text:
            sys.exit('docker needs the containerd image store: {"features": {"containerd-snapshotter": true}}')
        try:
            return (image.Image(out) if status == 0 else None), text
        finally:
            if os.path.exists(out):
                os.remove(out)

    def tag(self, case, contexts):
        self.run(*self.building, "-t", case.name, *self.build_arguments(case, contexts))


class Docker(Tool):
    building = ("buildx", "build", "--progress=plain", "--provenance=false", "--network=host", "--no-cache")


class Kiln(Tool):
    building = ("build", "--progress=plain", "--no-cache")


def show(value):
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)


MOUNT_POINTS = ("", "dev", "proc", "sys")


def is_mount_point(path, theirs):
    """BuildKit leaves the mount points of a RUN behind where the base has none; kiln never does. The root is in
    the layer of an imported base."""
    return path in MOUNT_POINTS and theirs[path]["type"] == "dir"


def compare_trees(mine, theirs):
    for path in sorted(set(mine) | set(theirs)):
        if path not in mine and is_mount_point(path, theirs):
            continue
        name = "/" + path.encode("unicode_escape").decode()
        if path not in theirs:
            yield f"tree {name}: only kiln has it ({mine[path]['type']})"
        elif path not in mine:
            yield f"tree {name}: only docker has it ({theirs[path]['type']})"
        else:
            a, b = mine[path], theirs[path]
            for key in sorted((set(a) | set(b)) - {"text"}):
                if a.get(key) == b.get(key):
                    continue
                how = f"kiln {show(a.get(key))}, docker {show(b.get(key))}"
                if key == "content" and "text" in a and "text" in b and len(a["text"] + b["text"]) < 6000:
                    how = f"kiln {a['text']!r}, docker {b['text']!r}"
                yield f"tree {name} {key}: {how}"


def compare_maps(what, mine, theirs):
    # The OCI image specification wants ArgsEscaped no longer written; BuildKit still does.
    for key in sorted((set(mine) | set(theirs)) - {"ArgsEscaped"}):
        if mine.get(key) != theirs.get(key):
            yield f"{what} {key}: kiln {show(mine.get(key))}, docker {show(theirs.get(key))}"


def compare_history(mine, theirs):
    """Without the base's, which `import` wrote."""
    keep = ("created_by", "empty_layer", "comment", "author")
    a = [{k: h[k] for k in keep if k in h} for h in mine]
    b = [{k: h[k] for k in keep if k in h} for h in theirs]
    imported = [h for h in b if h.get("comment", "").startswith("Imported from")]
    a, b = a[len(imported) :], b[len(imported) :]
    if [h for h in a + b if h.get("created_by", "").startswith("HEALTHCHECK ")]:
        # BuildKit wrote these in another way in 0.25, and again in another one later, which is kiln's.
        a = [h for h in a if not h.get("created_by", "").startswith("HEALTHCHECK ")]
        b = [h for h in b if not h.get("created_by", "").startswith("HEALTHCHECK ")]
    for n in range(max(len(a), len(b))):
        x = a[n] if n < len(a) else None
        y = b[n] if n < len(b) else None
        if x != y:
            yield f"history {n}: kiln {show(x)}, docker {show(y)}"


def compare_layers(mine, theirs):
    if len(mine) != len(theirs):
        yield f"layers: kiln {len(mine)}, docker {len(theirs)}"
    for n, (a, b) in enumerate(zip(mine, theirs)):
        for path in sorted(set(a) ^ set(b)):
            if path not in a and path in MOUNT_POINTS:
                continue
            yield f"layer {n}: only {'kiln' if path in a else 'docker'} has /{path}"


def compare(mine, theirs, layers):
    yield from compare_trees(mine.tree, theirs.tree)
    yield from compare_maps("config", mine.config.get("config") or {}, theirs.config.get("config") or {})
    top = lambda c: {k: v for k, v in c.items() if k not in ("config", "history", "rootfs", "created")}
    yield from compare_maps("image", top(mine.config), top(theirs.config))
    yield from compare_history(mine.config.get("history") or [], theirs.config.get("history") or [])
    if layers:
        yield from compare_layers(mine.layers, theirs.layers)


def failure(text):
    """The line of an output that says why, shortened."""
    lines = [l.strip() for l in text.splitlines() if l.strip()]
    wanted = [l for l in lines if re.search(r"ERROR|error", l)]
    return (wanted or lines or [""])[-1][:300]


def run_case(case, kiln, docker, contexts, options):
    pool = concurrent.futures.ThreadPoolExecutor(2)
    jobs = [pool.submit(tool.build, case, contexts) for tool in (kiln, docker)]
    (mine, my_text), (theirs, their_text) = (job.result() for job in jobs)
    if options.output:
        print(f"--- {case.name}: kiln\n{my_text}\n--- {case.name}: docker\n{their_text}")
    if mine is None and theirs is None:
        return [f"(both refuse)\n      kiln:   {failure(my_text)}\n      docker: {failure(their_text)}"], []
    if mine is None:
        return [], [f"only kiln refuses: {failure(my_text)}"]
    if theirs is None:
        return [], [f"only docker refuses: {failure(their_text)}"]
    return [], list(compare(mine, theirs, options.layers))


def arguments():
    p = argparse.ArgumentParser(prog="scripts/differential", description="Compares kiln's images with BuildKit's.")
    p.add_argument("--kiln", default=os.path.join(ROOT, "build", "kiln"), help="command, may have arguments")
    p.add_argument("--docker", default="docker", help="command, may have arguments")
    p.add_argument("--owner", type=int, help="numeric owner of the contexts, where --kiln runs as another user")
    p.add_argument("--fixtures", default=os.environ.get("KILN_FIXTURES", "/var/cache/kiln-fixtures"))
    p.add_argument("--layers", action="store_true", help="also compare which paths each layer has")
    p.add_argument("--output", action="store_true", help="print what both tools print")
    p.add_argument("--verbose", action="store_true", help="also print equal cases, and why refused ones were")
    p.add_argument("--known", action="store_true", help="also print differences that are known and stay")
    p.add_argument("cases", nargs="*", metavar="CASE", help="names, or beginnings of names")
    return p.parse_args()


def usable_docker(command):
    if not shutil.which(command[0]):
        return f"{command[0]} is not installed"
    for check in (["version"], ["buildx", "version"]):
        done = subprocess.run([*command, *check], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            return f"\"{shlex.join([*command, *check])}\" fails: {(done.stdout.strip().splitlines() or [''])[-1]}"
    return None


def main():
    options = arguments()
    missing = usable_docker(shlex.split(options.docker))
    if missing:
        print(f"scripts/differential: skipped: {missing}")
        return 0
    work = tempfile.mkdtemp(prefix="kiln-differential.", dir="/var/tmp")
    os.chmod(work, 0o755)
    try:
        return compare_all(options, work)
    finally:
        subprocess.run(["rm", "-rf", os.path.join(work, "contexts"), os.path.join(work, "parts")], check=False)
        kiln = shlex.split(options.kiln)
        subprocess.run([*kiln, "--root", os.path.join(work, "kiln", "store"), "reset", "--force"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(work, ignore_errors=True)


def compare_all(options, work):
    contexts = os.path.join(work, "contexts")
    context.make(contexts)
    if options.owner is not None:
        subprocess.run(["chown", "-hR", f"{options.owner}:{options.owner}", contexts], check=True)
        subprocess.run(["chmod", "4755", f"{contexts}/main/setuid"], check=True)
        subprocess.run(["chmod", "2755", f"{contexts}/main/setgid"], check=True)
    docker = Docker("docker", shlex.split(options.docker), work)
    kiln = Kiln("kiln", [*shlex.split(options.kiln), "--root", os.path.join(work, "kiln", "store")], work)
    for file, name in BASES.items():
        for tool in (kiln, docker):
            tool.run("import", os.path.join(options.fixtures, file + ".tar"), name)
    cases = read_cases(work)
    wanted = [n for n in cases if not options.cases or any(n.startswith(w) for w in options.cases)]
    built, different, known = set(), 0, 0
    for name in wanted:
        case = cases[name]
        if case.needs and case.needs not in built:
            for tool in (kiln, docker):
                tool.tag(cases[case.needs], contexts)
            built.add(case.needs)
        notes, lines = run_case(case, kiln, docker, contexts, options)
        new = [l for l in lines if not any(text in l for text in case.left)]
        known += len(lines) - len(new)
        different += bool(new)
        shown = lines if options.known else new
        if shown or options.verbose:
            print(f"{'DIFFERS' if new else 'same   '} {name}")
            for line in shown + (notes if options.verbose else []):
                print(f"    {line}")
            sys.stdout.flush()
    print(f"{len(wanted)} cases: {different} differ, {known} known differences stay")
    return 1 if different else 0


sys.exit(main())
