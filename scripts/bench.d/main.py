"""scripts/bench: the order of things. See scripts/bench for what it is for."""

import argparse
import json
import os
import shutil
import signal
import sys

import dockerfile_cost
import report
import tools as tools_module
from host import Failed, Host, machine, quietly
from registry import Registry, make_layout
from workloads import all_workloads, change_one_file, make_context

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHORT = 0.25  # what takes less than this is run REPEATS times
REPEATS = 5


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures kiln against its peers.")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="measured runs after the warm-up (3)")
    parser.add_argument("--only", default="", metavar="W1,W3", help="these workloads: W1 W3 apt W5 W6 W8 pull")
    parser.add_argument("--peers", default=None, metavar="LIST",
                        help="of buildah, docker, buildah-rootless; \"none\" (default: buildah and docker, if installed)")
    parser.add_argument("--users", default="ranged", metavar="WHO",
                        help="kiln as: ranged (a user with subordinate ids), single (without), root, all")
    parser.add_argument("--kiln", default=os.path.join(SOURCE, "build", "kiln"), metavar="PATH")
    parser.add_argument("--fixtures", default=os.environ.get("KILN_FIXTURES", "/var/cache/kiln-fixtures"),
                        metavar="DIR", help="the bases, from integration/fixtures.sh")
    parser.add_argument("--floor", action="store_true", help="also what the kernel alone takes")
    parser.add_argument("--no-memory", action="store_true", help="leave out the runs that watch the memory")
    parser.add_argument("--json", default="bench-results.json", metavar="FILE")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    options = parser.parse_args()
    known = [w.name for w in all_workloads()]
    options.only = [w for w in options.only.split(",") if w] or known
    for name in options.only:
        if name not in known:
            parser.error(f"no workload {name}; there are {', '.join(known)}")
    options.users = ["ranged", "single", "root"] if options.users == "all" else options.users.split(",")
    if options.runs < 1 or any(who not in ("ranged", "single", "root") for who in options.users):
        parser.error("--runs is at least 1; --users is a list of ranged, single, root, or all")
    if options.peers is not None:
        options.peers = [p for p in options.peers.split(",") if p and p != "none"]
        for peer in options.peers:
            if peer not in tools_module.PEERS:
                parser.error(f"no peer {peer}; there are {', '.join(tools_module.PEERS)}")
    return options


