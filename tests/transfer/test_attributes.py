"""Preserved attributes and warnings about the others: permissions with --update, special bits, times out of range."""

from __future__ import annotations

import json
import os
import stat

import pytest

from secftp.errors import ExitCode
from secftp.protocol import Data, End, Ok, Results, SetAttributes, Write, WriteMany
from secftp.storage import LocalStore
from secftp.storage.attributes import is_clamped
from secftp.transfer import CopyOptions
from secftp.transfer.options import RemoteLocation
from tests.server.test_requests_batch import new
from tests.support.command_line import client_and_server
from tests.support.copying import OLD, Recorder, download, make, upload
from tests.support.programs import serving_programs
from tests.support.requests_at import served
from tests.support.serving import digest_of, serving, session

YEAR_2500 = 16_725_225_600  # seconds
YEAR_1960 = -315_619_200
LARGE = bytes(40_000)


@pytest.fixture
def clamping(monkeypatch):
    """After a call, a file system that has no times before 1970; there are some that begin in 1901, and in 1980."""

    def begin():
        real = os.utime

        def utime(*arguments, ns):
            return real(*arguments, ns=tuple(max(0, moment) for moment in ns))

        monkeypatch.setattr(os, "utime", utime)

    return begin


@pytest.fixture
def secftp(tmp_path, capfdbinary):
    (tmp_path / "here").mkdir()
    with client_and_server(tmp_path, capfdbinary) as client:
        yield client


