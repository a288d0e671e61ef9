"""Text modes of `Client.open`: encodings and line ends as in the built-in `open`; what was not closed never appears."""

from __future__ import annotations

import contextlib
import gc
import io
import os

import pytest

import secftp
from secftp.api.writer import RemoteWriter
from tests.support.programs import remote, root, served

__all__ = ["remote", "root", "served"]

TEXT = "ä line\nanother\r\nand a third"


# --- modes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["r", "rt", "tr"])
def test_text_is_read(remote, root, mode):
    (root / "text").write_bytes(TEXT.encode())
    with remote.open("text", mode) as file:
        assert isinstance(file, io.TextIOWrapper)
        assert isinstance(file.buffer, secftp.RemoteReader)
        assert (file.mode, file.name, file.encoding, file.errors) == (mode, "text", "utf-8", "strict")
        assert file.readline() == "ä line\n"
        position = file.tell()
        assert file.read() == "another\nand a third"
        file.seek(position)
        assert list(file) == ["another\n", "and a third"]
    assert file.closed
    assert file.buffer.closed


@pytest.mark.parametrize("mode", ["w", "wt", "x", "xt"])
def test_text_is_written(remote, root, mode):
    with remote.open("text", mode) as file:
        assert (file.mode, file.name, file.encoding) == (mode, "text", "utf-8")
        assert file.write("ä line\n") == 7
        print("another", file=file)
        assert not (root / "text").exists()
    assert (root / "text").read_bytes() == "ä line\nanother\n".encode()
    if "x" in mode:
        with pytest.raises(FileExistsError):
            remote.open("text", mode)


@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
@pytest.mark.parametrize(
    ("encoding", "errors"), [("utf-8", None), ("latin-1", "strict"), ("ascii", "replace"), ("utf-16", None)]
)
def test_it_does_what_the_built_in_open_does(remote, root, encoding, errors, newline):
    ours, theirs = {"encoding": encoding, "errors": errors, "newline": newline}, root / "theirs"
    for text in (TEXT, "", "one\r\rtwo\n"):
        with remote.open("ours", "w", **ours) as file:
            file.write(text)
        with theirs.open("w", **ours) as file:
            file.write(text)
        assert (root / "ours").read_bytes() == theirs.read_bytes()
        with remote.open("ours", "r", **ours) as file, theirs.open("r", **ours) as other:
            assert list(file) == list(other)


def test_a_long_text_is_read_in_pieces(remote, root):
    text = "".join(f"{number} — ä\n" for number in range(50_000))
    (root / "text").write_bytes(text.encode())
    with remote.open("text", "r") as file:
        assert "".join(file) == text
        file.seek(0)
        assert file.read() == text


@pytest.mark.parametrize("mode", ["", "b", "t", "a", "ab", "r+", "rw", "rbt", "rr", "U", "rb+"])
def test_a_mode_that_does_not_exist(remote, mode):
    with pytest.raises(secftp.UsageError, match="mode"):
        remote.open("text", mode)


def test_encodings_belong_to_text(remote, root):
    (root / "text").write_bytes(b"x")
    for options in ({"encoding": "utf-8"}, {"errors": "strict"}, {"newline": ""}):
        for mode in ("rb", "wb"):
            with pytest.raises(secftp.UsageError, match="binary"):
                remote.open("text", mode, **options)
    for mode in ("r", "w"):
        with pytest.raises(LookupError):
            remote.open("text", mode, encoding="none-such")
        with pytest.raises(ValueError, match="newline"):
            remote.open("text", mode, newline="x")
    assert (root / "text").read_bytes() == b"x"


def test_what_is_not_of_the_encoding_is_an_error(remote, root):
    (root / "text").write_bytes(b"\xff")
    with remote.open("text", "r") as file, pytest.raises(UnicodeDecodeError):
        file.read()
    with pytest.raises(UnicodeEncodeError), remote.open("new", "w", encoding="ascii") as file:
        file.writelines(["a\n", "ä"])
    assert not (root / "new").exists()


# --- what never appears -----------------------------------------------------------------------------------------------


def failing_block(remote):
    with contextlib.suppress(ZeroDivisionError), remote.open("text", "w") as file:
        file.write("half")
        raise ZeroDivisionError
    assert file.closed


def abort(remote):
    file = remote.open("text", "w")
    file.write("half")
    file.abort()
    file.close()
    assert file.closed


def finally_close(remote):
    with contextlib.suppress(ZeroDivisionError):
        file = remote.open("text", "w")
        try:
            file.write("half")
            raise ZeroDivisionError
        finally:
            file.close()


def forget(remote):
    remote.open("text", "w").write("half" * 100_000)
    gc.collect()


def forget_in_a_cycle(remote):
    file = remote.open("text", "w")
    file.write("half")
    file.itself = file
    del file
    gc.collect()


@pytest.mark.parametrize(
    ("leave", "warning"),
    [
        (failing_block, None),
        (abort, None),
        (finally_close, RuntimeWarning),
        (forget, ResourceWarning),
        (forget_in_a_cycle, ResourceWarning),
    ],
)
def test_a_text_that_was_not_closed_does_not_appear(served, root, leave, warning):
    (root / "text").write_bytes(b"as it was")
    with pytest.warns(warning, match="not written") if warning else contextlib.nullcontext():
        leave(served.remote)
    assert (root / "text").read_bytes() == b"as it was"
    assert served.remote.exists("text")


class Interrupted(BaseException):
    """As KeyboardInterrupt, which a test should not raise."""


@pytest.mark.parametrize("size", [10, 100_000, 1 << 20])
@pytest.mark.parametrize("mode", ["w", "wb"])
def test_a_writer_that_was_interrupted_does_not_appear(remote, root, monkeypatch, size, mode):
    """Whatever was on its way is missing, and the program goes on."""
    from secftp.api.writer import UploadThread

    original = UploadThread.add
    calls = []

    def add(self, data):
        calls.append(data)
        if len(calls) == 1:
            raise Interrupted
        original(self, data)

    monkeypatch.setattr(UploadThread, "add", add)
    file = remote.open("text", mode)
    part = "x" * size if mode == "w" else b"x" * size
    with contextlib.suppress(Interrupted):
        file.write(part)
        file.flush()
    with pytest.raises((secftp.UsageError, ValueError)):
        file.close()
    assert not (root / "text").exists()


def test_an_interrupted_write_in_a_block_that_goes_on_fails_at_its_end(remote, root, monkeypatch):
    from secftp.api.writer import UploadThread

    def write(file):
        with monkeypatch.context() as patch, contextlib.suppress(Interrupted):
            patch.setattr(UploadThread, "add", lambda *_: (_ for _ in ()).throw(Interrupted))
            file.write(bytes(1 << 20))
        file.write(b"more")

    with pytest.raises(secftp.UsageError, match="interrupted"), remote.open("text", "wb") as file:
        write(file)
    assert os.listdir(root) == []


def test_a_write_of_something_else_than_bytes_is_the_callers_mistake_alone(remote, root):
    with remote.open("text", "wb") as file:
        with pytest.raises(TypeError):
            file.write("text")
        file.write(b"bytes")
    assert (root / "text").read_bytes() == b"bytes"
    assert isinstance(file, RemoteWriter)
