"""Sources: what is read, what counts as a change, and what is refused."""

from __future__ import annotations

import contextlib
import os

import pytest

from secftp.errors import FileChanged, Forbidden, InputOutputError, IsADirectory, NotADirectory, NotFound
from secftp.protocol import Kind
from secftp.storage import FileInfo, LocalStore, open_local_source
from secftp.storage import source as source_module
from secftp.storage.source import IOV_MAX


def read(source, sizes, offset=0):
    """What one readv gives, with buffers of these sizes."""
    buffers = [bytearray(size) for size in sizes]
    count = source.readv([memoryview(buffer) for buffer in buffers], offset)
    return b"".join(buffers)[:count]


@pytest.mark.parametrize("content", [b"", b"x", b"hello world", bytes(range(256)) * 300])
@pytest.mark.parametrize(
    "name", [b"plain", b"\xff\xfe", b"a" * 255, b"new\nline", "e\N{COMBINING ACUTE ACCENT}".encode()]
)
def test_a_file_is_read_whole_whatever_its_name(tmp_path, store, name, content):
    place = os.path.join(os.fsencode(tmp_path), name)
    with open(place, "wb") as file:
        file.write(content)
    os.utime(place, ns=(1, 1_234_567_891_000_000_000))
    os.chmod(place, 0o640)
    with store.open_source((name,)) as source:
        assert source.info == FileInfo(Kind.FILE, len(content), 1_234_567_891_000_000_000, 0o640)
        assert source.info == store.stat((name,))
        assert read(source, [1000, 1, 0, 100_000]) == content
        assert read(source, [10], len(content)) == b""
        assert read(source, [10], len(content) + 5) == b""
        source.check_unchanged()


def test_reading_starts_anywhere_and_a_deep_path_is_walked(tmp_path, store):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"0123456789")
    with store.open_source((b"a", b"b", b"c")) as source:
        assert read(source, [2, 2], 3) == b"3456"
        assert read(source, [2, 20], 7) == b"789"
    assert store.stat((b"a", b"b")).kind == "folder"
    assert store.stat((b"a", b"b")).size == 0


def test_a_batch_is_one_call_and_short_ones_are_repeated(tmp_path, store, monkeypatch, within_five_seconds):
    content = os.urandom(5000)
    (tmp_path / "f").write_bytes(content)
    real, calls = os.preadv, []

    def whole(fd, buffers, offset):
        calls.append(len(buffers))
        return real(fd, buffers, offset)

    with store.open_source((b"f",)) as source:
        monkeypatch.setattr(os, "preadv", whole)
        assert read(source, [1000] * 5) == content
        assert calls == [5]
        monkeypatch.setattr(os, "preadv", lambda fd, buffers, offset: real(fd, [buffers[0][:7]], offset))
        assert read(source, [1000, 0, 3, 3997]) == content
        monkeypatch.setattr(os, "preadv", lambda *_: 0)
        assert read(source, [5000]) == b""


def test_more_buffers_than_one_call_takes(tmp_path, store):
    content = os.urandom(2 * IOV_MAX + 100)
    (tmp_path / "f").write_bytes(content)
    with store.open_source((b"f",)) as source:
        assert read(source, [1] * len(content)) == content
        assert read(source, [0] * IOV_MAX + [len(content)]) == content


def test_an_open_file_survives_its_name(tmp_path, store):
    (tmp_path / "f").write_bytes(b"old")
    with store.open_source((b"f",)) as source:
        (tmp_path / "g").write_bytes(b"new")
        os.replace(tmp_path / "g", tmp_path / "f")
        assert read(source, [10]) == b"old"
        source.check_unchanged()


def test_what_is_appended_is_not_read_and_does_no_harm(tmp_path, store):
    (tmp_path / "f").write_bytes(b"12345")
    with store.open_source((b"f",)) as source:
        with open(tmp_path / "f", "ab") as file:
            file.write(b"6789")
        assert read(source, [100]) == b"12345"
        assert read(source, [100], 5) == b""
        source.check_unchanged()


def test_a_file_that_shrank_is_changed(tmp_path, store):
    (tmp_path / "f").write_bytes(b"12345")
    with store.open_source((b"f",)) as source:
        os.truncate(tmp_path / "f", 4)
        os.utime(tmp_path / "f", ns=(source.info.mtime_ns, source.info.mtime_ns))
        assert read(source, [100]) == b"1234"
        with pytest.raises(FileChanged, match="f"):
            source.check_unchanged()


