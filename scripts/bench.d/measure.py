"""Runs one command and writes down what it took. A program of its own, so that it runs as the user who is
measured and nothing but the command lies between the two clock readings.

    measure.py [--memory] [--names REGEX] [--also PID]… RESULT LOG -- COMMAND…

Without --memory: wall-clock and CPU seconds. With it, as root: the tree of processes below the command (and the
daemons given with --also) is read from /proc every 10 ms. "largest" is the greatest VmHWM of a single process,
"sum" the greatest sum of PSS at one instant; only processes whose name matches REGEX are counted, so that what
a RUN runs is not. The command's output goes to LOG; RESULT is a JSON file.
"""

import argparse
import ctypes
import json
import os
import re
import signal
import time

INTERVAL = 0.010
PR_SET_CHILD_SUBREAPER = 36


def spawn(command, log):
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawnp(command[0], command, os.environ, file_actions=actions,
                           setsigdef=[signal.SIGINT, signal.SIGTERM])


def exit_status(status):
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def timed(command, log):
    start = time.monotonic()
    pid = spawn(command, log)
    forward_signals(pid)
    _, status, usage = os.wait4(pid, 0)
    return {
        "seconds": time.monotonic() - start,
        "cpu": usage.ru_utime + usage.ru_stime,
        "status": exit_status(status),
    }


def processes():
    """pid → (parent, name) of everything that runs."""
    table = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as f:
                    head, _, tail = f.read().rpartition(")")
            except OSError:  # it has ended
                continue
            table[int(entry)] = (int(tail.split()[1]), head.partition("(")[2])
    return table


def below(roots, table):
    children = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found, waiting = set(), list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in table and pid not in found:
            found.add(pid)
            waiting += children.get(pid, [])
    return found


def kilobytes(path, field):
    try:
        with open(path, encoding="ascii", errors="replace") as f:
            for line in f:
                if line.startswith(field):
                    return int(line.split()[1])
    except OSError:
        pass
    return 0


def measured_memory(command, log, names, daemons):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # what daemonises itself stays in the tree
    for daemon in daemons:  # the peak of a daemon counts from here on
        for pid in below([daemon], processes()):
            try:
                with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as f:
                    f.write("5")
            except OSError:
                pass
    wanted = re.compile(names)
    largest, largest_name, greatest_sum, seen = 0, "", 0, {}
    pid = spawn(command, log)
    forward_signals(pid)
    while True:
        tick = time.monotonic()
        table = processes()
        total = 0
        for process in below([pid, *daemons], table):
            name = table[process][1]
            if not wanted.search(name):
                continue
            peak = kilobytes(f"/proc/{process}/status", "VmHWM:")
            total += kilobytes(f"/proc/{process}/smaps_rollup", "Pss:") or kilobytes(
                f"/proc/{process}/status", "VmRSS:")
            seen[name] = max(seen.get(name, 0), peak)
            if peak > largest:
                largest, largest_name = peak, name
        greatest_sum = max(greatest_sum, total)
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        time.sleep(max(0, INTERVAL - (time.monotonic() - tick)))
    return {
        "status": exit_status(status),
        "largest": largest * 1024,
        "largest_process": largest_name,
        "sum": max(greatest_sum, 0) * 1024,
        "processes": {name: peak * 1024 for name, peak in seen.items()},
    }


def forward_signals(pid):
    """The bench ends this program with SIGTERM; the command is told, and waited for."""
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--names", default="")
    parser.add_argument("--also", type=int, action="append", default=[])
    parser.add_argument("result")
    parser.add_argument("log")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    if options.memory:
        result = measured_memory(options.command, options.log, options.names, options.also)
    else:
        result = timed(options.command, options.log)
    with open(options.result, "w", encoding="utf-8") as f:
        json.dump(result, f)


if __name__ == "__main__":
    main()
