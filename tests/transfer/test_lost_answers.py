"""Uploads whose replies get lost: the files have arrived, and a repetition does not fail."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from secftp.errors import ConnectionLost, ExitCode, NoSpace
from secftp.storage import LocalStore
from secftp.storage.attributes import DEFAULT_OPTIONS
from secftp.transfer import CopyOptions, RemoteLocation, Upload
from tests.support.command_line import SECRET_KEY, run
from tests.support.copying import Recorder, contents, make
from tests.support.losing import losing
from tests.support.plain import bound_by_permissions
from tests.support.serving import HOST, listing, serving, session

ROOT = RemoteLocation(())
LARGE = os.urandom(3 << 20)
MIDDLE = os.urandom(100_000)
FILES = {b"small": b"1", b"empty": b"", b"middle": MIDDLE, b"large": LARGE, b"ro/a": b"2", b"ro/b": b"3"}


@pytest.fixture(autouse=True)
def _bound():
    with bound_by_permissions():
        yield


@pytest.fixture
def top(tmp_path):
    made = make(tmp_path / "src", FILES)
    os.chmod(f"{made}/ro", 0o555)
    return made


class Losing(Recorder):
    """Calls `lose` when so many files were begun: what the server says from then on gets lost.

    With 0 that is before the copy begins: of one small file nothing is told before its reply.
    """

    def __init__(self, files=1):
        super().__init__()
        self.lose = None
        self.files = files

    def started(self, name, size):
        super().started(name, size)
        if len(self.of("started")) == self.files and self.lose is not None:
            lose, self.lose = self.lose, None
            lose()


def put_twice(server, copy, told, done):
    """Run a copy whose answers get lost until `done` says that the server has carried it out; then go on with it."""
    with losing(server.port) as way:
        told.lose = lambda: way.cut_when(done)
        with session(way.port) as client:
            if not told.files:
                told.lose()
            with pytest.raises(ConnectionLost):
                copy.run(client)
        with session(way.port) as client:
            return copy.run(client)


def confirmed(server, count):
    return lambda: server.log.text.count("File confirmed") >= count


RULES = {
    "nothing is replaced by the client": (CopyOptions(overwrite=False), {}),
    "nothing is replaced by the server": (CopyOptions(), {"overwrite": False}),
    "everything may be replaced": (CopyOptions(), {}),
    "only what differs": (CopyOptions(update=True), {}),
    "with what was kept": (CopyOptions(resume=True), {}),
    "without permissions": (CopyOptions(preserve=False, overwrite=False), {}),
}


@pytest.mark.parametrize(("options", "rules"), RULES.values(), ids=RULES)
def test_everything_has_arrived_and_the_answers_are_lost(tmp_path, top, options, rules):
    (tmp_path / "root").mkdir()
    told = Losing(len(FILES))
    with serving(tmp_path / "root", **rules) as server:
        copy = Upload([top], RemoteLocation((b"dst",)), options, told)
        summary = put_twice(server, copy, told, confirmed(server, len(FILES)))
    assert contents(tmp_path / "root" / "dst") == FILES
    assert (summary.files, summary.skipped, summary.failed) == (len(FILES), 0, 0), told.calls
    assert sorted(told.finished_names) == sorted(b"src/" + name for name in FILES)
    assert told.bytes == sum(map(len, FILES.values()))
    assert not [name for name in listing(tmp_path / "root") if "secftp-" in name]
    if options.preserve and "overwrite" not in rules:
        assert stat.S_IMODE(os.stat(tmp_path / "root" / "dst" / "ro").st_mode) == 0o555
    os.chmod(tmp_path / "root" / "dst" / "ro", 0o755)


def test_a_large_file_that_has_arrived_is_not_sent_again(tmp_path):
    source = tmp_path / "large"
    source.write_bytes(LARGE)
    (tmp_path / "root").mkdir()
    with serving(tmp_path / "root") as server:
        told = Losing()
        summary = put_twice(server, Upload([str(source)], ROOT, None, told), told, confirmed(server, 1))
        assert server.log.text.count("Client requested to write") == 1
    assert (summary.files, summary.failed) == (1, 0)


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
def test_what_was_there_before_is_still_skipped(tmp_path, data):
    """The first time it was refused, and that got lost: the second time it is not ours either."""
    source, root = tmp_path / "name", tmp_path / "root"
    source.write_bytes(data)
    root.mkdir()
    (root / "name").write_bytes(bytes(len(data)))
    os.utime(root / "name", ns=(0, source.stat().st_mtime_ns))  # only its bytes are others
    told = Losing()
    with serving(root) as server:
        copy = Upload([str(source)], ROOT, CopyOptions(overwrite=False), told)
        summary = put_twice(server, copy, told, lambda: "Refused" in server.log.text)
    assert (summary.files, summary.skipped, summary.failed) == (0, 1, 0)
    assert (root / "name").read_bytes() == bytes(len(data))


def test_a_different_file_that_is_there_is_reported(tmp_path):
    source, root = tmp_path / "name", tmp_path / "root"
    source.write_bytes(b"data")
    root.mkdir()
    told = Losing(0)
    with serving(root, overwrite=False) as server:
        copy = Upload([str(source)], ROOT, CopyOptions(), told)

        def change():
            if "File confirmed" not in server.log.text:
                return False
            (root / "name").write_bytes(b"DATA")
            return True

        summary = put_twice(server, copy, told, change)
    assert (summary.files, summary.failed) == (0, 1)


def test_a_directory_that_was_made_is_ours_after_a_lost_answer(tmp_path, top):
    """New files only: what is there already is left alone, but not what the try before has made."""
    root = tmp_path / "root"
    root.mkdir()
    told = Losing(len(FILES))
    with serving(root) as server:
        copy = Upload([top], ROOT, CopyOptions(overwrite=False), told)
        summary = put_twice(server, copy, told, lambda: "make directory: src/ro" in server.log.text)
    assert (summary.files, summary.skipped, summary.failed) == (len(FILES), 0, 0)
    status = os.stat(root / "src" / "ro")
    assert stat.S_IMODE(status.st_mode) == 0o555
    assert status.st_mtime_ns == os.stat(f"{top}/ro").st_mtime_ns
    os.chmod(root / "src" / "ro", 0o755)


def test_the_same_file_of_another_user_is_skipped_the_first_time(tmp_path):
    """Only a second try may find its own: what was there from the beginning was not copied now."""
    (tmp_path / "name").write_bytes(b"same")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "name").write_bytes(b"same")
    with serving(tmp_path / "root") as server, session(server.port) as client:
        summary = Upload([str(tmp_path / "name")], ROOT, CopyOptions(overwrite=False)).run(client)
    assert (summary.files, summary.skipped) == (0, 1)


class LateStore(LocalStore):
    """A store that refuses a first file; before the second one gets its name, another server has stored one there."""

    def __init__(self, root, data, mtime_ns):
        super().__init__(root)
        self._late = Path(root) / "name", data, mtime_ns
        self.began = 0

    def create_sink(self, path, options=DEFAULT_OPTIONS):
        self.began += 1
        if self.began == 1:
            raise NoSpace("no space left for: name")
        if self.began == 2:
            name, data, mtime_ns = self._late
            # Seen neither when the client asks nor when the request begins, but when the file is complete.
            sink = super().create_sink(path, options)
            name.write_bytes(data)
            os.utime(name, ns=(mtime_ns, mtime_ns))
            return sink
        return super().create_sink(path, options)


@pytest.mark.parametrize("keeps_time", [True, False])
@pytest.mark.parametrize("is_ours", [True, False])
def test_a_file_that_is_stored_late_by_the_server_before(tmp_path, is_ours, keeps_time):
    """The client is sending it once more by then. If it is another's file, it is compared no second time.

    A store that copies objects may lose the time of the file: that does not make it another's.
    """
    source, root = tmp_path / "name", tmp_path / "root"
    source.write_bytes(LARGE)
    root.mkdir()
    late = LARGE if is_ours else LARGE[::-1]
    told = Losing()
    store = LateStore(root, late, source.stat().st_mtime_ns if keeps_time else 0)
    with serving(root, store=store) as server:
        copy = Upload([str(source)], ROOT, CopyOptions(overwrite=False), told)
        summary = put_twice(server, copy, told, lambda: "Refused" in server.log.text)
    assert (summary.files, summary.skipped, summary.failed) == (is_ours, not is_ours, 0)
    assert (root / "name").read_bytes() == late
    assert store.began == 2
    assert len(told.of("finished")) == is_ours
    assert summary.times == (is_ours and not keeps_time)


@pytest.mark.parametrize("words", [["-n"], [], ["--retries", "2"]], ids=["new only", "any", "with retries"])
@pytest.mark.parametrize("command", ["put"])
def test_a_stream_that_has_arrived_is_found(tmp_path, command, words):
    """What came through a pipe can't be sent again, but whether it is there can be asked."""
    (tmp_path / "root").mkdir()
    with serving(tmp_path / "root", key=SECRET_KEY) as server, losing(server.port) as way:
        way.cut_when(
            lambda: "File confirmed" in server.log.text,
            after=lambda: "requested to write filename: name" in server.log.text,
        )
        url = f"secftp://{HOST}:{way.port}/name"
        run(tmp_path, command, "-q", *words, "-", url, stdin=MIDDLE).succeed()
    assert (tmp_path / "root" / "name").read_bytes() == MIDDLE


def test_a_stream_that_has_not_arrived_is_a_lost_connection(tmp_path):
    (tmp_path / "root").mkdir()
    with serving(tmp_path / "root", key=SECRET_KEY) as server, losing(server.port) as way:

        def change():
            if "File confirmed" not in server.log.text:
                return False
            (tmp_path / "root" / "name").write_bytes(bytes(len(MIDDLE)))
            return True

        way.cut_when(change, after=lambda: "requested to write filename: name" in server.log.text)
        url = f"secftp://{HOST}:{way.port}/name"
        run(tmp_path, "put", "-q", "-", url, stdin=MIDDLE).expect(ExitCode.CONNECTION_LOST)
