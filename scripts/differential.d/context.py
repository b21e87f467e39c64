"""The build contexts of the cases: trees with one of everything that COPY and ADD treat in a way of its own."""
import io
import lzma
import os
import subprocess
import tarfile

ODD_NAMES = [
    "with space",
    "quo'te",
    'double"quote',
    "back\\slash",
    "[bracket]",
    "star*",
    "dollar$x",
    "ünï",
    "new\nline",
    "#hash",
    "-dash",
    "tail.",
]

# A v2 capability of cap_net_bind_service, permitted and effective.
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def write(root, path, text, mode=0o644):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(full, mode)


def member(tar, name, kind=tarfile.REGTYPE, text="", mode=0o644, owner=(0, 0), link="", xattrs=None):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = mode
    info.uid, info.gid = owner
    info.linkname = link
    info.mtime = 1600000000
    info.devmajor, info.devminor = (1, 3) if kind == tarfile.CHRTYPE else (0, 0)
    info.pax_headers = {"SCHILY.xattr." + k: v for k, v in (xattrs or {}).items()}
    data = text.encode()
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def archive(path, members, mode="w"):
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as tar:
        for m in members:
            member(tar, **m)


DIR, SYM, LNK = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE

ARCHIVES = {
    "owners.tar": [
        dict(name="d", kind=DIR, mode=0o750, owner=(1000, 1001)),
        dict(name="d/file", text="file\n", mode=0o640, owner=(1000, 1001)),
        dict(name="d/setuid", text="x\n", mode=0o4755, owner=(7, 8)),
        dict(name="d/setgid", text="x\n", mode=0o2755, owner=(7, 8)),
        dict(name="d/hard", kind=LNK, link="d/file", mode=0o640, owner=(1000, 1001)),
        dict(name="d/soft", kind=SYM, link="file", mode=0o777, owner=(1000, 1001)),
        dict(name="sticky", kind=DIR, mode=0o1777, owner=(5, 6)),
        dict(name="fifo", kind=tarfile.FIFOTYPE, mode=0o600, owner=(5, 6)),
    ],
    "device.tar": [dict(name="null", kind=tarfile.CHRTYPE, mode=0o666, owner=(5, 6))],
    "implicit.tar": [dict(name="implicit/deeper/file", text="f\n", owner=(1000, 1000))],
    "dot.tar": [
        dict(name="./", kind=DIR, mode=0o700, owner=(33, 33)),
        dict(name="./inside", text="i\n", owner=(33, 33)),
    ],
    "existing.tar": [
        dict(name="keep", kind=DIR, mode=0o700, owner=(44, 44)),
        dict(name="keep/new", text="n\n", owner=(44, 44)),
        dict(name="file", text="over\n", mode=0o600, owner=(44, 44)),
    ],
    "through.tar": [dict(name="lib/file", text="through\n")],
    "linkdir.tar": [
        dict(name="lib", kind=DIR, mode=0o755),
        dict(name="lib/file", text="dir over link\n"),
    ],
    "overlink.tar": [dict(name="alias", text="over link\n", mode=0o600)],
    "overdir.tar": [dict(name="keep", text="file over directory\n")],
    "selflink.tar": [
        dict(name="target", kind=DIR),
        dict(name="way", kind=SYM, link="target", mode=0o777),
        dict(name="way/file", text="by the archive's own link\n"),
    ],
    "twice.tar": [
        dict(name="file", text="first\n", mode=0o600),
        dict(name="file", text="second\n", mode=0o644),
    ],
    "whiteout.tar": [dict(name=".wh.file", text=""), dict(name="beside", text="b\n")],
    "escape.tar": [dict(name="/absolute", text="a\n"), dict(name="sub/../dotted", text="d\n")],
    "outside.tar": [dict(name="../../outside", text="o\n")],
    "linkout.tar": [dict(name="out", kind=SYM, link="../../../etc/passwd", mode=0o777)],
    "xattrs.tar": [
        dict(name="capable", text="c\n", mode=0o755, xattrs={"user.note": "hello"}),
    ],
    "hardbelow.tar": [dict(name="again", kind=LNK, link="target")],
    "empty.tar": [],
}


