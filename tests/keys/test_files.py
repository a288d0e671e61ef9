"""Key files: the formats that are accepted, what is refused, and how a new file is created."""

from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import os
import socket
import stat
import threading

import pytest

from secftp.errors import AlreadyExists, ExitCode, KeyFormatError, NotFound
from secftp.keys import generate_key, read_key_file, refuse_beneath, write_key_file
from secftp.keys.create import create_private, create_unfinished
from secftp.keys.files import MAX_TEXT_BYTES
from tests.support.recorded_password import material, recorded

__all__ = ["recorded"]

SECRET = bytes(range(32))
LINE = b"secftp-key-1 " + base64.b64encode(SECRET)


@pytest.fixture
def key_file(tmp_path):
    """A function that writes a key file and gives its path."""

    def write(data, mode=0o600):
        path = tmp_path / "key"
        path.write_bytes(data)
        path.chmod(mode)
        return path

    return write


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"x", b"x"),
        (b"a key\n", b"a key"),
        (b"a key\r\n", b"a key"),
        (b"a key\r", b"a key"),
        (b"a key\n\n", b"a key\n"),
        (b"a key\r\n\r\n", b"a key\r\n"),
        (b"a key\r\r\n", b"a key\r"),
        (b"two\nlines\n", b"two\nlines"),
        (b"  blanks around \n", b"  blanks around "),
        ("cafe\N{COMBINING ACUTE ACCENT}\n".encode(), b"caf\xc3\xa9"),
        (b"k" * MAX_TEXT_BYTES, b"k" * MAX_TEXT_BYTES),
        (b"k" * MAX_TEXT_BYTES + b"\n", b"k" * MAX_TEXT_BYTES),
        (b"k" * MAX_TEXT_BYTES + b"\r\n", b"k" * MAX_TEXT_BYTES),
        (b"Secftp-key-1 no prefix", b"Secftp-key-1 no prefix"),
    ],
)
def test_the_text_ends_before_one_newline(recorded, key_file, data, text):
    assert material(read_key_file(key_file(data))) == ("text", text)


def test_a_generated_key_in_a_file_is_recognised(recorded, key_file):
    key = generate_key()
    assert material(read_key_file(key_file(key.lower().encode() + b"\n"))) == ("text", key.encode())


@pytest.mark.parametrize("newline", [b"", b"\n", b"\r\n"])
def test_a_made_key_file_holds_the_secret_itself(recorded, key_file, newline):
    assert material(read_key_file(key_file(LINE + newline))) == ("secret", SECRET)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no key"),
        (b"\n", "no key"),
        (b"\r\n", "no key"),
        (b" \t \n\n  ", "no key"),
        ("\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}\n".encode(), "no key"),
        ("\N{ZERO WIDTH NO-BREAK SPACE}\n".encode(), "no key"),
        (bytes(100), "no key"),
        (b"k" * (MAX_TEXT_BYTES + 1), "64 KiB"),
        (b"k" * (MAX_TEXT_BYTES + 1) + b"\n", "64 KiB"),
        (b"k" * (10 * MAX_TEXT_BYTES), "64 KiB"),
        (b"\xff\xfehunter2", "UTF-8"),
        (b"0123456789ABCDEFGHJKMNPQRS0\n", "check character"),
        (b"secftp-key-1 ", "damaged"),
        (LINE[:-1], "damaged"),
        (LINE[:-4], "damaged"),
        (LINE + b"=", "damaged"),
        (LINE + b" ", "damaged"),
        (LINE + b"\n\n", "damaged"),
        (LINE + b"\n" + LINE, "damaged"),
        (LINE[:-2] + b"9=", "damaged"),  # the same 32 bytes to a lenient decoder: only two unused bits differ
        (b"secftp-key-1  " + base64.b64encode(SECRET), "damaged"),
        (b"secftp-key-1 " + base64.b64encode(bytes(33)), "damaged"),
        (b"secftp-key-1 " + base64.urlsafe_b64encode(b"\xff" * 32), "damaged"),
    ],
)
def test_a_file_that_can_hold_no_key_is_refused(key_file, data, words):
    with pytest.raises(KeyFormatError, match=words) as caught:
        read_key_file(key_file(data))
    error = caught.value
    assert error.hint
    assert error.exit_code == ExitCode.KEY
    assert error.__context__ is None, "an exception inside may carry the file's bytes"
    assert "hunter2" not in f"{error}{error.hint}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666, 0o660])
