"""What there is to compare about an image in an OCI archive: its tree, its configuration and its history.

The layers are put together here, in memory, after the rules of the OCI image specification (layer.md), so that
root is not needed and nothing of a file system of this host shows."""
import gzip
import hashlib
import io
import json
import stat
import tarfile

TYPES = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "symlink",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
}


class Image:
    def __init__(self, archive):
        self.layers = []
        with tarfile.open(archive) as outer:

            def blob(digest):
                return outer.extractfile("blobs/" + digest.replace(":", "/")).read()

            index = json.load(outer.extractfile("index.json"))
            manifest = json.loads(blob(index["manifests"][0]["digest"]))
            if "manifests" in manifest:
                manifest = json.loads(blob(manifest["manifests"][0]["digest"]))
            self.config = json.loads(blob(manifest["config"]["digest"]))
            for layer in manifest["layers"] or []:
                data = blob(layer["digest"])
                if data[:2] == b"\x1f\x8b":
                    data = gzip.decompress(data)
                self.layers.append(read_layer(data))
        self.tree = put_together(self.layers)


def read_layer(data):
    """Path → entry (a dictionary), in the order of the archive. Hard links have "link"."""
    entries = {}
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as tar:
        for member in tar:
            path = member.name.strip("/")
            path = "" if path == "." else path.removeprefix("./")
            if member.islnk():
                entries[path] = {"link": member.linkname.strip("/").removeprefix("./")}
                continue
            entry = {
                "type": TYPES.get(member.type, "other"),
                "mode": "%04o" % stat.S_IMODE(member.mode),
                "owner": "%d:%d" % (member.uid, member.gid),
                "xattrs": {
                    name.removeprefix("SCHILY.xattr."): value.encode("utf-8", "surrogateescape").hex()
                    for name, value in sorted(member.pax_headers.items())
                    if name.startswith("SCHILY.xattr.")
                },
            }
            if entry["type"] == "symlink":
                entry["target"] = member.linkname
            if entry["type"] in ("char", "block"):
                entry["device"] = "%d:%d" % (member.devmajor, member.devminor)
            if entry["type"] == "file":
                content = tar.extractfile(member).read()
                entry["content"] = hashlib.sha256(content).hexdigest()[:12]
                entry["text"] = content[:4000].decode("utf-8", "backslashreplace")
            entries[path] = entry
    return entries


def remove_below(tree, path):
    for other in [p for p in tree if p.startswith(path + "/" if path else "") and p != path]:
        del tree[other]


def put_together(layers):
    tree = {}
    for layer in layers:
        for path in layer:
            folder, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                remove_below(tree, folder)
            elif name.startswith(".wh."):
                gone = (folder + "/" if folder else "") + name[4:]
                remove_below(tree, gone)
                tree.pop(gone, None)
        for path, entry in layer.items():
            if path.rpartition("/")[2].startswith(".wh."):
                continue
            if "link" in entry:
                entry = tree.get(entry["link"], {"type": "broken link to " + entry["link"]})
            elif entry["type"] != "dir":
                remove_below(tree, path)
            tree[path] = entry
    groups = {}
    for path, entry in tree.items():
        if entry["type"] != "dir":
            groups.setdefault(id(entry), []).append(path)
    result = {}
    for path, entry in tree.items():
        result[path] = dict(entry)
        others = groups.get(id(entry), [path])
        if len(others) > 1:
            result[path]["links"] = " ".join(sorted(others))
    return result
