"""Capabilities of a session: those of the store of its key, in WELCOME and for each request and field."""

from __future__ import annotations

import contextlib

import pytest

from secftp.protocol import (
    Abort,
    Capability,
    End,
    Error,
    ErrorCode,
    Files,
    List,
    NewFile,
    Ok,
    Read,
    ReadMany,
    Remove,
    Rename,
    Request,
    Results,
    Space,
    Stat,
    Sum,
    Write,
    WriteMany,
)
from secftp.protocol import Hole as HoleMessage
from secftp.protocol.message import Kind
from secftp.server.access import NamedKey, Rights
from secftp.server.requests.capabilities import used_by
from secftp.storage import LocalStore
from secftp.storage.wrappers import StoreWrapper
from tests.protocol.test_codec import EXAMPLES
from tests.support.serving import KEY, digest_of, get, listing, put, serving

ALL = Rights(read=True, write=True, overwrite=True)
DATA = b"what is sent, or was there before"
DIGEST = digest_of(DATA)
PREFIX = digest_of(DATA[:5])
OBJECTS = frozenset({"resume", "uploads", "holes", "backup", "space"})


class Lacking(StoreWrapper):
    """A directory that lacks capabilities, and counts what it is asked."""

    def __init__(self, root, lacks):
        super().__init__(LocalStore(root))
        self._lacks = frozenset(map(Capability, lacks))

    @property
    def lacks(self):
        return self._lacks


@contextlib.contextmanager
def lacking(root, lacks=OBJECTS):
    with serving(root, store=Lacking(root, lacks)) as server:
        yield server


@pytest.mark.parametrize("request_", [one[0] for one in EXAMPLES if isinstance(one[0], Request)], ids=repr)
def test_what_a_client_has_to_wait_for_is_among_what_a_request_uses(request_):
    needed = request_.needs()
    ignored = isinstance(request_, Write) and request_.keep and needed is Capability.RESUME
    assert needed is None or ignored or needed in set(used_by(request_))


def test_welcome_names_what_the_store_of_the_key_has(tmp_path):
    for name in ("root", "own"):
        (tmp_path / name).mkdir()
    with contextlib.closing(Lacking(tmp_path / "own", OBJECTS)) as own:
        named = {"me": NamedKey(KEY.password(), ALL, own)}
        with serving(tmp_path / "root", named=named) as server:
            with server.hostile() as wire:
                everything = set(wire.welcome().capabilities)
            with server.hostile(name="me") as wire:
                assert set(wire.welcome().capabilities) == everything - OBJECTS
    assert everything >= set(Capability) - {"zstd"}