def test_a_file_that_others_can_open_is_refused(key_file, mode):
    with pytest.raises(KeyFormatError, match="other users") as caught:
        read_key_file(key_file(b"a key", mode))
    assert caught.value.hint.startswith("chmod 600 ")


@pytest.mark.parametrize("owner", ["root", "the service"])
@pytest.mark.parametrize("group", ["of the service", "another"])
@pytest.mark.parametrize("mode", [0o640, 0o440, 0o600, 0o660, 0o650, 0o644, 0o641])
def test_the_group_of_a_service_may_read_what_is_roots(key_file, monkeypatch, recorded, owner, group, mode):
    """As in /etc: root:secftp, mode 640. The file is stat as it would be there; only root could make it so."""
    real = os.fstat

    def fstat(descriptor):
        status = list(real(descriptor))
        status[4] = 0 if owner == "root" else 990
        status[5] = 990 if group == "of the service" else 991
        return os.stat_result(status)

    path = key_file(b"a key", mode)
    monkeypatch.setattr("os.geteuid", lambda: 990)
    monkeypatch.setattr("os.getegid", lambda: 990)
    monkeypatch.setattr("os.fstat", fstat)
    if mode == 0o600 or (mode in (0o640, 0o440) and (owner, group) == ("root", "of the service")):
        assert material(read_key_file(path)) == ("text", b"a key")
    else:
        with pytest.raises(KeyFormatError, match="other users"):
            read_key_file(path)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_ones_own_is_read(recorded, key_file, mode):
    assert material(read_key_file(key_file(b"a key", mode))) == ("text", b"a key")


def test_a_file_of_another_user_is_refused(key_file, monkeypatch):
    path = key_file(b"a key")
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    else:
        another = os.geteuid() + 1
        monkeypatch.setattr("os.geteuid", lambda: another)
    with pytest.raises(KeyFormatError, match="another user"):
        read_key_file(path)


def test_a_symlink_is_followed_and_what_it_leads_to_is_checked(recorded, key_file, tmp_path):
    target = key_file(b"a key")
    link = tmp_path / "link"
    link.symlink_to(target)
    assert material(read_key_file(link)) == ("text", b"a key")
    target.chmod(0o644)
    with pytest.raises(KeyFormatError, match="other users"):
        read_key_file(link)


def test_a_missing_file_is_an_error_with_its_escaped_name(tmp_path):
    with pytest.raises(KeyFormatError, match="no such file") as caught:
        read_key_file(tmp_path / "a\x1b[2J\nb")
    assert r"a\x1b[2J\nb" in str(caught.value)
    assert str(caught.value).isprintable()


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    fifo, listening = tmp_path / "fifo", tmp_path / "socket"
    os.mkfifo(fifo, 0o600)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(listening))
        for path in (fifo, tmp_path, "/dev/null"):
            with pytest.raises(KeyFormatError, match="not a regular file"):
                read_key_file(path)
        with pytest.raises(KeyFormatError):
            read_key_file(listening)


def test_reading_leaves_no_descriptor_open(key_file):
    path = key_file(b"", 0o644)
    before = os.open(path, os.O_RDONLY)
    os.close(before)
    for _ in range(3):
        with pytest.raises(KeyFormatError):
            read_key_file(path)
    after = os.open(path, os.O_RDONLY)
    os.close(after)
    assert after == before


# --- writing --------------------------------------------------------------------------------------------------------