class Bench:
    def __init__(self, options, host):
        self.options, self.host = options, host
        self.workloads = [w for w in all_workloads() if w.name in options.only]
        self.tools, self.samples, self.memory, self.failures = [], {}, {}, {}
        self.layouts, self.registry, self.load = {}, None, 0

    # --- beforehand ----------------------------------------------------------------------------------

    def fixture(self, name):
        tar = os.path.join(self.options.fixtures, name + ".tar")
        if not os.path.exists(tar):
            raise Failed(f"{tar} is missing: make it with integration/fixtures.sh {name}, as root")
        return tar

    def base(self, name):
        """(name, plain tar, OCI layout): each tool imports what it likes best."""
        if name not in self.layouts:
            directory = self.host.path("layout-" + name)
            make_layout(self.fixture(name), directory, name, compress=False)
            self.layouts[name] = directory
        return name, self.fixture(name), self.layouts[name]

    def prepare(self):
        self.load = os.getloadavg()[0]
        if self.load > 0.5:
            say(f"the load average is {self.load:.1f}: other work on this machine will show in the figures")
        say("preparing contexts and bases …")
        for workload in self.workloads:
            make_context(self.host, workload, self.fixture)
            if workload.name == "pull":
                self.registry = Registry()
                directory = self.host.path("layout-pull")
                self.registry.serve("python", directory,
                                    make_layout(self.fixture("python"), directory, "python", compress=True))
            for name in workload.bases:
                self.base(name)
        self.tools = tools_module.make_kilns(self.host, os.path.abspath(self.options.kiln), self.options.users)
        peers = self.options.peers
        for name in tools_module.installed_peers(self.host) if peers is None else peers:
            if not shutil.which(tools_module.PEERS[name]):
                raise Failed(f"{name} is not installed: scripts/install-deps bench")
            self.tools.append(tools_module.make_peer(self.host, name))
        trial = self.host.directory("context-trial")
        with open(os.path.join(trial, "Dockerfile"), "w", encoding="utf-8") as f:
            f.write("FROM busybox\nRUN echo\n")
        for tool in self.tools:
            if isinstance(tool, tools_module.Buildah):
                tool.choose_isolation(trial, self.base("busybox"))
            say(f"  {tool.name}: {tool.version}" + "".join(f"; {note}" for note in tool.notes))

    # --- one piece of work ---------------------------------------------------------------------------

    def command(self, tool, workload, phase):
        if phase.what == "pull":
            return tool.pull(f"{self.registry.address}/python:latest")
        return (tool.export if phase.what == "export" else tool.build)(workload.context)

    def measure(self, tool, workload, phase, memory):
        found = self.host.measure(self.command(tool, workload, phase), tool.user, tool.environment(),
                                  tool.directory, (tool.names, tool.daemons) if memory else None)
        steps = tool.cached_steps(found["output"])
        if phase.cached > 0 and steps < phase.cached:
            raise Failed(f"only {steps} of {phase.cached} steps came from the cache")
        if phase.cached == 0 and steps > workload.dockerfile.count("FROM"):  # bases may be said to be cached
            raise Failed(f"{steps} steps came from the cache, which ought to be empty")
        return found

    def work(self, tool, workload, record, memory=False):
        """All phases of a workload with one tool. record: whether the times count."""
        tool.cold([self.base(name) for name in workload.bases])
        for phase in workload.phases:
            key = f"{workload.name} {phase.name}"
            if (key, tool.name) in self.failures:
                return
            if phase.change:
                change_one_file(workload.context)
            try:
                found = [self.measure(tool, workload, phase, memory)]
                if record and phase.repeat and found[0]["seconds"] < SHORT:
                    found += [self.measure(tool, workload, phase, memory) for _ in range(REPEATS - 1)]
            except Failed as problem:
                self.failures[key, tool.name] = str(problem)
                say(f"{tool.name}, {key}: failed: {problem}")
                return
            if memory:
                seen = {name: found[0][name] for name in ("largest", "largest_process", "sum", "processes")}
                self.memory.setdefault(key, {})[tool.name] = seen
            elif record:
                self.samples.setdefault((key, tool.name, phase.steps), []).extend(found)

    def run(self):
        for workload in self.workloads:
            for number in range(self.options.runs + 1):
                say(f"{workload.name}: {workload.title}: " +
                    (f"run {number} of {self.options.runs}" if number else "warming up"))
                for tool in self.tools:
                    self.work(tool, workload, record=number > 0)
            if self.options.floor:
                self.floor(workload)
            if not self.options.no_memory and self.host.root:
                say(f"{workload.name}: {workload.title}: memory")
                for tool in self.tools:
                    self.work(tool, workload, record=False, memory=True)

    def floor(self, workload):
        """What the same work costs with next to no program around it."""
        directory = self.host.directory("floor")
        if workload.name == "W1":
            rootfs = self.host.directory("floor/rootfs")
            quietly(["tar", "-C", rootfs, "-xf", self.fixture("busybox")])
            if shutil.which("bwrap"):
                one = f"bwrap --bind {rootfs} / --proc /proc --dev /dev --unshare-all /bin/true"
            else:
                one = f"unshare --mount --pid --fork --ipc --uts --net chroot {rootfs} /bin/true"
            key, steps, line = "W1 cold", 30, f"for i in $(seq 30); do {one} || exit 1; done"
        elif workload.name == "W3":
            key, steps = "W3 cached", 0
            line = f"find {workload.context} -printf '%s %T@\\n' > /dev/null"
        else:
            return
        found = [self.host.measure(["sh", "-c", line], None, self.host.environment(directory, {}), directory)
                 for _ in range(self.options.runs + 1)]
        self.samples[key, "floor", steps] = found[1:]

    # --- afterwards ----------------------------------------------------------------------------------

    def finish(self):
        """Prints the tables and writes the JSON. Returns the exit status."""
        results = report.summarise(self.samples)
        parsing = dockerfile_cost.measure(os.path.abspath(self.options.kiln), self.host.work)
        names = [tool.name for tool in self.tools] + (["floor"] if self.options.floor else [])
        titles = {f"{w.name} {p.name}": w.title for w in self.workloads for p in w.phases}
        facts = machine(self.host.work)
        checks = report.targets(results, self.memory, self.failures)
        print(f"\n{facts['system']}, {facts['kernel']}, {facts['cpus']} × {facts['cpu']}, "
              f"{facts['memory_mb']} MB, {facts['file_system']}; runs: {self.options.runs}; load average at the start: {self.load:.1f}")
        for tool in self.tools:
            print(f"{tool.name}: {tool.version}" + "".join(f"; {note}" for note in tool.notes))
        print("\n" + report.time_table(results, names, titles, self.failures))
        print("\n" + dockerfile_cost.text(parsing))
        if self.memory:
            print("\n" + report.memory_table(self.memory, names))
        if checks:
            print("\n" + report.target_text(checks))
        document = {
            "machine": facts, "runs": self.options.runs, "load_at_start": self.load,
            "tools": {tool.name: {"version": tool.version, "notes": list(tool.notes),
                                  "user": tool.user or ("root" if self.host.root else "caller")}
                      for tool in self.tools},
            "results": results, "parsing": parsing, "memory": self.memory, "targets": checks,
            "failures": [{"phase": key, "tool": tool, "message": text}
                         for (key, tool), text in self.failures.items()],
        }
        with open(self.options.json, "w", encoding="utf-8") as f:
            json.dump(document, f, indent=2, ensure_ascii=False)
            f.write("\n")
        print(f"\nwritten: {self.options.json}")
        missed = self.options.check and any(not check["met"] for check in checks)
        return 1 if missed or any(tool.startswith("kiln") for _, tool in self.failures) else 0


def say(text):
    print(text, file=sys.stderr, flush=True)


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    options = arguments()
    if not os.access(options.kiln, os.X_OK):
        say(f"there is no kiln at {options.kiln}: build it (cmake -B build && cmake --build build), or give --kiln")
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, interrupted)
    host = Host()
    bench = Bench(options, host)
    status = 130
    try:
        bench.prepare()
        bench.run()
        status = bench.finish()
    except Failed as problem:
        say(f"bench: {problem}")
        status = 3
    except KeyboardInterrupt:
        say("bench: interrupted; cleaning up")
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        host.stop()
        for tool in bench.tools:
            try:
                tool.close()
            except Failed as problem:
                say(f"bench: {problem}")
        if bench.registry:
            bench.registry.close()
        host.clean()
    return status


if __name__ == "__main__":
    sys.exit(main())
