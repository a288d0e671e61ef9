"""Arguments of the wrong type or out of bounds: one clear exception, before anything is done."""

from __future__ import annotations

import math
import types

import pytest

import secftp
from secftp.errors import UsageError
from tests.support.serving import DEADLINE

NO_NUMBER = ["x", "1", b"1", [], {}, (1,), object(), math.nan, math.inf, True, False]
NO_INT = [*NO_NUMBER, 1.5, 2**70]
NO_SIZE = [*NO_INT, -1]
NO_BOOL = ["false", "", None, 0, 1, [], 0.0]
NO_FUNCTION = ["x", 1, True, []]
NO_TEXT = [b"reno", 1, 1.5, True, [], {}]

CALLS = {
    **{
        f"put {name}": (lambda client, value, name=name: client.put(client.here / "f", **{name: value}), values)
        for name, values in {
            "limit_rate": [*NO_NUMBER, 0, -1],
            "streams": [*NO_SIZE, 0, 17],
            "compress_level": [*NO_SIZE, 0, 20],
            "retries": [*NO_NUMBER, None, 1.5, -1],
            **dict.fromkeys(("overwrite", "update", "resume", "preserve", "dry_run", "compress"), NO_BOOL),
            "follow_symlinks": NO_BOOL,
            "checksum": [*NO_TEXT, None, "crc"],
            **dict.fromkeys(("on_progress", "on_error", "on_skip"), NO_FUNCTION),
        }.items()
    },
    "get streams": (lambda client, value: client.get("f", client.here / "g", streams=value), [*NO_SIZE, 0]),
    "get retries": (lambda client, value: client.get("f", client.here / "g", retries=value), [None, -1, 1.5]),
    "read_bytes offset": (lambda client, value: client.read_bytes("f", offset=value), [*NO_SIZE, None]),
    "read_bytes length": (lambda client, value: client.read_bytes("f", length=value), NO_SIZE),
    "read_bytes on_progress": (lambda client, value: client.read_bytes("f", on_progress=value), NO_FUNCTION),
    "read_ranges offset": (lambda client, value: client.read_ranges([("f", value, 1)]), [*NO_SIZE, None]),
    "read_ranges length": (lambda client, value: client.read_ranges([("f", 0, value)]), NO_SIZE),
    "checksum offset": (lambda client, value: client.checksum("f", offset=value), [*NO_SIZE, None]),
    "checksum length": (lambda client, value: client.checksum("f", length=value), NO_SIZE),
    "checksum algorithm": (lambda client, value: client.checksum("f", value), [*NO_TEXT, None, "crc"]),
    "write permissions": (
        lambda client, value: client.write_bytes("new", b"x", permissions=value),
        [*NO_SIZE, 0o10000],
    ),
    "write overwrite": (lambda client, value: client.write_bytes("new", b"x", overwrite=value), NO_BOOL),
    "open permissions": (lambda client, value: client.open("new", "wb", permissions=value), NO_SIZE),
    "chmod": (lambda client, value: client.chmod("f", value), [*NO_SIZE, None, 0o10000]),
    "utime": (lambda client, value: client.utime("f", ns=value), [*NO_INT, None, (1, 2)]),
    "connect timeout": (
        lambda client, value: secftp.connect(client.url, key=client.key, timeout=value),
        [*NO_NUMBER, None, 0, -1, 2_000_001, 1e12],
    ),
    "connect connect_timeout": (
        lambda client, value: secftp.connect(client.url, key=client.key, connect_timeout=value),
        [*NO_NUMBER, 0, -1, 2_000_001, 1e12],
    ),
    "connect config": (lambda client, value: secftp.connect(client.url, key=client.key, config=value), NO_BOOL),
    "connect congestion": (lambda client, value: secftp.connect(client.url, congestion=value), NO_TEXT),
    "connect cipher": (lambda client, value: secftp.connect(client.url, client.key, cipher=value), [*NO_TEXT, None]),
    **{
        f"Server {name}": (lambda client, value, name=name: secftp.Server(client.root, **{name: value}), values)
        for name, values in {
            "port": [*NO_SIZE, None, 65536],
            "host": [*NO_TEXT, None],
            "max_clients": [*NO_NUMBER, None, 0, -1, 1.5],
            "mode_mask": [*NO_SIZE, None, 0o10000],
            "congestion": NO_TEXT,
            "ciphers": ["none", 1, None, [1], [None]],
            "log": NO_FUNCTION,
            **dict.fromkeys(("anonymous", "anonymous_write", "read_only", "overwrite"), NO_BOOL),
        }.items()
    },
}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A client with what the calls need beside it: where the server is, its key, a local directory with a file."""
    root, here = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("here")
    (root / "f").write_bytes(b"0123456789")
    (here / "f").write_bytes(b"new")
    with secftp.Server(root) as server, secftp.connect(server.url, key=server.key, timeout=DEADLINE) as client:
        methods = {
            name: getattr(client, name)
            for name in ("put", "get", "read_bytes", "read_ranges", "checksum", "write_bytes", "open", "chmod", "utime")
        }
        yield types.SimpleNamespace(**methods, url=server.url, key=server.key, root=root, here=here)
    assert (root / "f").read_bytes() == b"0123456789", "nothing was done"
    assert [path.name for path in root.iterdir()] == ["f"]


@pytest.mark.parametrize("name", CALLS)
def test_a_value_that_can_not_be_meant_is_refused_with_a_sentence(client, name):
    call, values = CALLS[name]
    for value in values:
        with pytest.raises(UsageError) as caught:
            call(client, value)
        text, argument = str(caught.value), name.split()[-1]
        assert {"algorithm": "checksum", "chmod": "mode", "utime": "ns", "ciphers": "cipher"}.get(
            argument, argument
        ) in text
        assert "of the protocol" not in text


def test_numbers_of_other_types_are_numbers(client):
    class Index:
        def __index__(self):
            return 2

    assert client.read_bytes("f", offset=Index(), length=Index()) == b"23"
    assert client.checksum("f", offset=Index()) == client.checksum("f", offset=2)
    assert client.get("f", client.here / "g", streams=Index(), retries=Index(), limit_rate=1e9).files == 1


@pytest.mark.parametrize("name", ["include", "exclude"])
def test_patterns_are_a_list(client, name):
    for value in ("x", b"x", 1, None, True):
        with pytest.raises(TypeError, match=f"{name} must be a list of patterns"):
            client.put(client.here / "f", **{name: value})