def test_a_new_key_file_can_be_read_and_is_private(recorded, tmp_path):
    path = tmp_path / "key"
    write_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_nlink == 1
    drawn = bytes(range(100, 128))
    drawn += hashlib.sha256(b"secftp/1 generated" + drawn).digest()[:4]  # docs/PROTOCOL.md, 4.3
    assert path.read_bytes() == b"secftp-key-1 " + base64.b64encode(drawn) + b"\n"
    assert material(read_key_file(path)) == ("secret", drawn)
    assert os.listdir(tmp_path) == ["key"]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o777])
def test_the_mode_does_not_depend_on_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        create_private(tmp_path / "key", b"data")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_nothing_is_ever_replaced(recorded, tmp_path):
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("file", "folder", "dangling"):
        with pytest.raises(AlreadyExists, match="not replaced"):
            write_key_file(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["dangling", "file", "folder"]
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_a_directory_that_is_missing_is_an_error(recorded, tmp_path):
    with pytest.raises(KeyFormatError, match="can't be created: no such file"):
        write_key_file(tmp_path / "missing" / "key")


@pytest.mark.parametrize("call", ["fchmod", "fsync", "link"])
def test_a_failure_on_the_way_leaves_nothing(tmp_path, monkeypatch, call):
    def fail(*_args, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as failing:
        failing.setattr(os, call, fail)
        with pytest.raises(KeyFormatError, match="no space"):
            create_private(tmp_path / "key", b"data")
    assert os.listdir(tmp_path) == []


def test_of_many_that_create_one_file_one_succeeds(tmp_path):
    start = threading.Barrier(8)
    results = []

    def create(number):
        start.wait()
        try:
            create_private(tmp_path / "key", b"%d" % number * 1000)
            results.append(number)
        except AlreadyExists:
            results.append(None)

    threads = [threading.Thread(target=create, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [number for number in results if number is not None]
    assert len(results) == 8
    assert (tmp_path / "key").read_bytes() == b"%d" % winner * 1000
    assert os.listdir(tmp_path) == ["key"]


def test_a_new_file_whose_lock_a_sweep_has_is_given_up(tmp_path, monkeypatch):
    """Between its making and its locking it looks like one of a dead maker."""
    real, held = fcntl.flock, []

    def flock(descriptor, how):
        if not held:
            held.append(os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY))
            real(held[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        real(descriptor, how)

    monkeypatch.setattr("secftp.keys.create.fcntl.flock", flock)
    descriptor, path = create_unfinished(os.fspath(tmp_path))
    assert not os.path.samestat(os.fstat(held[0]), os.stat(path))
    assert os.path.samestat(os.fstat(descriptor), os.stat(path))
    os.close(held[0])
    os.close(descriptor)


# --- below the root -------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path):
    directory = tmp_path / "root"
    (directory / "sub").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "into").symlink_to(directory)
    (directory / "out").symlink_to(tmp_path / "outside")
    (directory / "key").write_bytes(b"a key")
    (directory / "link").symlink_to(tmp_path / "outside" / "key")
    (tmp_path / "link-to-key").symlink_to(directory / "key")
    return directory


@pytest.mark.parametrize(
    "name",
    [
        "root",
        "root/key",
        "root/sub/new",
        "root/missing/new",
        "into/key",  # by a symlink from outside
        "link-to-key",
        "root/out/key",  # it lies outside, but by a name that a client may replace
        "root/link",
        "outside/../root/key",
        "root/sub/../../root/key",
    ],
)
def test_a_key_beneath_the_root_is_refused(tmp_path, root, name):
    with pytest.raises(KeyFormatError, match="below the served directory"):
        refuse_beneath(f"{tmp_path}/{name}", root)


@pytest.mark.parametrize("name", ["key", "outside/key", "outside/missing/key", "root-2/key", "roo", "root/../key"])
def test_a_key_elsewhere_is_not(tmp_path, root, name):
    refuse_beneath(f"{tmp_path}/{name}", root)


def test_relative_names_are_understood(tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    with pytest.raises(KeyFormatError):
        refuse_beneath("key", ".")
    refuse_beneath("../key", ".")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyFormatError):
        refuse_beneath("into/key", "root")


def test_a_root_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(NotFound):
        refuse_beneath(tmp_path / "key", tmp_path / "missing")