def make_archives(root):
    for name, members in ARCHIVES.items():
        archive(os.path.join(root, name), members)
    for suffix, mode in (("gz", "w:gz"), ("bz2", "w:bz2"), ("xz", "w:xz")):
        archive(os.path.join(root, "owners.tar." + suffix), ARCHIVES["owners.tar"], mode)
    subprocess.run(["zstd", "-q", "-k", os.path.join(root, "owners.tar")], check=True)
    with open(os.path.join(root, "owners.tar"), "rb") as f:
        data = f.read()
    with lzma.open(os.path.join(root, "owners.tar.lzma"), "w", format=lzma.FORMAT_ALONE) as f:
        f.write(data)
    with open(os.path.join(root, "named-otherwise.bin"), "wb") as f:
        f.write(data)
    write(root, "fake.tar", "no archive\n")
    write(root, "plain", "plain\n")
    subprocess.run(["gzip", "-nk", os.path.join(root, "plain")], check=True)


def make_main(root):
    for name in ("a.txt", "b.txt", "c.md"):
        write(root, name, name + "\n")
    write(root, "exec.sh", "#!/bin/sh\necho ran\n", 0o755)
    write(root, "secret", "s\n", 0o600)
    write(root, "setuid", "s\n", 0o4755)
    write(root, "setgid", "s\n", 0o2755)
    write(root, "sticky", "s\n", 0o1644)
    write(root, "empty", "")
    write(root, "script", "#!/bin/sh\r\necho crlf\r\n")
    for name in ("dir/one", "dir/two", "dir/sub/three", "dir/sub/deep/four", "dir2/sub/other", "dir2/one"):
        write(root, name, name + "\n")
    os.chmod(os.path.join(root, "dir2/sub"), 0o750)
    write(root, "dir700/file", "f\n")
    os.chmod(os.path.join(root, "dir700"), 0o700)
    os.makedirs(os.path.join(root, "emptydir"))
    os.makedirs(os.path.join(root, "setgiddir"))
    write(root, "setgiddir/file", "f\n")
    os.chmod(os.path.join(root, "setgiddir"), 0o2775)
    os.makedirs(os.path.join(root, "stickydir"))
    os.chmod(os.path.join(root, "stickydir"), 0o1777)
    for name, target in {
        "link-file": "a.txt",
        "link-dir": "dir",
        "link-dangling": "nowhere",
        "link-absolute": "/etc/passwd",
        "link-outside": "../../../etc/passwd",
        "link-chain": "link-file",
        "links/up": "../a.txt",
        "links/dir": "../dir",
        "links/self": "self",
    }.items():
        os.makedirs(os.path.dirname(os.path.join(root, name)), exist_ok=True)
        os.symlink(target, os.path.join(root, name))
    write(root, "hard/1", "hard\n")
    os.link(os.path.join(root, "hard/1"), os.path.join(root, "hard/2"))
    os.link(os.path.join(root, "hard/1"), os.path.join(root, "hard-outside"))
    for name in ODD_NAMES:
        write(root, "odd/" + name, name + "\n")
    write(root, "xattr", "x\n")
    os.setxattr(os.path.join(root, "xattr"), "user.note", b"hello")
    write(root, "type/a", "file\n")
    write(root, "type2/a/b", "file\n")
    write(root, "globs/1/x.c", "1\n")
    write(root, "globs/2/x.c", "2\n")
    write(root, "globs/2/y.h", "2\n")
    make_archives(root)
    os.symlink("owners.tar", os.path.join(root, "link-archive"))


def make_ignored(root):
    """For .dockerignore cases: a tree with many likely names."""
    for name in (
        ".git/config",
        ".hidden",
        "Dockerfile",
        "README.md",
        "README-secret.md",
        "docs/README.md",
        "docs/guide.txt",
        "docs/deep/guide.txt",
        "node_modules/m/index.js",
        "src/node_modules/m/index.js",
        "src/main.c",
        "src/main.o",
        "src/lib/lib.o",
        "src/lib/keep.o",
        "src/temp1",
        "src/tempa",
        "build/out",
        "build/keep/this",
        "build/drop/that",
        "foo",
        "bar/foo",
        "bar/baz/foo",
        "space name/file",
        "a!b",
        "#x",
    ):
        write(root, name, name + "\n")
    write(root, ".dockerignore", ".dockerignore\nDockerfile\n.git\n")
    write(root, "Dockerfile", "FROM busybox\nCOPY . /all/\nADD . /added/\n")
    os.symlink("src", os.path.join(root, "srclink"))


def make(root):
    make_main(os.path.join(root, "main"))
    make_ignored(os.path.join(root, "ignored"))
    for folder, folders, _ in os.walk(root):
        for name in folders:
            path = os.path.join(folder, name)
            if not os.path.islink(path) and os.stat(path).st_mode & 0o7777 == 0o755:
                os.chmod(path, 0o755)
