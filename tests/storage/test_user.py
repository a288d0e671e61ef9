"""Files that the user named: symlinks, devices, FIFOs and the standard streams."""

from __future__ import annotations

import contextlib
import os
import stat
import threading

import pytest

from secftp.errors import (
    AlreadyExists,
    FileChanged,
    Forbidden,
    InputOutputError,
    IsADirectory,
    NameRefused,
    NoSpace,
    NotADirectory,
    NotFound,
    UsageError,
)
from secftp.storage import PipeSink, PipeSource, WriteOptions, create_local_sink, make_local_directory, stat_local
from secftp.storage import user as user_module


def views(*chunks):
    return [memoryview(chunk) for chunk in chunks]


def put(path, content, **options):
    with create_local_sink(str(path), WriteOptions(**options)) as sink:
        sink.writev(views(content))
        return sink.commit()


@pytest.fixture
def pipe():
    """The two ends of a pipe; the test may close either."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        with contextlib.suppress(OSError):
            os.close(fd)


# --- files ----------------------------------------------------------------------------------------------------------


def test_a_file_appears_at_the_commit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("f", "./g", str(tmp_path / "h"), "\udcff"):
        with create_local_sink(path, WriteOptions(mode=0o600, mtime_ns=5)) as sink:
            sink.writev(views(b"content"))
            assert not os.path.lexists(path)
            info = sink.commit()
        assert (info.size, info.mode, info.mtime_ns) == (7, 0o600, 5)
        with open(path, "rb") as file:
            assert file.read() == b"content"


def test_a_symlink_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real").write_bytes(b"old")
    os.chmod(tmp_path / "folder" / "real", 0o640)
    (tmp_path / "link").symlink_to("folder/middle")
    (tmp_path / "folder" / "middle").symlink_to("real")
    put(tmp_path / "link", b"new")
    assert os.readlink(tmp_path / "link") == "folder/middle"
    assert os.readlink(tmp_path / "folder" / "middle") == "real"
    assert (tmp_path / "folder" / "real").read_bytes() == b"new"
    assert (tmp_path / "folder" / "real").stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path / "folder")) == ["middle", "real"]


def test_what_can_not_be_a_target(tmp_path):
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "folder").mkdir()
    for name, target in {"dangling": "nothing", "loop": "loop", "to-folder": "folder"}.items():
        (tmp_path / name).symlink_to(target)
    base = str(tmp_path)
    for path, error in [
        ("", NameRefused),
        ("a\0b", NameRefused),
        (f"{base}/{'a' * 256}", NameRefused),
        (base, IsADirectory),
        (f"{base}/folder/", IsADirectory),
        (f"{base}/to-folder", IsADirectory),
        (f"{base}/to-folder/", IsADirectory),
        (".", IsADirectory),
        (f"{base}/none/f", NotFound),
        (f"{base}/none/", NotFound),
        (f"{base}/dangling", NotFound),
        (f"{base}/loop", NotFound),
        (f"{base}/f/x", NotADirectory),
        (f"{base}/f/", NotADirectory),
    ]:
        with pytest.raises(error):
            create_local_sink(path)
    assert sorted(os.listdir(tmp_path)) == ["dangling", "f", "folder", "loop", "to-folder"]


def test_a_block_device_is_not_written_to(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(tmp_path / "disk", 0o060600, os.makedev(7, 250))
    with pytest.raises(Forbidden):
        create_local_sink(str(tmp_path / "disk"))


@pytest.mark.parametrize("target", ["file", "link", "dangling", "fifo"])
def test_nothing_of_that_name_is_overwritten_if_so_wished(tmp_path, target):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nothing")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(AlreadyExists):
        create_local_sink(str(tmp_path / target), WriteOptions(overwrite=False))
    put(tmp_path / "new", b"new", overwrite=False)
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.skipif(not os.path.exists("/proc/sys/fs/protected_symlinks"), reason="this kernel protects no links")
def test_a_symlink_that_the_kernel_does_not_follow_is_not_followed(tmp_path, monkeypatch):
    """The kernel's refusal (of a symlink that another user made in a sticky directory) is asked for before readlink."""
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "link").symlink_to("f")
    real = os.stat

    def refuse(path, **options):
        if str(path).endswith("link"):
            raise PermissionError(13, "Permission denied")
        return real(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(Forbidden):
        create_local_sink(str(tmp_path / "link"))


# --- streams --------------------------------------------------------------------------------------------------------


def test_a_device_is_written_straight_to():
    info = put("/dev/null", b"content")
    assert info.size == 7
    assert os.path.exists("/dev/null")
    with pytest.raises(NoSpace):
        put("/dev/full", b"content")


def test_a_fifo_is_written_straight_to(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    received = []

    def receive():
        with open(tmp_path / "fifo", "rb") as file:
            received.append(file.read())

    reader = threading.Thread(target=receive)
    reader.start()
    content = os.urandom(300_000)
    assert put(tmp_path / "fifo", content).size == len(content)
    reader.join()
    assert received == [content]
    assert os.listdir(tmp_path) == ["fifo"]


def test_a_device_that_becomes_a_file_is_not_written_in_place(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"old")
    null = os.stat("/dev/null")
    monkeypatch.setattr(user_module, "_lstat", lambda _: null)
    with pytest.raises(Forbidden):
        create_local_sink(str(tmp_path / "f"))
    assert (tmp_path / "f").read_bytes() == b"old"


def test_a_reader_who_went_away_is_a_broken_pipe(pipe):
    receiving, sending = pipe
    os.close(receiving)
    with PipeSink(sending) as sink:
        with pytest.raises(BrokenPipeError):
            sink.writev(views(b"x"))
        with pytest.raises(UsageError):
            sink.commit()
    os.fstat(sending)


def test_a_stream_that_is_not_owned_stays_open(pipe):
    receiving, sending = pipe
    with PipeSink(sending) as sink:
        sink.writev(views(b"abc", b"", b"d"))
        assert sink.commit().size == 4
        with pytest.raises(UsageError):
            sink.writev(views(b"x"))
    assert os.read(receiving, 100) == b"abcd"
    with PipeSource(receiving):
        pass
    os.fstat(receiving)


def test_an_error_of_the_stream_is_ours(pipe):
    receiving, sending = pipe
    with PipeSink(receiving) as sink, pytest.raises(InputOutputError, match="standard output"):
        sink.writev(views(b"x"))
    with PipeSource(sending) as source, pytest.raises(InputOutputError, match="standard input"):
        source.readv([memoryview(bytearray(1))], 0)
    os.close(sending)
    with pytest.raises(InputOutputError):
        PipeSource(sending)


@pytest.mark.parametrize("blocking", [True, False])
def test_a_pipe_gives_what_is_there_and_waits_for_more(pipe, blocking):
    receiving, sending = pipe
    os.set_blocking(receiving, blocking)
    os.set_blocking(sending, blocking)
    content = os.urandom(400_000)

    def send():
        with PipeSink(sending) as sink:
            sink.writev(views(content))
            sink.commit()
        os.close(sending)

    writer = threading.Thread(target=send)
    writer.start()
    received = bytearray()
    with PipeSource(receiving) as source:
        assert source.info.size is None
        buffer = bytearray(50_000)
        while count := source.readv(views(buffer), len(received)):
            received += buffer[:count]
        source.check_unchanged()
        with pytest.raises(UsageError):
            source.readv(views(buffer), 0)
    writer.join()
    assert received == content
    assert os.get_blocking(receiving) is blocking


def test_a_redirected_file_is_read_from_where_it_stands_to_its_end(tmp_path):
    (tmp_path / "f").write_bytes(b"0123456789")
    with open(tmp_path / "f", "rb", buffering=0) as file:
        file.read(3)
        with PipeSource(file.fileno()) as source:
            assert source.info.size == 7
            with open(tmp_path / "f", "ab") as more:
                more.write(b"appended")
            buffer = bytearray(100)
            assert source.readv(views(buffer), 0) == 7
            assert buffer[:7] == b"3456789"
            assert source.readv(views(buffer), 7) == 0
            source.check_unchanged()
            os.truncate(tmp_path / "f", 5)
            with pytest.raises(FileChanged):
                source.check_unchanged()


def test_a_redirected_file_that_says_to_be_empty_is_read_to_its_end(tmp_path):
    (tmp_path / "f").write_bytes(b"")
    for name in (str(tmp_path / "f"), "/proc/self/status" if os.path.exists("/proc/self/status") else ""):
        if name:
            with open(name, "rb", buffering=0) as file, PipeSource(file.fileno()) as source:
                assert source.info.size is None
                assert bool(source.readv(views(bytearray(100)), 0)) is name.startswith("/proc")


def test_a_redirected_directory_is_none(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectory):
            PipeSource(fd)
    finally:
        os.close(fd)


# --- kinds of entries, and directories ------------------------------------------------------------------------------


def test_what_a_name_leads_to(tmp_path):
    (tmp_path / "f").write_bytes(b"content")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("f")
    (tmp_path / "link-folder").symlink_to("folder")
    (tmp_path / "link-nowhere").symlink_to("nothing")
    os.mkfifo(tmp_path / "fifo")
    assert stat_local(str(tmp_path / "f")) == stat_local(str(tmp_path / "link"))
    assert stat_local(str(tmp_path / "f")).size == 7
    for name in ("folder", "link-folder", "folder/", "."):
        assert stat_local(str(tmp_path / name)).kind == "folder"
    for name, error in (
        ("missing", NotFound),
        ("link-nowhere", NotFound),
        ("f/x", NotADirectory),
        ("fifo", Forbidden),
        ("\0", NameRefused),
    ):
        with pytest.raises(error):
            stat_local(str(tmp_path / name))
    with pytest.raises(NameRefused):
        stat_local("")


def test_a_directory_is_made_where_the_user_says(tmp_path):
    make_local_directory(str(tmp_path / "a"))
    make_local_directory(str(tmp_path / "a" / "b"), mode=0o7700)
    assert stat.S_IMODE(os.stat(tmp_path / "a" / "b").st_mode) == 0o700
    (tmp_path / "link").symlink_to("a")
    make_local_directory(str(tmp_path / "link" / "c"))
    assert sorted(os.listdir(tmp_path / "a")) == ["b", "c"]
    for name, error in (("a", AlreadyExists), ("link", AlreadyExists), ("x/y", NotFound), ("\0", NameRefused)):
        with pytest.raises(error):
            make_local_directory(str(tmp_path / name))
