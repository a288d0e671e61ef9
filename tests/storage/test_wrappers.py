"""Wrappers: what a subclass changes is not passed by, however an operation is asked for."""

from __future__ import annotations

import pytest

from secftp.errors import Forbidden, NotFound
from secftp.protocol import Algorithm, Capability
from secftp.storage import WriteOptions
from secftp.storage.attributes import Kept
from secftp.storage.store import Sink, SmallFiles, Source, Store
from secftp.storage.wrappers import SinkWrapper, SmallFilesWrapper, SourceWrapper, StoreWrapper

A, B = (b"a",), (b"b",)


class Files(SmallFiles):
    def __init__(self):
        self.calls = []

    def read(self, path, limit):
        self.calls.append(("read", path, limit))
        if path == B:
            raise NotFound("No such file")
        return None, path[0]

    def write(self, path, data, options=None):
        self.calls.append(("write", path, bytes(data)))
        if path == B:
            raise NotFound("No such file")
        return Kept()

    def close(self):
        pass


class Ahead(Files):
    """Small files with ways of their own for many."""

    def read_each(self, paths, limit):
        yield from ((None, b"ahead") for _ in paths)

    def write_each(self, files):
        yield from (Kept(time=False) for _ in files)


def test_many_files_are_read_and_written_in_order_and_one_that_fails_does_not_end_it():
    files = Files()
    first, second, third = files.read_each([A, B, A], 5)
    assert first == third == (None, b"a")
    assert type(second) is NotFound
    written = list(files.write_each((path, memoryview(b"1"), WriteOptions()) for path in (A, B, A)))
    assert [type(one) for one in written] == [Kept, NotFound, Kept]
    assert files.calls == [
        *(("read", path, 5) for path in (A, B, A)),
        *(("write", path, b"1") for path in (A, B, A)),
    ]


def test_it_is_lazy():
    taken = []

    def paths():
        for number in range(5):
            taken.append(number)
            yield A

    found = Files().read_each(paths(), 1)
    assert taken == []
    next(found)
    assert taken == [0]


def test_a_wrapper_passes_many_files_on_and_one_that_changes_a_file_does_not():
    class Refusing(SmallFilesWrapper):
        def write(self, path, data, options=None):
            raise Forbidden("x")

    class Hiding(SmallFilesWrapper):
        def read(self, path, limit):
            raise NotFound("x")

    batch = [(A, memoryview(b"1"), WriteOptions())]
    assert list(SmallFilesWrapper(Ahead()).read_each([A], 1)) == [(None, b"ahead")]
    assert list(SmallFilesWrapper(Ahead()).write_each(batch)) == [Kept(time=False)]
    assert [type(one) for one in Refusing(Ahead()).write_each(batch)] == [Forbidden]
    assert list(Refusing(Ahead()).read_each([A], 1)) == [(None, b"ahead")]
    assert [type(one) for one in Hiding(Ahead()).read_each([A], 1)] == [NotFound]
    assert list(Hiding(Ahead()).write_each(batch)) == [Kept(time=False)]


class Whole(Store):
    """A store that copies by itself, and lacks something."""

    lacks = frozenset({Capability.RESUME})

    def copy(self, path, to, options, check, /):
        return "copied"


for _name in ("remove", "rename", "has_attributes", "make_writable", "restore_mode", "set_attributes", "close"):
    setattr(Whole, _name, lambda *_: None)


def test_a_store_copies_nothing_by_itself_and_lacks_nothing_unless_it_says_so():
    assert Store.copy(Whole(), A, B, WriteOptions(), print) is None
    assert Store.lacks.fget(Whole()) == frozenset()


@pytest.mark.parametrize("method", ["create_sink", "open_source"])
def test_a_copy_is_not_passed_by_a_wrapper_that_changes_reading_or_writing(method):
    changing = type("Changing", (StoreWrapper,), {method: lambda *_: None})
    assert StoreWrapper(Whole()).copy(A, B, WriteOptions(), print) == "copied"
    assert changing(Whole()).copy(A, B, WriteOptions(), print) is None
    assert changing(Whole()).lacks == {Capability.RESUME}


def test_digests_are_passed_on_and_none_are_known_by_themselves():
    seen = []

    class Noting(Sink):
        def note_digest(self, algorithm, digest):
            seen.append((algorithm, digest))

        def abort(self):
            pass

        close = keep = abort

    class Knowing(Source):
        def stored_digest(self, algorithm):
            return algorithm.encode()

        def check_unchanged(self):
            pass

        close = check_unchanged

    SinkWrapper(Noting()).note_digest(Algorithm.MD5, b"x")
    assert seen == [(Algorithm.MD5, b"x")]
    assert SourceWrapper(Knowing()).stored_digest(Algorithm.MD5) == b"md5"
    assert Source.stored_digest(Knowing(), Algorithm.MD5) is None
    assert Sink.note_digest(Noting(), Algorithm.MD5, b"x") is None