def mode_of(path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def notes(result):
    return [line for line in result.errors.splitlines() if line.startswith("Note: ")]


# --- permissions with --update ----------------------------------------------------------------------------------------

SET = "it has the same size and time; its permissions were set"
SAME = "it has the same size and time"
DIFFER = "it has the same size and time, and other permissions"


@pytest.fixture
def pair(tmp_path):
    """Two trees that are the same but for permissions; `here` and at the server."""
    here = make(tmp_path / "here" / "t", {b"f": b"1", b"d/g": b"2"}, mode=0o755)
    there = make(tmp_path / "root" / "t", {b"f": b"1", b"d/g": b"2"}, mode=0o600)
    return here, there


def test_put_brings_permissions_up_to_date(secftp, pair):
    here, there = pair
    result = secftp("put", "--update", here, "//")
    assert result.code == ExitCode.OK
    assert f"Sent nothing; 2 skipped: {SET}." in result.errors
    assert [mode_of(f"{there}/{name}") for name in ("f", "d/g")] == [0o755, 0o755]
    assert os.stat(f"{there}/f").st_mtime_ns == OLD
    assert f"Sent nothing; 2 skipped: {SAME}." in secftp("put", "--update", here, "//").errors


def test_get_brings_permissions_up_to_date(secftp, pair, tmp_path):
    here, there = pair
    os.chmod(f"{there}/f", 0o4600)
    result = secftp("get", "--update", "//t", tmp_path / "here")
    assert result.code == ExitCode.OK
    assert f"Fetched nothing; 2 skipped: {SET}." in result.errors
    assert [mode_of(f"{here}/{name}") for name in ("f", "d/g")] == [0o600, 0o600]
    os.chmod(f"{here}/f", 0o4711)
    result = secftp("get", "--update", "//t/f", f"{here}/f")
    assert f"Fetched nothing; 1 skipped: {SET}." in result.errors
    assert mode_of(f"{here}/f") == 0o600


@pytest.mark.parametrize("options", [["--no-preserve"], ["--dry-run"], ["--no-clobber"]])
def test_permissions_are_left_alone_if_they_are_to_be(secftp, pair, tmp_path, options):
    here, there = pair
    reason = DIFFER if "--dry-run" in options else SAME if "--no-preserve" in options else "it already exists"
    assert f"2 skipped: {reason}." in secftp("put", "--update", *options, here, "//").errors
    assert f"2 skipped: {reason}." in secftp("get", "--update", *options, "//t", tmp_path / "here").errors
    assert (mode_of(f"{here}/f"), mode_of(f"{there}/f")) == (0o755, 0o600)


def test_permissions_that_may_not_be_set_are_told_of(tmp_path, pair, monkeypatch):
    here, _ = pair
    real = os.chmod

    def chmod(*arguments, **options):
        if arguments[1] in (0o755, 0o600):
            raise PermissionError(1, "Operation not permitted")
        real(*arguments, **options)

    with serving(tmp_path / "root") as server, session(server.port) as client:
        monkeypatch.setattr(os, "chmod", chmod)
        for copy, source, target in (
            (upload, [f"{here}/f"], RemoteLocation((b"t", b"f"))),
            (download, [RemoteLocation((b"t", b"f"))], f"{here}/f"),
        ):
            listener = Recorder()
            copy(client, source, target, CopyOptions(update=True), listener)
            ((_, text),) = listener.of("note")
            assert text.startswith("its permissions could not be set: ")
            assert listener.of("skipped") == [(b"f", SAME)]
            assert listener.of("failed") == []


# --- attributes that are never preserved ------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["put", "get"])
def test_special_bits_are_counted_and_said_once(secftp, tmp_path, way):
    above = tmp_path / ("here" if way == "put" else "root")
    make(above / "t", {b"a": b"1", b"b": b"2", b"large": LARGE, b"d/plain": b"3"})
    for name, mode in (("a", 0o4755), ("b", 0o755), ("large", 0o2755), ("d", 0o1777)):
        os.chmod(above / "t" / name, mode)
    target = tmp_path / ("root" if way == "put" else "here") / "t"
    target.parent.mkdir(exist_ok=True)
    result = secftp("put", above / "t", "//t") if way == "put" else secftp("get", "//t", target)
    assert result.code == ExitCode.OK
    assert notes(result) == ["Note: Setuid, setgid and sticky bits are never copied; 3 files and directories had some."]
    assert [mode_of(target / name) for name in ("a", "b", "large", "d")] == [0o755, 0o755, 0o755, 0o777]
    result = secftp("put", "--no-preserve", above / "t", "//again")
    assert notes(result) == []


@pytest.mark.parametrize("way", ["put", "get"])
def test_times_that_can_not_be_said_are_counted(secftp, tmp_path, way):
    above = tmp_path / ("here" if way == "put" else "root")
    make(above / "t", {b"small": b"1", b"large": LARGE, b"plain": b"3", b"d/": b""})
    for name in ("small", "large", "d"):
        os.utime(above / "t" / name, (YEAR_2500, YEAR_2500))
    with LocalStore(above) as store:
        assert is_clamped(store.stat((b"t", b"small")).mtime_ns)
    target = tmp_path / ("root" if way == "put" else "here") / "t"
    target.parent.mkdir(exist_ok=True)
    result = secftp("put", above / "t", "//t") if way == "put" else secftp("get", "//t", target)
    assert result.code == ExitCode.OK
    assert notes(result) == [
        "Note: The target can't store the modification times of 3 files and directories and has the nearest it can."
    ]
    assert "after 2262" in secftp("ls", "-l", "//t/small").output.decode()
    assert json.loads(secftp("ls", "--json", "//t/small").output)["mtime"] is None
    assert json.loads(secftp("ls", "--json", "//t/plain").output)["mtime"] is not None


@pytest.mark.parametrize("way", ["put", "get"])
def test_times_that_a_file_system_does_not_have_are_counted(tmp_path, clamping, way):
    for place in ("here", "root"):
        (tmp_path / place).mkdir()
    above = tmp_path / ("here" if way == "put" else "root")
    make(above / "t", {b"small": b"1", b"large": LARGE, b"plain": b"3", b"d/": b""})
    for name in ("small", "large", "d"):
        os.utime(above / "t" / name, (YEAR_1960, YEAR_1960))
    with serving(tmp_path / "root") as server, session(server.port) as client:
        clamping()
        if way == "put":
            summary = upload(client, [str(above / "t")], RemoteLocation(()), CopyOptions())
        else:
            summary = download(client, [RemoteLocation((b"t",))], str(tmp_path / "here"), CopyOptions())
    assert (summary.files, summary.failed, summary.times) == (3, 0, 3)


def test_a_server_says_that_a_time_is_another_one(tmp_path, clamping):
    clamping()
    old, good = YEAR_1960 * 10**9, 10**18 + 1
    with served(tmp_path) as server:
        wire = server.wire()
        for number, moment in ((1, old), (3, good)):
            wire.send(Write(id=number, path=(b"w",), size=1, mtime_ns=moment))
            wire.send(Data(b"x"), End(size=1, digest=digest_of(b"x")))
            assert wire.receive().time_changed is (moment == old)
            wire.send(SetAttributes(id=number + 1, path=(b"w",), mtime_ns=moment))
            assert wire.receive() == Ok(id=number + 1, time_changed=moment == old)
        files = tuple(new(b"%d" % n, b"x", mtime_ns=moment) for n, moment in enumerate((old, good, old, None)))
        wire.send(WriteMany(id=9, files=files))
        assert wire.receive() == Results(id=9, codes=(None,) * 4, times_changed=2)


def test_programs_read_what_is_not_kept_in_the_last_event(secftp, tmp_path):
    make(tmp_path / "t", {b"a": b"1"})
    os.chmod(tmp_path / "t" / "a", 0o4755)
    os.utime(tmp_path / "t" / "a", (YEAR_2500, YEAR_2500))
    (tmp_path / "t" / "link").symlink_to("a")
    os.mkfifo(tmp_path / "t" / "fifo")
    result = secftp("put", "--progress", "json", tmp_path / "t", "//")
    last = json.loads(result.errors.splitlines()[-1])
    assert (last["event"], last["left_out"], last["special_bits"], last["times_changed"]) == ("ended", 2, 1, 1)
    result = secftp("put", tmp_path / "t", "//")
    assert "; 2 left out." in result.errors


# --- permissions that are not all given -------------------------------------------------------------------------------

BOUNDED = "did not get all permissions, which the target restricts or does not support."


def test_what_an_operator_bounds_is_said_with_a_count(tmp_path):
    (tmp_path / "root").mkdir()
    make(tmp_path / "t", {b"small": b"1", b"large": LARGE, b"plain": b"3", b"d/": b""})
    for name, mode in (("small", 0o666), ("large", 0o664), ("plain", 0o640), ("d", 0o777), (".", 0o750)):
        os.chmod(tmp_path / "t" / name, mode)
    with (
        LocalStore(tmp_path / "root", mode_mask=0o750) as store,
        serving(tmp_path / "root", store=store) as server,
        session(server.port) as client,
    ):
        summary = upload(client, [str(tmp_path / "t")], RemoteLocation(()), CopyOptions())
    assert (summary.files, summary.failed, summary.modes, summary.times) == (3, 0, 3, 0)


@pytest.fixture
def without_permissions(monkeypatch):
    """After a call, a file system that has no permissions of its own, as FAT."""

    def begin():
        def refuse(*_, **__):
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "chmod", refuse)
        monkeypatch.setattr(os, "fchmod", refuse)

    return begin


def test_a_file_system_without_permissions_takes_files_all_the_same(secftp, tmp_path, without_permissions):
    make(tmp_path / "root" / "t", {b"small": b"1", b"large": LARGE})
    without_permissions()
    result = secftp("get", "//t/small", "//t/large", f"{tmp_path}/here/")
    assert result.code == ExitCode.OK
    assert notes(result) == [f"Note: 2 files and directories {BOUNDED}"]
    assert (tmp_path / "here" / "large").read_bytes() == LARGE
    assert mode_of(tmp_path / "here" / "small") == 0o600, "never more than was asked for"


def test_a_program_hears_of_what_a_server_could_not_set(tmp_path, clamping):
    (tmp_path / "root").mkdir()
    with serving_programs(tmp_path / "root", mode_mask=0o750) as served:
        remote = served.remote
        remote.write_bytes("f", b"x")
        clamping()
        assert (remote.chmod("f", 0o750), remote.chmod("f", 0o4750), remote.chmod("f", 0o755)) == (True, True, False)
        assert mode_of(tmp_path / "root" / "f") == 0o750
        assert (remote.utime("f", ns=OLD), remote.utime("f", ns=YEAR_1960 * 10**9)) == (True, False)
