"""Questions that are put to a remote store several at once: how many, and in which order they are answered."""

from __future__ import annotations

import contextlib
import threading

import pytest

from secftp.errors import Forbidden, NotFound
from secftp.protocol import Algorithm
from secftp.server.access import Rights
from secftp.storage import LocalStore
from secftp.storage.wrappers import SourceWrapper, StoreWrapper
from secftp.transfer import Upload
from secftp.transfer.options import CopyOptions, RemoteLocation
from tests.support.copying import Recorder, make
from tests.support.serving import DEADLINE, digest_of, serving, until

AT_ONCE = 16
DROP_BOX = Rights(read=False, write=True, overwrite=False, list=False, delete=False)
FILES = {b"f%d" % number: b"%d" % number for number in range(3 * AT_ONCE)}


class Remote(StoreWrapper):
    """A store in which questions about files wait until so many are there at once."""

    def __init__(self, root, together=AT_ONCE):
        super().__init__(LocalStore(root))
        self.barrier = threading.Barrier(together, timeout=DEADLINE)
        self.opened, self.open = [], set()
        self.gate = None

    @property
    def at_once(self):
        return AT_ONCE

    def stat(self, path, *, partial=False):
        if path[-1:] and path[-1].startswith(b"f"):
            self.barrier.wait()
        return super().stat(path, partial=partial)

    def open_source(self, path):
        self.barrier.wait()
        source = Opened(super().open_source(path))
        source.store = self
        self.opened.append(path)
        self.open.add(source)
        if self.gate is not None:
            self.gate.wait(DEADLINE)
        return source


class Opened(SourceWrapper):
    __slots__ = ("store",)

    def stored_digest(self, algorithm):
        return digest_of(b"stored", algorithm)

    def close(self):
        self.store.open.discard(self)
        super().close()


@pytest.fixture
def make_remote(root):
    make(root, FILES)
    return lambda **options: Remote(root, **options)


def test_as_many_as_the_store_says_are_asked_at_once(root, make_remote):
    """The barrier lets nothing through unless so many wait; then answers come in the order of the requests."""
    with serving(root, store=make_remote()) as server, server.session() as client:
        asked = [client.begin_stat((name,)) for name in FILES]
        assert [each.result().size for each in asked] == list(map(len, FILES.values()))


def test_a_directory_of_this_machine_is_asked_one_after_the_other(store):
    assert store.at_once == 1


def test_checksums_too(root, make_remote):
    with serving(root, store=(store := make_remote())) as server, server.session() as client:
        asked = [client.begin_checksum((name,), Algorithm.XXH128) for name in FILES]
        assert {each.result().digest for each in asked} == {digest_of(b"stored")}
    assert sorted(store.opened) == sorted((name,) for name in FILES)
    assert not store.open


def test_failures_stay_where_they_are(root, make_remote):
    names = [name for pair in zip(FILES, (b"none%d" % n for n in range(len(FILES))), strict=True) for name in pair]
    with serving(root, store=make_remote(together=1)) as server, server.session() as client:
        for begin in (client.begin_stat, lambda path: client.begin_checksum(path, Algorithm.XXH128)):
            asked = [begin((name,)) for name in names]
            for name, answer in zip(names, asked, strict=True):
                if name.startswith(b"none"):
                    with pytest.raises(NotFound):
                        answer.result()
                else:
                    answer.result()


def test_what_comes_behind_them_is_served_behind_them(root, make_remote):
    with serving(root, store=make_remote(together=1)) as server, server.session() as client:
        before = [client.begin_stat((b"new",)) for _ in range(5)]
        client.make_directory((b"new",))
        assert client.stat((b"new",)).size == 0
        for answer in before:
            with pytest.raises(NotFound):
                answer.result()


def test_rights_count_as_for_a_single_one(root, make_remote):
    with serving(root, store=(store := make_remote(together=1)), rights=DROP_BOX) as server, server.session() as client:
        asked = [client.begin_stat((name,)) for name in FILES]
        asked += [client.begin_checksum((name,), Algorithm.XXH128) for name in FILES]
        for answer in asked:
            with pytest.raises(Forbidden):
                answer.result()
    assert store.opened == []


def test_an_update_of_a_tree(root, make_remote, tmp_path):
    top = make(tmp_path / "here", FILES)
    told = Recorder()
    with serving(root, store=make_remote(together=2)) as server, server.session() as client:
        (root / "f0").unlink()
        summary = Upload([f"{top}/."], RemoteLocation((), True), CopyOptions(update=True), told).run(client)
    assert (summary.files, summary.skipped) == (1, len(FILES) - 1)


def test_a_client_that_is_lost_in_the_middle(root, make_remote):
    """What was opened for it is closed."""
    store = make_remote(together=1)
    store.gate = threading.Event()
    with serving(root, store=store) as server:
        with contextlib.suppress(OSError), server.session() as client:
            client.stat(())  # the session is there
            for name in FILES:
                client.begin_checksum((name,), Algorithm.XXH128)
            client.pipeline.flush()
            until(lambda: store.opened, "a file is being opened")
            client.interrupt()
            store.gate.set()
        server.done(1)
    assert not store.open


def test_a_client_that_leaves_in_the_middle(root, make_remote):
    store = make_remote(together=1)
    with serving(root, store=store) as server, server.session() as client:
        for name in FILES:
            client.begin_checksum((name,), Algorithm.XXH128)
        client.pipeline.flush()
    assert store.opened
    assert not store.open
