"""How many listings a download requests ahead: few of a server that is near, since the first files wait for them."""

from __future__ import annotations

from collections import deque

import pytest

from secftp.protocol import Entries, Kind
from secftp.protocol.replies import Listed
from secftp.transfer import Download, RemoteLocation
from secftp.transfer.filters import Filters
from secftp.transfer.progress import Counters, ProgressListener, Summary
from secftp.transfer.remote_tree import RemoteDirectory, RemoteTree
from secftp.waits import DIRECT

DIRECTORIES = 200


class Server:
    """A pipeline whose server answers a listing whenever it is waited for, in order."""

    waits = DIRECT

    def __init__(self, files):
        self._files = files
        self.waiting = deque()
        self.most = 0
        self._id = 0

    def next_id(self):
        self._id += 1
        return self._id

    def submit(self, request, handler):
        self.waiting.append((request, handler))
        self.most = max(self.most, len(self.waiting))

    def step(self):
        request, handler = self.waiting.popleft()
        if len(request.path) == 1:
            entries = tuple(Listed((b"%03d" % number,), Kind.DIRECTORY) for number in range(DIRECTORIES))
        else:
            entries = tuple(Listed((b"file-%d" % number,), Kind.FILE, 1) for number in range(self._files))
        assert handler(Entries(id=request.id, entries=entries, last=True))


@pytest.mark.parametrize("files", [1, 127, 128, 300])
@pytest.mark.parametrize(
    ("seconds", "near"),
    [("not told", False), (None, False), (0.0, True), (0.0001, True), (0.0049, True), (0.005, False), (0.1, False)],
)
def test_by_the_round_trip(seconds, near, files):
    """Those of a server that is near become more with each directory that has few entries."""
    server, counters = Server(files), Counters(Summary(), ProgressListener())
    top = RemoteDirectory((b"top",), (b"top",), b"top")
    tree = RemoteTree([top], Filters((), ()), counters, lambda _directory: True, lambda _directory: None)
    if seconds != "not told":
        tree.use_round_trip(seconds)
    found = []
    while (file := tree.next(server, lambda: None)) is not None:
        found.append(file.name)
        tree.done(file.directory)
    assert len(set(found)) == len(found) == DIRECTORIES * files
    assert server.most == (2 if near and files >= 128 else 128)


def test_a_download_tells_what_the_kernel_has_measured(monkeypatch, server, client, root, tmp_path):
    """On this machine that is near."""
    told = []
    monkeypatch.setattr(RemoteTree, "use_round_trip", lambda _tree, seconds: told.append(seconds))
    (root / "tree").mkdir()
    (root / "tree" / "file").write_bytes(b"contents")
    Download([RemoteLocation((b"tree",), trailing_slash=False)], str(tmp_path / "copy")).run(client)
    assert (tmp_path / "copy" / "file").read_bytes() == b"contents"
    assert len(told) == 1
    assert told[0] is None or 0 < told[0] < 0.005
