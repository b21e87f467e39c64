#!/usr/bin/env python3
"""Prints the config.json of a container for runc, as an orchestrator would start one:

    container.py docker|restricted|masked PROFILE COMMAND…

docker: root with Docker's default capabilities and its default seccomp profile, of which PROFILE
(runtime/profiles/default.json) is kiln's own form; /proc partly covered, /sys read-only.
restricted: an arbitrary user id, no capabilities, no_new_privs, the same profile ("restricted" of Kubernetes).
masked: root of a user namespace of its own with all capabilities and no profile, /proc partly covered
("hostUsers: false" of Kubernetes).
"""
import json
import sys

# moby, daemon/pkg/oci/defaults.go and caps/defaults.go
MASKED = ["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
          "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
          "/sys/firmware"]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
COMPARISONS = {"less": "SCMP_CMP_LT", "equal": "SCMP_CMP_EQ", "greater": "SCMP_CMP_GT"}


def argument(rule):
    if "mask" in rule:
        return {"index": rule["arg"], "value": rule["mask"], "valueTwo": rule["equal"], "op": "SCMP_CMP_MASKED_EQ"}
    kind = next(k for k in COMPARISONS if k in rule)
    return {"index": rule["arg"], "value": rule[kind], "op": COMPARISONS[kind]}


def rule_of(rule):
    if "errno" in rule:
        return {"names": [rule["call"]], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
    return {"names": [rule["call"]], "action": "SCMP_ACT_ALLOW", "args": [argument(rule)]}


def seccomp(path, capabilities):
    profile = json.load(open(path, encoding="utf-8"))
    allowed = sum(profile["always"].values(), []) + profile["on_architecture"]["x86_64"]
    for name, calls in profile["with_capability"].items():
        allowed += calls if "CAP_" + name.upper() in capabilities else []
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
            "syscalls": [{"names": allowed, "action": "SCMP_ACT_ALLOW"}]
            + [rule_of(r) for r in profile["if_argument"] + profile["without_capability"]["sys_admin"]]}


def mounts():
    nothing = ["nosuid", "noexec", "nodev"]
    return [{"destination": "/proc", "type": "proc", "source": "proc", "options": nothing},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": nothing + ["mode=1777", "size=64m"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": nothing + ["ro"]}]


def all_capabilities():
    names = ("CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
             "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
             "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
             "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ")
    return ["CAP_" + name for name in names.split()]


def config(kind, profile, command):
    docker = ["CAP_" + name.upper() for name in json.load(open(profile, encoding="utf-8"))["capabilities"]]
    held = {"docker": docker, "restricted": [], "masked": all_capabilities()}[kind]
    user = {"uid": 12345, "gid": 12345} if kind == "restricted" else {"uid": 0, "gid": 0}
    environment = ["PATH=/kiln:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/nowhere", "KILN_LIBEXEC=/kiln", "KILN_ROOT=/store/kiln",
                   "ASAN_OPTIONS=detect_leaks=0"]
    namespaces = [{"type": t} for t in ("pid", "ipc", "uts", "mount")]
    linux = {"namespaces": namespaces, "maskedPaths": MASKED, "readonlyPaths": READONLY,
             "resources": {"devices": [{"allow": False, "access": "rwm"}]}}
    if kind == "masked":
        namespaces += [{"type": "user"}, {"type": "network"}]  # sysfs belongs to the latter
        linux["uidMappings"] = linux["gidMappings"] = [{"containerID": 0, "hostID": 2000000, "size": 65536}]
    else:
        linux["seccomp"] = seccomp(profile, held)
    return {"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "hostname": "container", "mounts": mounts(), "linux": linux,
            "process": {"user": user, "args": command, "env": environment, "cwd": "/",
                        "noNewPrivileges": kind == "restricted",
                        "capabilities": {s: held for s in ("bounding", "effective", "permitted")}}}


json.dump(config(sys.argv[1], sys.argv[2], sys.argv[3:]), sys.stdout, indent=2)
