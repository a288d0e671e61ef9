"""Files of unknown size (proc, sysfs): they arrive with their contents, or fail with an error."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from secftp.errors import ExitCode, InputOutputError, TooLarge
from secftp.storage import LocalStore, PipeSource, open_local_source
from secftp.storage import source as source_module
from secftp.storage.source import with_size
from secftp.storage.tree import LocalFile, LocalTree, SmallContent
from secftp.transfer import CopyOptions
from secftp.transfer.options import RemoteLocation
from tests.support.copying import Recorder, contents, upload
from tests.support.programs import serving_programs
from tests.support.serving import DEADLINE, KEY, session

KERNEL = "/proc/sys/kernel"  # each file says that its size is 0
CPU = "/sys/devices/system/cpu"  # each file says 4096
LARGE = 100_000


@pytest.fixture(scope="module")
def process():
    """The directory in proc of a process whose environment is large, and known to the byte."""
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        env={"X": "x" * LARGE},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        child.stdout.readline()
        yield f"/proc/{child.pid}"
    finally:
        child.communicate(b"\n", timeout=DEADLINE)


ENVIRONMENT = b"X=" + b"x" * LARGE + b"\0"


def known(name):
    with open(name, "rb") as file:
        return file.read()


def all_of(source):
    buffer = memoryview(bytearray(1 << 18))
    with source:
        count = source.readv([buffer[:5], buffer[5:]], 0)
        assert source.readv([buffer[count:]], count) == 0
        source.check_unchanged()
    return bytes(buffer[:count])


# --- reading ----------------------------------------------------------------------------------------------------------


def test_a_source_has_all_of_it_and_no_size(process):
    for name, expected in (
        (f"{process}/environ", ENVIRONMENT),
        (f"{KERNEL}/ostype", b"Linux\n"),
        (f"{CPU}/online", known(f"{CPU}/online")),
    ):
        source = open_local_source(name)
        assert source.info.size is None
        assert all_of(source) == expected


def test_real_files_have_their_size(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "one").write_bytes(b"1")
    with open(tmp_path / "holes", "wb") as file:
        file.truncate(9000)
    for name, size in (("empty", 0), ("one", 1), ("holes", 9000)):
        source = open_local_source(str(tmp_path / name))
        assert source.info.size == size
        assert len(all_of(source)) == size


def test_a_small_one_is_read_whole_and_a_large_one_is_kept_open(process):
    with LocalTree(KERNEL) as tree:
        assert tree.open((b"ostype",), 100).data == b"Linux\n"
        assert isinstance(tree.open((b"ostype",), 6), SmallContent)
        source = tree.open((b"ostype",), 5)
        assert source.info.size is None
        assert all_of(source) == b"Linux\n"
    content = LocalFile(f"{CPU}/online").open((), 32768)
    assert content.data == known(f"{CPU}/online")
    with LocalStore(KERNEL) as store, store.small_files() as small:
        info, data = small.read((b"ostype",), 6)
        assert (data, info.kind) == (b"Linux\n", "file")
        with pytest.raises(TooLarge):
            small.read((b"ostype",), 5)
    with LocalStore(CPU) as store, store.small_files() as small:
        assert small.read((b"online",), 32768)[1] == known(f"{CPU}/online")


def test_a_redirection_is_read_like_a_pipe():
    for name in (f"{KERNEL}/ostype", f"{CPU}/online"):
        with open(name, "rb") as file:
            source = PipeSource(file.fileno())
            assert source.info.size is None
            buffer = bytearray(8192)
            assert buffer[: source.readv([memoryview(buffer)], 0)] == known(name)


def test_one_that_would_have_to_be_waited_for_fails(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"")

    def pread(*_):
        raise BlockingIOError(11, "Resource temporarily unavailable")  # as /proc/kmsg without messages

    monkeypatch.setattr(os, "pread", pread)
    with pytest.raises(InputOutputError):
        open_local_source(str(tmp_path / "f"))


def test_a_file_that_was_empty_and_grows_meanwhile_has_the_size_that_it_has(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"")
    real = os.pread

    def pread(fd, *arguments):
        (tmp_path / "f").write_bytes(b"grown")
        return real(fd, *arguments)

    monkeypatch.setattr(os, "pread", pread)
    source = open_local_source(str(tmp_path / "f"))
    assert source.info.size == 5
    assert all_of(source) == b"grown"


def test_what_is_too_large_is_refused_and_no_more_is_held(process, monkeypatch):
    monkeypatch.setattr(source_module, "MAX_UNSIZED", LARGE // 2)
    with pytest.raises(TooLarge):
        with_size(open_local_source(f"{process}/environ"), "environ")
    with LocalStore(process) as store:
        assert store.stat((b"environ",)).size is None


# --- from a server ----------------------------------------------------------------------------------------------------


def test_a_server_tells_and_sends_what_is_in_it(process, tmp_path):
    with serving_programs(process) as served:
        remote = served.remote
        assert remote.stat("environ").size == len(ENVIRONMENT)
        assert remote.read_bytes("environ") == ENVIRONMENT
        assert remote.read_bytes("environ", offset=LARGE, length=10) == ENVIRONMENT[LARGE : LARGE + 10]
        with remote.open("environ") as file:
            assert file.read(7) == ENVIRONMENT[:7]
            assert file.read() == ENVIRONMENT[7:]
        assert remote.checksum("environ", "sha256") == hashlib.sha256(ENVIRONMENT).hexdigest()
        remote.get("environ", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == ENVIRONMENT


def test_a_tree_of_them_is_fetched(tmp_path):
    with serving_programs(CPU) as served:
        assert served.remote.stat("online").size == len(known(f"{CPU}/online"))
        with served.remote.open("online") as file:
            assert file.read() == known(f"{CPU}/online")
    with serving_programs(f"{KERNEL}/keys") as served:
        summary = served.remote.get("/", tmp_path / "copy")
    assert summary.bytes == sum(map(len, contents(tmp_path / "copy").values())) > 0
    assert contents(tmp_path / "copy") == {
        os.fsencode(name): known(f"{KERNEL}/keys/{name}") for name in os.listdir(f"{KERNEL}/keys")
    }


def test_one_that_is_too_large_to_be_announced_fails(process, tmp_path, monkeypatch):
    monkeypatch.setattr(source_module, "MAX_UNSIZED", LARGE // 2)
    with serving_programs(process) as served:
        for ask in (served.remote.read_bytes, served.remote.stat, served.remote.checksum):
            with pytest.raises(TooLarge):
                ask("environ")


# --- to a server ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--limit", "10M"], ["--resume"], ["--progress", "json"], ["--update"]])
def test_put_sends_all_of_it(secftp, tmp_path, process, options):
    for name, expected in ((f"{process}/environ", ENVIRONMENT), (f"{KERNEL}/ostype", b"Linux\n")):
        assert secftp("put", *options, name, "//copy").code == ExitCode.OK
        assert (tmp_path / "root" / "copy").read_bytes() == expected
        (tmp_path / "root" / "copy").unlink()  # it may be newer than the next one


def test_what_is_counted_is_what_was_sent(tmp_path, process):
    (tmp_path / "root").mkdir()
    with serving_programs(tmp_path / "root") as served:
        listener = Recorder()
        with session(served.server.port, KEY) as client:
            summary = upload(client, [f"{process}/environ"], RemoteLocation((b"copy",)), CopyOptions(), listener)
    assert (summary.files, summary.bytes, summary.failed) == (1, len(ENVIRONMENT), 0)
    assert listener.bytes == len(ENVIRONMENT)
    assert listener.plans[-1] == (1, len(ENVIRONMENT))
    assert listener.of("finished")[0][:2] == (b"environ", len(ENVIRONMENT))


def test_update_does_not_take_it_for_the_empty_file_of_the_same_time(secftp, tmp_path):
    place = tmp_path / "root" / "copy"
    place.write_bytes(b"")
    status = os.stat(f"{KERNEL}/ostype")
    os.utime(place, ns=(0, status.st_mtime_ns))
    secftp("put", "--update", f"{KERNEL}/ostype", "//copy")
    assert place.read_bytes() == b"Linux\n"


@pytest.mark.parametrize("name", [f"{KERNEL}/ostype", f"{CPU}/online"])
def test_verify_compares_what_is_in_it(secftp, tmp_path, name):
    place = tmp_path / "root" / "copy"
    place.write_bytes(known(name))
    assert secftp("verify", name, "//copy").code == ExitCode.OK
    for wrong in (b"", known(name)[:-1], bytes(4096), bytes(100_000)):
        place.write_bytes(wrong)
        assert secftp("verify", name, "//copy").code == ExitCode.FAILED


def test_verify_of_a_directory_of_them(secftp, tmp_path):
    root = tmp_path / "root" / "keys"
    root.mkdir()
    names = os.listdir(f"{KERNEL}/keys")
    for name in names:
        (root / name).write_bytes(known(f"{KERNEL}/keys/{name}"))
    assert secftp("verify", f"{KERNEL}/keys", "//keys").code == ExitCode.OK
    (root / names[0]).write_bytes(b"")
    result = secftp("verify", f"{KERNEL}/keys", "//keys")
    assert (result.code, result.output) == (ExitCode.FAILED, f"differs: {names[0]}\n".encode())


def test_verify_still_knows_an_empty_file_from_a_large_one(secftp, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "root" / "large").write_bytes(bytes(100_000))
    assert secftp("verify", tmp_path / "empty", "//large").code == ExitCode.FAILED