# Requests by what they use that an object store lacks.
REFUSED = {
    "the rest of a file": lambda n: Read(id=n, path=(b"f",), offset=5, prefix=PREFIX),
    "a partial": lambda n: Stat(id=n, path=(b"f",), partial=True),
    "the parts of a partial": lambda n: Stat(id=n, path=(b"f",), partial=True, parts=True),
    "space": lambda n: Space(id=n),
    "backups of a batch": lambda n: WriteMany(id=n, files=(NewFile((b"f",), DATA, DIGEST),), backup=b"~"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_request_that_uses_what_is_lacking_is_unsupported_and_does_nothing(tmp_path, case):
    (tmp_path / "f").write_bytes(b"old")
    with lacking(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(REFUSED[case](1), Read(id=2, path=(b"f",)))
        answer = wire.receive()
        assert (type(answer), answer.id, answer.code) == (Error, 1, ErrorCode.UNSUPPORTED)
        assert wire.receive().id == 2  # the session goes on
    assert listing(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


WRITES = {
    "the rest of a file": {"offset": 5, "prefix": PREFIX},
    "a part": {"upload": bytes(16), "at": 0, "total": 2 * len(DATA)},
    "a part with a backup": {"upload": bytes(16), "at": 0, "total": len(DATA), "backup": b"~"},
    "a backup": {"backup": b"~"},
}


@pytest.mark.parametrize("case", WRITES)
def test_a_write_that_uses_what_is_lacking_is_unsupported_and_its_bytes_are_discarded(tmp_path, case):
    (tmp_path / "f").write_bytes(b"old")
    with lacking(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(Write(id=1, path=(b"f",), size=len(DATA), **WRITES[case]))
        wire.send_data(DATA)
        wire.send(End(size=len(DATA), digest=DIGEST))
        answer = wire.receive()
        assert (type(answer), answer.code) == (Error, ErrorCode.UNSUPPORTED)
        wire.send(Write(id=2, path=(b"g",), size=len(DATA)))
        wire.send_data(DATA)
        wire.send(End(size=len(DATA), digest=DIGEST))
        assert isinstance(wire.receive(), Ok)
    assert listing(tmp_path) == ["f", "g"]
    assert (tmp_path / "f").read_bytes() == b"old"


@pytest.mark.parametrize("lacks", ["uploads", "backup"])
def test_each_capability_counts_by_itself_where_a_request_uses_several(tmp_path, lacks):
    with lacking(tmp_path, {lacks}) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(
            Write(id=1, path=(b"f",), size=len(DATA), upload=bytes(16), at=0, total=len(DATA), backup=b"~"),
        )
        wire.send_data(DATA)
        wire.send(End(size=len(DATA), digest=DIGEST, whole=DIGEST))
        assert wire.receive().code is ErrorCode.UNSUPPORTED
    assert not listing(tmp_path)


REQUESTS = {
    "versions": [Read(id=1, path=(b"f",), version=b"x"), Sum(id=2, path=(b"f",), version=b"x")],
    "ranges": [Read(id=1, path=(b"f",), offset=1), Read(id=2, path=(b"f",), length=1)],
    "others": [Remove(id=1, path=(b"f",), kind=Kind.SYMLINK)],
    "change": [Rename(id=1, path=(b"f",), to=(b"g",)), Remove(id=2, path=(b"f",))],
    "many": [ReadMany(id=1, paths=((b"f",),)), WriteMany(id=2, files=(NewFile((b"f",), DATA, DIGEST),))],
    "sum": [Sum(id=1, path=(b"f",))],
    "stat": [Stat(id=1)],
    "list": [List(id=1)],
}


@pytest.mark.parametrize("lacks", REQUESTS)
def test_any_capability_may_be_lacking(tmp_path, lacks):
    (tmp_path / "f").write_bytes(b"old")
    with lacking(tmp_path, {lacks}) as server, server.hostile() as wire:
        assert lacks not in wire.welcome().capabilities
        for request in REQUESTS[lacks]:
            wire.send(request)
            answer = wire.receive()
            assert (type(answer), answer.code) == (Error, ErrorCode.UNSUPPORTED), request
    assert (tmp_path / "f").read_bytes() == b"old"


def test_a_file_is_not_kept_where_nothing_can_be_resumed_although_the_client_wants_it(tmp_path):
    """`keep` may be sent before WELCOME, so it is no error (docs/PROTOCOL.md, section 10.2)."""
    with lacking(tmp_path) as server:
        with server.hostile() as wire:
            wire.welcome()
            wire.send(Write(id=1, path=(b"f",), size=2 * len(DATA), keep=True))
            wire.send_data(DATA)
            wire.send(Abort(code=ErrorCode.CANCELLED))
            assert wire.receive().code is ErrorCode.CANCELLED
            wire.send(Write(id=2, path=(b"f",), size=2 * len(DATA), keep=True))
            wire.send_data(DATA)
        server.done(1)
        assert not listing(tmp_path)
        with server.hostile() as wire:
            wire.welcome()
            wire.send(Write(id=1, path=(b"f",), size=len(DATA), keep=True))
            wire.send_data(DATA)
            wire.send(End(size=len(DATA), digest=DIGEST))
            assert isinstance(wire.receive(), Ok)
    assert (tmp_path / "f").read_bytes() == DATA


def test_a_listing_with_others_is_one_without_them(tmp_path):
    """A client asks for them before it knows, and a server that lacks them ignores that (section 9, LIST)."""
    (tmp_path / "f").write_bytes(DATA)
    (tmp_path / "link").symlink_to("f")
    with lacking(tmp_path, {"others"}) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(List(id=1, others=True))
        assert [entry.path for entry in wire.receive().entries] == [(b"f",)]


def test_holes_are_sent_as_zeros_and_not_taken(tmp_path):
    with open(tmp_path / "f", "wb") as file:
        file.truncate(1 << 20)
    with lacking(tmp_path) as server:
        with server.hostile() as wire:
            wire.welcome()
            wire.send(Read(id=1, path=(b"f",), holes=True))
            assert wire.receive().size == 1 << 20
            data, _ = wire.receive_file()
            assert data == bytes(1 << 20)
            wire.send(Write(id=2, path=(b"g",), size=1 << 20), HoleMessage(size=1 << 20))
            wire.send(End(size=1 << 20, digest=digest_of(bytes(1 << 20))))
            assert wire.receive() is None  # closed: a violation of the protocol
        server.done(1)
        assert listing(tmp_path) == ["f"]


def test_the_rest_works_as_ever(tmp_path):
    with lacking(tmp_path) as server, contextlib.closing(server.session()) as client:
        put(client, b"name", DATA)
        assert get(client, b"name") == DATA
    with lacking(tmp_path) as server, server.hostile() as wire:
        wire.welcome()
        wire.send(ReadMany(id=1, paths=((b"name",),)))
        assert isinstance(wire.receive(), Files)
        wire.send(WriteMany(id=2, files=(NewFile((b"small",), DATA, DIGEST),)))
        assert isinstance(wire.receive(), Results)