def test_a_file_rewritten_in_place_is_changed(tmp_path, store):
    (tmp_path / "f").write_bytes(b"12345")
    with store.open_source((b"f",)) as source:
        os.utime(tmp_path / "f", ns=(0, source.info.mtime_ns + 1))
        with pytest.raises(FileChanged, match="f"):
            source.check_unchanged()


def test_a_failing_disk_is_an_input_output_error(tmp_path, store, monkeypatch):
    (tmp_path / "f").write_bytes(b"12345")

    def preadv(*_):
        raise OSError(5, "I/O error", "/some/place")

    with store.open_source((b"f",)) as source:
        monkeypatch.setattr(os, "preadv", preadv)
        with pytest.raises(InputOutputError) as caught:
            read(source, [5])
    assert "/some/place" not in str(caught.value)


def test_a_descriptor_is_closed_if_anything_fails_after_opening(tmp_path, store, monkeypatch):
    (tmp_path / "f").write_bytes(b"12345")

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(source_module.os, "set_blocking", fail)
    with pytest.raises(KeyboardInterrupt):
        store.open_source((b"f",))


def test_closing_twice_is_harmless(tmp_path, store):
    (tmp_path / "f").write_bytes(b"")
    source = store.open_source((b"f",))
    source.close()
    source.close()


def test_a_file_in_the_way_of_a_path_is_told(tmp_path, store):
    (tmp_path / "f").write_bytes(b"")
    for call in (store.open_source, store.create_sink, store.stat):
        with pytest.raises(NotADirectory, match=r"^Not a directory: f$"):
            call((b"f", b"x"))


# --- the root and the user's own files ------------------------------------------------------------------------------


def test_a_root_that_can_not_be_used_is_refused_with_a_hint(tmp_path, unprivileged):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "closed").mkdir()
    for name, kind in [("none", NotFound), ("file", NotADirectory)]:
        with pytest.raises(kind) as caught:
            LocalStore(os.fsencode(tmp_path / name))
        assert caught.value.hint
    os.chmod(tmp_path / "closed", 0o600)
    with unprivileged(), pytest.raises(Forbidden) as caught:
        LocalStore("closed")
    assert caught.value.hint


@pytest.fixture
def unprivileged(tmp_path):
    """A function that makes a block run without root's powers, in `tmp_path`."""

    @contextlib.contextmanager
    def drop():
        here = os.open(".", os.O_PATH | os.O_DIRECTORY)
        os.chdir(tmp_path)
        user = os.geteuid()
        try:
            if user == 0:
                os.chmod(tmp_path, 0o755)
                os.seteuid(65534)
            yield
        finally:
            os.seteuid(user)
            os.fchdir(here)
            os.close(here)

    return drop


def test_what_may_not_be_read_is_forbidden(tmp_path, store, unprivileged):
    (tmp_path / "f").write_bytes(b"")
    os.chmod(tmp_path / "f", 0)
    (tmp_path / "closed").mkdir(mode=0)
    with unprivileged():
        for call, path in [(store.open_source, (b"f",)), (store.stat, (b"closed", b"x"))]:
            with pytest.raises(Forbidden, match="Permission denied: "):
                call(path)
    os.chmod(tmp_path / "closed", 0o755)
    if os.geteuid() == 0:
        with unprivileged(), pytest.raises(Forbidden):
            store.create_sink((b"closed", b"x"))


def test_the_store_may_be_closed_twice_and_named_through_a_symlink(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_bytes(b"x")
    (tmp_path / "link").symlink_to("real")
    store = LocalStore(tmp_path / "link")
    assert store.stat((b"f",)).size == 1
    store.close()
    store.close()


def test_a_user_may_name_a_file_through_a_symlink(tmp_path):
    (tmp_path / "f").write_bytes(b"content")
    (tmp_path / "link").symlink_to("f")
    with open_local_source(str(tmp_path / "link")) as source:
        assert read(source, [100]) == b"content"
        assert source.info.size == 7


def test_a_user_can_not_name_what_is_no_file(tmp_path, within_five_seconds):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to("nothing")
    for name, kind in [
        (str(tmp_path / "fifo"), Forbidden),
        (str(tmp_path), IsADirectory),
        ("/dev/null", Forbidden),
        (str(tmp_path / "dangling"), NotFound),
        (str(tmp_path / "none"), NotFound),
        (str(tmp_path / ("a" * 256)), ValueError),
        (str(tmp_path / "a\0b"), ValueError),
        ("", ValueError),
    ]:
        with pytest.raises(kind):
            open_local_source(name)
