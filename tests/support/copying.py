"""Support for tests of the copy engine: trees, a listener that records its calls, a connection that breaks."""

from __future__ import annotations

import os
import stat

from secftp.transfer import Download, ProgressListener, Upload
from tests.support.cutting import cutting
from tests.support.serving import digest_of, session

OLD = 1_000_000_000_123_456_789  # a time in nanoseconds that nothing gets by itself
ODD_NAMES = [
    b"plain",
    b"two\nlines",
    b"no \xff\xfe utf-8",
    "größe ☃".encode(),
    b"-rf",
    b"*",
    b"\x01\x1b[2J",
    b"'\"$(x)`",
    b"x" * 255,
    b"...",
    b" ",
]


class Recorder(ProgressListener):
    """Everything a copy says, as (call, name, ...); a name it was never told the beginning of is an error."""

    def __init__(self):
        self.calls = []
        self.plans = []
        self.bytes = 0  # what a bar would show
        self.at = None  # called after each finished file with how many there are
        self.finished_names = []

    def planned(self, files, nbytes):
        self.plans.append((files, nbytes))

    def started(self, name, size):
        self.calls.append(("started", name, size))

    def moved(self, nbytes):
        self.bytes += nbytes

    def resumed(self, name, nbytes):
        self.bytes += nbytes
        self.calls.append(("resumed", name, nbytes))

    def finished(self, name, size, digest):
        self.calls.append(("finished", name, size, digest))
        self.finished_names.append(name)
        if self.at is not None:
            self.at(len(self.finished_names))

    def skipped(self, name, reason):
        self.calls.append(("skipped", name, reason))

    def note(self, name, text):
        self.calls.append(("note", name, text))

    def failed(self, name, error):
        self.calls.append(("failed", name, error))

    def ended(self, summary):
        self.calls.append(("ended",))

    def of(self, call):
        """What was said in the calls of one kind."""
        return [told[1:] for told in self.calls if told[0] == call]

    def names(self, call):
        return sorted(told[0] for told in self.of(call))


def make(top, files, *, mode=0o644, mtime_ns=OLD):
    """A tree of files by their relative names as bytes; a name with a slash at its end is an empty directory."""
    top = os.fsencode(top)
    os.makedirs(top, exist_ok=True)
    for name, data in files.items():
        place = os.path.join(top, name)
        if name.endswith(b"/"):
            os.makedirs(place, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(data)
        os.chmod(place, mode)
        os.utime(place, ns=(mtime_ns, mtime_ns))
    return os.fsdecode(top)


def look(top):
    """A tree as {name: (kind, permissions, time, content)}, the top itself as b"."."""
    top = os.fsencode(top)
    found = {}
    for directory, directories, files in os.walk(top):
        for name in (*directories, *files, b"."):
            if name == b"." and directory != top:
                continue
            place = os.path.normpath(os.path.join(directory, name))
            status = os.lstat(place)
            content = None
            if stat.S_ISREG(status.st_mode):
                with open(place, "rb") as file:
                    content = file.read()
            found[os.path.relpath(place, top)] = (
                stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_mtime_ns, content
            )  # fmt: skip
    return found


def upload(client, sources, target, options=None, listener=None):
    """What `Upload(...)` says when it has run over one session."""
    return Upload(sources, target, options, listener).run(client)


def download(client, sources, target, options=None, listener=None):
    """What `Download(...)` says when it has run over one session."""
    return Download(sources, target, options, listener).run(client)


def contents(top):
    """Only names and bytes."""
    return {name: content for name, (*_, content) in look(top).items() if content is not None}


def run_broken(server, copy, cut):
    """Run a copy over a connection that is cut after so many bytes; the class of what it raised, once the server is
    through with it."""
    count = server.log.text.count(": Done.")
    failure = None
    with cutting(server.port, cut) as proxy:
        try:
            with session(proxy.port) as broken:
                copy.run(broken)
        except OSError as error:
            failure = type(error)  # not itself: it would keep the copy alive, and what that has open
    server.done(count + 1)
    return failure


def assert_all_told(told, summary, there):
    """The summary and the events of a copy of `src`, which holds the files `there` and was copied whole."""
    assert (summary.files, summary.bytes) == (len(there), sum(map(len, there.values())))
    assert (summary.skipped, summary.failed, summary.digest) == (0, 0, None)
    assert told.plans == [(summary.files, summary.bytes)]
    assert told.bytes == summary.bytes
    assert told.names("finished") == told.names("started") == sorted(b"src/" + name for name in there)
    assert all(digest == digest_of(there[name[4:]]) for name, _, digest in told.of("finished"))
    assert told.calls[-1] == ("ended",)
