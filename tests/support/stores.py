"""Stores for tests of the interface, each with a way to look and to act behind it, and with what differs between them.

What a test finds out must be the same for every store, except where `Traits` say otherwise; these are written down for
users, too, in the table of docs/operators.md.
"""

from __future__ import annotations

import contextlib
import os
from typing import NamedTuple

from secftp.storage import LocalStore

MARKER = ".secftp-directory"
DIGESTS = ".secftp-digest"


class Traits(NamedTuple):
    """What a user can tell stores apart by.

    `parents`: a file can be made only in a directory that exists. `any_bytes`: names of any bytes are taken, not only
    valid UTF-8 without control characters. `stays_open`: a file that is replaced or removed while it is read is read on
    as it was; otherwise reading it fails. `renames_directories`, `resumes`: whether the store can do that.
    `one_name`: a file and a directory never have the same name. `keeps_mode`: a file that is replaced, and for which no
    permissions are requested, keeps those that it had. `new_mode`: the permissions of a new file under the umask 022.
    `copies_metadata`: a large file that may not replace another one gets the requested time and permissions.
    `sets_attributes`: those of a file can be changed later.
    """

    parents: bool
    any_bytes: bool
    stays_open: bool
    renames_directories: bool
    resumes: bool
    one_name: bool
    keeps_mode: bool
    new_mode: int = 0o644
    copies_metadata: bool = True
    sets_attributes: bool = True


LOCAL = Traits(
    parents=True,
    any_bytes=True,
    stays_open=True,
    renames_directories=True,
    resumes=True,
    one_name=True,
    keeps_mode=True,
)
OBJECTS = Traits(
    parents=False,
    any_bytes=False,
    stays_open=False,
    renames_directories=False,
    resumes=False,
    one_name=False,
    keeps_mode=True,
    sets_attributes=False,
)


class LocalBacking:
    """A local directory, `root`."""

    traits = LOCAL
    page = 1_000  # as in an object store

    def __init__(self, root):
        self.root = root
        self.store = self.open()

    def open(self):
        """Another store of the same files, as another server has it."""
        return LocalStore(self.root)

    def close(self):
        self.store.close()

    def _place(self, path):
        return os.path.join(os.fsencode(self.root), *path)

    def write(self, path, data=b"x"):
        """Make or replace a file behind the store, as another program does, with the directories above it."""
        os.makedirs(os.path.dirname(self._place(path)), exist_ok=True)
        temporary = self._place((b".other program",))
        with open(temporary, "wb") as file:
            file.write(data)
        os.rename(temporary, self._place(path))

    def remove(self, path):
        """Remove a file behind the store."""
        os.unlink(self._place(path))

    def make_directory(self, path):
        """Make an empty directory behind the store, with those above it."""
        os.makedirs(self._place(path), exist_ok=True)

    def read(self, path):
        """Return the bytes of a file, read behind the store."""
        with open(self._place(path), "rb") as file:
            return file.read()

    def files(self):
        """Return all files with their bytes, without those that are a store's own."""
        return {path: self.read(path) for path in self._names() if not _is_reserved(path)}

    def leftovers(self):
        """Return what unfinished writers have left."""
        return [path for path in self._names() if _is_reserved(path)]

    def _names(self):
        root = os.fsencode(self.root)
        for directory, _, names in os.walk(root):
            for name in names:
                yield tuple(os.path.relpath(os.path.join(directory, name), root).split(b"/"))


class ObjectBacking:
    """A prefix of a bucket. `raw`: the store of obstore for that prefix; `opened()` makes a store of secftp for it.

    `unfinished()` returns the multipart uploads that are neither completed nor aborted. `page`: so many entries are in
    an answer to a listing.
    """

    traits = OBJECTS
    page = 1_000

    def __init__(self, raw, opened, unfinished=lambda: ()):
        self.raw = raw
        self.open = opened
        self.store = opened()
        self._unfinished = unfinished

    def close(self):
        self.store.close()

    def write(self, path, data=b"x"):
        import obstore

        obstore.put(self.raw, _key(path), data, use_multipart=False)

    def remove(self, path):
        import obstore

        obstore.delete(self.raw, _key(path))

    def make_directory(self, path):
        self.write((*path, MARKER.encode()), b"")

    def read(self, path):
        import obstore

        return bytes(obstore.get(self.raw, _key(path)).bytes())

    def files(self):
        return {path: self.read(path) for path in self._names() if not _is_reserved(path)}

    def leftovers(self):
        """Directory markers, and the digests of files that are there, belong to these."""
        own = {MARKER.encode(), DIGESTS.encode()}
        return [path for path in self._names() if _is_reserved(path) and not own & set(path)] + [*self._unfinished()]

    def _names(self):
        import obstore

        for batch in obstore.list(self.raw):
            for found in batch:
                yield tuple(found["path"].encode().split(b"/"))


def _key(path):
    return b"/".join(path).decode()


def _is_reserved(path):
    return any(name.startswith(b".secftp-") for name in path)


def start_obstore():
    """Have obstore open what it keeps until the process ends: a thread pool with its descriptors."""
    import obstore
    from obstore.store import MemoryStore

    obstore.put(MemoryStore(), "a", b"")


@contextlib.contextmanager
def local_backing(root):
    """A local directory."""
    with contextlib.closing(LocalBacking(root)) as backing:
        yield backing


@contextlib.contextmanager
def memory_backing():
    """An object store in this process: the one that obstore has for tests."""
    from obstore.store import MemoryStore

    from secftp.storage.objects.bucket import Bucket
    from secftp.storage.objects.store import ObjectStore

    raw = MemoryStore()

    def opened():
        store = ObjectStore(Bucket(raw))
        store.probe()
        return store

    with contextlib.closing(ObjectBacking(raw, opened)) as backing:
        yield backing
