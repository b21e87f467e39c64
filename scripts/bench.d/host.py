"""The place where the bench works: its directory, its users, the programs it starts, and their removal."""

import grp
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """A command of a tool failed: the message holds the end of its output."""


def mounts_below(directory):
    """Mount points in a directory, the deepest first."""
    found = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        for line in f:
            point = line.split()[4].replace("\\040", " ")
            if point == directory or point.startswith(directory + "/"):
                found.append(point)
    return sorted(found, key=len, reverse=True)


def remove_tree(directory):
    """Removes a directory, but never what a mount shows: refuses while one is left in it."""
    if not os.path.lexists(directory):
        return
    for point in mounts_below(directory):
        subprocess.run(["umount", point], check=False, stderr=subprocess.DEVNULL)
    left = mounts_below(directory)
    if left:
        raise Failed(f"{directory} is not removed: {left[0]} is mounted in it")
    subprocess.run(["rm", "-rf", "--one-file-system", directory], check=True)


def quietly(command, **more):
    """Runs a command outside the clock; its output is shown only if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **more)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: exit status {done.returncode}\n{tail(done.stdout)}")
    return done.stdout.strip()


def tail(text, lines=12):
    return "\n".join("    " + line for line in text.rstrip().splitlines()[-lines:])


class Host:
    """A temporary directory, users made for the run, and the way to run and measure as one of them."""

    def __init__(self):
        self.root = os.geteuid() == 0
        self.made_users = []
        self.daemons = []
        self.measuring = None
        # Not mkdtemp: buildah makes an image name of the path, in which not every character may stand.
        self.work = os.path.join(os.path.realpath(os.environ.get("TMPDIR") or "/var/tmp"),
                                 "kiln-bench-" + secrets.token_hex(4))
        os.mkdir(self.work, 0o700)
        os.chmod(self.work, 0o755)
        shutil.copy(os.path.join(HERE, "measure.py"), self.path("measure.py"))
        os.chmod(self.path("measure.py"), 0o644)

    def path(self, *parts):
        return os.path.join(self.work, *parts)

    # --- users ---------------------------------------------------------------------------------------

    def user(self, name, ranged):
        """Makes a user with subordinate ids, or one without."""
        try:
            pwd.getpwnam(name)
        except KeyError:
            # A system user is given no subordinate ids of its own accord.
            quietly(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/sh",
                     "--home-dir", self.path(name), name])
            self.made_users.append(name)
        for file, option in (("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")):
            lines = []
            if os.path.exists(file):
                with open(file, encoding="utf-8") as f:
                    lines = [line.strip().split(":") for line in f if line.count(":") == 2]
            has = any(line[0] == name for line in lines)
            if ranged and not has:
                first = max([700000] + [int(line[1]) + int(line[2]) for line in lines])
                quietly(["usermod", option, f"{first}-{first + 65535}", name])
            if not ranged and has:
                raise Failed(f"the user {name} has subordinate ids in {file}: remove the line")
        return name

    def directory(self, name, user=None):
        """A directory in the work directory that the user owns."""
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        if user:
            entry = pwd.getpwnam(user)
            os.chown(path, entry.pw_uid, entry.pw_gid)
        return path

    def environment(self, home, more):
        """The same few variables for every tool."""
        return {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "HOME": home,
                "LC_ALL": "C.UTF-8", "TMPDIR": home, **more}

    @staticmethod
    def as_user(user, command):
        if not user:
            return command
        group = grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
        return ["setpriv", "--reuid", user, "--regid", group, "--init-groups", *command]

    # --- measuring -----------------------------------------------------------------------------------

    def measure(self, command, user, environment, directory, memory=None):
        """Runs a command under measure.py. memory: None, or the tool's (name pattern, daemon pids).
        Returns its result, with "output"."""
        result, log = os.path.join(directory, "result.json"), os.path.join(directory, "output.log")
        for file in (result, log):
            if os.path.exists(file):
                os.unlink(file)
        os.sync()  # what the one before left to be written is not paid for by the next
        line = [sys.executable, "-B", self.path("measure.py")]
        if memory:
            names, daemons = memory
            line += ["--memory", "--names", names]
            for daemon in daemons:
                line += ["--also", str(daemon)]
            line += [result, log, "--", *self.as_user(user, command)]
        else:
            line = self.as_user(user, [*line, result, log, "--", *command])
        self.measuring = subprocess.Popen(line, env=environment, cwd=directory, start_new_session=True)
        self.measuring.wait()
        self.measuring = None
        try:
            with open(log, encoding="utf-8", errors="replace") as f:
                output = f.read()
        except OSError:
            output = ""
        try:
            with open(result, encoding="utf-8") as f:
                found = json.load(f)
        except (OSError, ValueError):
            raise Failed(f"{command[0]} could not be measured\n{tail(output)}") from None
        if found["status"]:
            raise Failed(f"{' '.join(command)}: exit status {found['status']}\n{tail(output)}")
        found["output"] = output
        return found

    def daemon(self, command, log, environment):
        """Starts a daemon that lives until the end of the run."""
        with open(log, "wb") as f:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=f, stderr=f, env=environment,
                                       start_new_session=True)
        self.daemons.append(process)
        return process

    # --- the end -------------------------------------------------------------------------------------

    def stop(self):
        """Ends what still runs: the command that is measured, then the daemons."""
        for process in [self.measuring, *self.daemons]:
            if process and process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        self.daemons.clear()

    def clean(self):
        try:
            remove_tree(self.work)
        except (Failed, subprocess.CalledProcessError) as problem:
            print(f"bench: {problem}", file=sys.stderr)
        for name in self.made_users:
            subprocess.run(["userdel", name], check=False, stderr=subprocess.DEVNULL)


def machine(work):
    """What a reader must know of the machine to judge the figures."""
    def field(path, name):
        try:
            with open(path, encoding="utf-8") as f:
                for line in f:
                    if line.startswith(name):
                        return line.partition(":")[2].strip()
        except OSError:
            pass
        return "unknown"

    system = "unknown"
    try:
        with open("/etc/os-release", encoding="utf-8") as f:
            system = dict(line.rstrip().split("=", 1) for line in f if "=" in line)["PRETTY_NAME"].strip('"')
    except (OSError, KeyError):
        pass
    mount = subprocess.run(["findmnt", "-n", "-o", "FSTYPE", "-T", work], capture_output=True, text=True,
                           check=False)
    memory = field("/proc/meminfo", "MemTotal").split()[0]
    return {
        "system": system,
        "kernel": f"{os.uname().sysname} {os.uname().release} {os.uname().machine}",
        "cpu": field("/proc/cpuinfo", "model name"),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mb": int(memory) // 1024 if memory.isdigit() else None,
        "file_system": mount.stdout.strip() or "unknown",
    }
