"""Downloads in parts over several streams: whole and right, whatever becomes of the streams and of the file."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import random
import threading
import time

import pytest

from secftp.errors import ChecksumMismatch, ConnectionLost, FileChanged, NoSpace, ServerBusy
from secftp.protocol import Algorithm, Capability, Read, Sum
from secftp.server.requests import read
from secftp.session.pipeline import Pipeline
from secftp.session.retry import Retries
from secftp.transfer import CopyOptions, Download, RemoteLocation, file_in_parts, part_streams, parts, streams
from secftp.transfer.download_parts import DownloadParts
from secftp.transfer.progress import ProgressListener
from secftp.transport import Channel
from tests.support.copying import OLD, Recorder, make
from tests.support.proxy import Way, relaying
from tests.support.serving import digest_of, listing, serving, session

pytestmark = pytest.mark.exhaustive

MIB = 2**20
SIZE = 20 * MIB + 12345
DATA = random.Random(11).randbytes(SIZE)
NUMBERS = (2, 4, 8)


@pytest.fixture(autouse=True)
def as_asked(monkeypatch):
    """As many streams as asked for: a server's limit, and the round trip, are about the number and nothing else."""
    monkeypatch.setattr(streams, "choose_streams", lambda asked, *_: asked or 1)
    monkeypatch.setattr(streams, "_PAUSE_SECONDS", 0.01)


@pytest.fixture
def here(tmp_path):
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def big(server):
    make(server.root, {b"big": DATA})
    return server


class Requests:
    """The requests that sessions make, by session."""

    def __init__(self, monkeypatch):
        self.made = []
        self._lock = threading.Lock()
        real = Pipeline.submit

        def submit(pipeline, request, on_reply):
            with self._lock:
                self.made.append((pipeline, request))
            real(pipeline, request, on_reply)

        monkeypatch.setattr(Pipeline, "submit", submit)

    def of(self, kind):
        return [request for _, request in self.made if isinstance(request, kind)]

    @property
    def sessions(self):
        """Sessions that have asked for parts of files."""
        return len({id(pipeline) for pipeline, request in self.made if isinstance(request, Read)})


@pytest.fixture
def requests(monkeypatch):
    return Requests(monkeypatch)


def download(server, here, number, listener=None, *, names=(b"big",), open_stream=None, **options):
    copy = Download(
        [RemoteLocation((name,)) for name in names], f"{here}/", CopyOptions(streams=number, **options), listener
    )
    copy.open_stream = open_stream or (lambda _is_wanted: server.session())
    return copy


def run(server, copy, port=None):
    with session(port or server.port) as over:
        return copy.run(over)


def is_right(here, name="big", data=DATA):
    assert listing(here) == [name]
    assert (here / name).read_bytes() == data
    return True


# --- as it should be --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, *NUMBERS])
def test_a_file_comes_whole(big, here, number, requests):
    told = Recorder()
    copy = download(big, here, number, told)
    summary = run(big, copy)
    assert is_right(here)
    status = (here / "big").stat()
    assert (status.st_mtime_ns, status.st_mode & 0o777) == (OLD, 0o644)
    assert (summary.files, summary.bytes, summary.failed) == (1, SIZE, 0)
    assert summary.digest == digest_of(DATA)
    assert told.of("finished") == [(b"big", SIZE, digest_of(DATA))]
    assert told.bytes == SIZE
    assert 1 <= requests.sessions <= number
    reads = requests.of(Read)
    if number == 1:
        assert [(read.version, read.additional) for read in reads] == [(None, False)]
        assert not requests.of(Sum)
    else:
        assert (reads[0].version, reads[0].length, reads[0].additional) == (b"", None, False)
        assert all(len(read.version) == 16 for read in reads[1:])


@pytest.mark.parametrize("checksum", ["md5", "sha256"])
def test_any_checksum(big, here, checksum):
    summary = run(big, download(big, here, 4, checksum=checksum))
    assert summary.digest == digest_of(DATA, checksum)
    assert is_right(here)


@pytest.mark.parametrize("number", NUMBERS)
def test_several_files_of_all_sizes(server, here, number):
    sizes = (0, 1, 2 * MIB - 1, 2 * MIB, 3 * MIB + 1, 9 * MIB, 100, 5 * MIB)
    files = {b"f%d" % place: DATA[place : place + size] for place, size in enumerate(sizes)}
    make(os.path.join(server.root, "tree"), files)
    told = Recorder()
    summary = run(server, download(server, here, number, told, names=(b"tree",)))
    assert told.of("failed") == []
    assert (summary.files, summary.bytes) == (len(sizes), sum(sizes))
    for name, data in files.items():
        assert (here / "tree" / os.fsdecode(name)).read_bytes() == data


@pytest.mark.parametrize("number", NUMBERS)
def test_what_comes_after_the_first_request_has_left_the_rest_to_others_does_not_count(big, here, number, monkeypatch):
    """It leaves when others have completed the file, too, although its own reply is still coming."""
    check, left = DownloadParts._check_files, []

    def leave_early(parts):
        for file, first in tuple(parts._reads.items()):
            if not left and 0 < first._received < SIZE // 2:
                first.leave(file)
                left.append(first._received)
        check(parts)

    monkeypatch.setattr(DownloadParts, "_check_files", leave_early)
    told = Recorder()
    summary = run(big, download(big, here, number, told))
    assert left
    assert told.of("failed") == []
    assert (summary.files, summary.digest) == (1, digest_of(DATA))
    assert is_right(here)


def test_the_target_may_be_a_name_or_a_device(big, here):
    for target in (here / "copy", os.devnull):
        copy = Download([RemoteLocation((b"big",))], str(target), CopyOptions(streams=4))
        copy.open_stream = lambda _is_wanted: big.session()
        assert run(big, copy).files == 1
    assert is_right(here, "copy")


def test_streams_stay_for_the_next_file(server, here):
    """No more sessions than streams, for many files."""
    make(os.path.join(server.root, "tree"), {b"f%d" % number: DATA[number : 5 * MIB] for number in range(8)})
    opened = []

    def open_stream(_is_wanted):
        opened.append(None)
        return server.session()

    assert run(server, download(server, here, 4, names=(b"tree",), open_stream=open_stream)).files == 8
    assert len(opened) <= 3


class OneThread(ProgressListener):
    """All that is said, and on which threads."""

    def __init__(self):
        self.threads = set()

    def __getattribute__(self, name):
        if name in ("planned", "started", "moved", "finished", "failed", "note", "ended", "resumed", "skipped"):
            self.threads.add(threading.get_ident())
        return super().__getattribute__(name)


def test_the_listener_is_called_on_one_thread(big, here):
    told = OneThread()
    run(big, download(big, here, 8, told))
    assert told.threads == {threading.get_ident()}


def test_all_streams_share_one_rate_limit(big, here, monkeypatch):
    copy = download(big, here, 4, limit_rate=10**12)
    spent, lock = [], threading.Lock()

    def spend(nbytes):
        with lock:
            spent.append(nbytes)

    monkeypatch.setattr(copy.limit, "spend", spend)
    run(big, copy)
    assert SIZE <= sum(spent) <= 1.5 * SIZE


# --- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, *NUMBERS])
def test_a_partial_file_is_resumed(big, here, number, requests):
    with relaying(big.port, down=Way(cut=8 * MIB)) as relay, pytest.raises(ConnectionLost):
        run(big, download(big, here, 1), relay.port)
    (partial,) = listing(here)
    kept = (here / partial).stat().st_size
    assert 4 * MIB < kept < SIZE
    requests.made.clear()
    told = Recorder()
    summary = run(big, download(big, here, number, told, resume=True))
    assert is_right(here)
    assert summary.bytes == SIZE - kept
    assert told.of("resumed") == [(b"big", kept)]
    assert told.bytes == SIZE
    assert requests.of(Read)[0].offset == kept


def test_what_came_without_a_gap_is_kept(big, here, monkeypatch):
    """All connections are cut, in the middle of their parts."""
    monkeypatch.setattr(streams, "_ATTEMPTS", 1)
    with relaying(big.port, down=Way(cut=3 * MIB)) as relay:
        copy = download(big, here, 4, open_stream=lambda _is_wanted: session(relay.port))
        with pytest.raises(ConnectionLost):
            run(big, copy, relay.port)
    (partial,) = listing(here)
    kept = (here / partial).read_bytes()
    assert len(kept) >= 2 * MIB
    assert kept == DATA[: len(kept)]
    summary = run(big, download(big, here, 4, resume=True))
    assert summary.bytes == SIZE - len(kept)
    assert is_right(here)


def test_a_copy_goes_on_over_the_next_connections(big, here):
    with relaying(big.port, down=lambda number: Way(cut=MIB + 300_000 * number)) as relay:
        copy = download(big, here, 4, open_stream=lambda _is_wanted: session(relay.port))
        retries = Retries(100, progress=lambda: 0, sleep=lambda _seconds: None)
        summary = retries.run(lambda: run(big, copy, relay.port))
    assert summary.files == 1
    assert is_right(here)


def test_an_interruption_keeps_what_can_be_resumed(big, here):
    class Interrupts(ProgressListener):
        moved_bytes = 0

        def moved(self, nbytes):
            self.moved_bytes += nbytes
            if self.moved_bytes > 12 * MIB:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(big, download(big, here, 4, Interrupts()))
    (partial,) = listing(here)
    kept = (here / partial).read_bytes()
    assert kept
    assert kept == DATA[: len(kept)]
    run(big, download(big, here, 4, resume=True))
    assert is_right(here)


def test_a_partial_of_a_killed_client_is_resumed_at_its_first_hole(big, here):
    """SIGKILL leaves all parts, with holes between them."""

    class Killed(ProgressListener):
        moved_bytes = 0

        def moved(self, nbytes):
            self.moved_bytes += nbytes
            if self.moved_bytes > 14 * MIB and not (here / "saved").exists():
                (name,) = listing(here)
                self.name = name
                with open(here / name, "rb") as source, open(here / "saved", "wb") as target:
                    position = 0
                    while position < os.fstat(source.fileno()).st_size:
                        try:
                            begin = os.lseek(source.fileno(), position, os.SEEK_DATA)
                        except OSError:
                            break
                        position = os.lseek(source.fileno(), begin, os.SEEK_HOLE)
                        os.pwrite(target.fileno(), os.pread(source.fileno(), position - begin, begin), begin)

    killed = Killed()
    run(big, download(big, here, 4, killed))
    os.unlink(here / "big")
    os.rename(here / "saved", here / killed.name)
    told = Recorder()
    summary = run(big, download(big, here, 4, told, resume=True))
    assert is_right(here)
    assert not told.of("note"), "it did not start again"
    assert summary.bytes < SIZE


# --- streams that are refused, lost, ended, or hang -------------------------------------------------------------------


def refuse(_is_wanted):
    raise ServerBusy("The server has too many clients.")


def lose(_is_wanted):
    raise ConnectionLost("The connection was lost.")


def fail(_is_wanted):
    raise OSError(errno.EMFILE, "too many open files")


@pytest.mark.parametrize("open_stream", [refuse, lose, fail])
def test_refused_streams_are_no_failure(big, here, open_stream, requests):
    assert run(big, download(big, here, 4, open_stream=open_stream)).files == 1
    assert is_right(here)
    assert requests.sessions == 1
    assert len(requests.of(Read)) == 1, "the first request goes on to the end"


@pytest.mark.parametrize("then", ["close", "reset", "half"])
@pytest.mark.parametrize("cut", [1000, 100_000, 2 * MIB])
def test_lost_streams_give_their_parts_back(big, here, cut, then):
    with relaying(big.port, down=Way(cut=cut, then=then)) as relay:
        copy = download(big, here, 4, open_stream=lambda _is_wanted: session(relay.port))
        assert run(big, copy).files == 1
    assert is_right(here)


def test_the_first_stream_may_be_the_lost_one(big, here):
    """The others do what is left, and the copy has not failed."""
    with relaying(big.port, down=Way(cut=2 * MIB)) as relay:
        summary = run(big, download(big, here, 4), relay.port)
    assert summary.files == 1
    assert is_right(here)


def test_the_loss_of_the_first_stream_is_told_if_more_is_to_be_done(server, here):
    make(os.path.join(server.root, "tree"), {b"f%d" % number: DATA[number:] for number in range(3)})
    with relaying(server.port, down=Way(cut=2 * MIB)) as relay:
        copy = download(server, here, 4, names=(b"tree",))
        with pytest.raises(ConnectionLost):
            run(server, copy, relay.port)
    assert copy.summary.files == 1
    assert run(server, copy).files == 3
    for number in range(3):
        assert (here / "tree" / f"f{number}").read_bytes() == DATA[number:]


@pytest.mark.parametrize("stalls", ["an additional one", "the first one"])
def test_a_stream_that_hangs_does_not_hold_up_the_file(big, here, stalls, monkeypatch):
    monkeypatch.setattr(parts, "STALLED_SECONDS", 0.3)
    with relaying(big.port, down=Way(cut=2 * MIB, then="stall")) as relay:
        is_first = stalls == "the first one"
        good, bad = (lambda _is_wanted: big.session()), (lambda _is_wanted: session(relay.port))
        copy = download(big, here, 3, open_stream=good if is_first else bad)
        assert run(big, copy, relay.port if is_first else big.port).files == 1
    assert is_right(here)


def test_a_stream_that_idles_asks_for_the_digest_if_nobody_else_does():
    """The session that had asked may be lost when all parts have come already."""
    scheduler = part_streams.PartScheduler(lambda: None, lambda _nbytes: None)
    file = file_in_parts.FileInParts(
        (b"big",), b"big", b"v", 0, Algorithm.XXH128, None, streams=2, offset=0, on_change=scheduler.changed
    )
    scheduler.add(file)
    assert scheduler.wait()
    assert file.claim_sum()
    assert not file.claim_sum()
    found = []
    idle = threading.Thread(target=lambda: found.append(scheduler.wait()))
    idle.start()
    file_in_parts.SumReply(file).give_back()
    idle.join()
    assert found == [True]
    scheduler.remove(file)
    assert not scheduler.wait()


def test_a_defect_in_a_stream_is_raised(big, here, monkeypatch):
    monkeypatch.setattr(file_in_parts.PartReply, "_opened", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(big, download(big, here, 4))


# --- files that change, and servers of other kinds --------------------------------------------------------------------


def changing(big, when, change):
    """A way to open streams that changes the file before stream number `when`."""
    numbers, lock = iter(range(100)), threading.Lock()

    def open_stream(_is_wanted):
        with lock:
            if next(numbers) == when:
                change(os.path.join(big.root, "big"))
        return big.session()

    return open_stream


def replace(path):
    with open(f"{path}.new", "wb") as file:
        file.write(DATA[::-1])
    os.rename(f"{path}.new", path)


def append(path):
    with open(path, "ab") as file:
        file.write(b"more")


@pytest.mark.parametrize("when", [0, 1, 2])
@pytest.mark.parametrize("change", [replace, append])
def test_two_versions_are_never_mixed(big, here, when, change):
    told = Recorder()
    copy = download(big, here, 4, told, open_stream=changing(big, when, change))
    assert run(big, copy).files == 1
    (name,) = listing(here)
    found = (here / name).read_bytes()
    assert found in (DATA, DATA[::-1], DATA + b"more")
    assert told.bytes == len(found)


def test_a_file_that_is_rewritten_all_the_time_is_an_error(big, here, monkeypatch):
    path = os.path.join(big.root, "big")
    real = file_in_parts.PartReply._opened

    def opened(reply, file):
        os.utime(path)  # another version, without other bytes
        return real(reply, file)

    monkeypatch.setattr(file_in_parts.PartReply, "_opened", opened)
    told = Recorder()
    summary = run(big, download(big, here, 4, told))
    assert [kind for kind, *_ in told.calls if kind in ("finished", "failed")]
    if summary.failed:
        ((_, problem),) = told.of("failed")
        assert isinstance(problem, FileChanged)
        assert listing(here) == []
    else:
        assert is_right(here)


def test_a_server_without_versions_is_asked_for_whole_files(big, here, requests, monkeypatch):
    from secftp.server import session as server_session

    old = tuple(each for each in Capability if each is not Capability.VERSIONS)
    monkeypatch.setattr(server_session, "_CAPABILITIES", old)
    assert run(big, download(big, here, 4)).files == 1
    assert is_right(here)
    assert [read.version for read in requests.of(Read)] == [b""]


def test_another_server_at_the_same_address(big, here, tmp_path, requests):
    """It has other versions, as another process behind one address has: these streams are of no use."""
    (tmp_path / "other").mkdir()
    make(tmp_path / "other", {b"big": DATA[::-1]})
    with serving(tmp_path / "other") as other:
        copy = download(big, here, 4, open_stream=lambda _is_wanted: other.session())
        assert run(big, copy).files == 1
    assert is_right(here)


def test_an_old_server_at_the_same_address(big, here, tmp_path, monkeypatch):
    """It ignores the version, and sends a part of whatever it has: nothing of that is written."""
    real = read.require_version
    monkeypatch.setattr(read, "require_version", lambda source, asked: None if asked else real(source, asked))
    (tmp_path / "other").mkdir()
    make(tmp_path / "other", {b"big": DATA[::-1]})
    with serving(tmp_path / "other") as other:
        copy = download(big, here, 4, open_stream=lambda _is_wanted: other.session())
        assert run(big, copy).files == 1
    assert is_right(here)


def test_a_digest_of_the_whole_that_differs_leaves_nothing(big, here, monkeypatch):
    monkeypatch.setattr(file_in_parts.FileInParts, "take_sum", functools.partialmethod(wrong_sum))
    told = Recorder()
    summary = run(big, download(big, here, 4, told))
    assert summary.failed == 1
    assert isinstance(told.of("failed")[0][1], ChecksumMismatch)
    assert listing(here) == []


def wrong_sum(file, digest):
    file.expected = bytes(16)
    file._on_change()


def test_a_part_with_other_bytes_leaves_nothing(big, here, monkeypatch):
    """Damage between the socket and the disk of one part, that its own digest does not show."""
    from secftp.storage.part_writer import PartWriter

    real = PartWriter.write

    def write(writer, buffers, offset):
        real(writer, buffers, offset)
        if offset > SIZE // 2:
            real(writer, [memoryview(b"\0\1\2\3")], offset)

    monkeypatch.setattr(PartWriter, "write", write)
    told = Recorder()
    assert run(big, download(big, here, 4, told)).failed == 1
    assert isinstance(told.of("failed")[0][1], ChecksumMismatch)
    assert listing(here) == []


def test_a_full_disk_is_one_failure_that_leaves_nothing(big, here, monkeypatch):
    real, written = os.pwritev, []

    def pwritev(fd, buffers, offset, *rest):
        if b"/here/.secftp-" in os.fsencode(os.readlink(f"/proc/self/fd/{fd}")):
            written.append(offset)
            if len(written) > 8:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, buffers, offset, *rest)

    monkeypatch.setattr(os, "pwritev", pwritev)
    told = Recorder()
    assert run(big, download(big, here, 4, told)).failed == 1
    ((_, problem),) = told.of("failed")
    assert isinstance(problem, NoSpace)
    assert listing(here) == []
    assert told.bytes == 0


@pytest.mark.parametrize("failing", ["copy", "stream"])
def test_a_full_disk_leaves_nothing_whichever_thread_meets_it(big, here, monkeypatch, failing):
    """Also if the rest was cancelled for that, so that the answer says nothing about the disk."""
    real, main, failed = os.pwritev, threading.current_thread(), []

    def pwritev(fd, buffers, offset, *rest):
        is_failing = not failed and (threading.current_thread() is main) is (failing == "copy")
        if is_failing and offset > MIB and b"/here/.secftp-" in os.fsencode(os.readlink(f"/proc/self/fd/{fd}")):
            failed.append(offset)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(fd, buffers, offset, *rest)

    monkeypatch.setattr(os, "pwritev", pwritev)
    monkeypatch.setattr(Channel, "send_data", slowly(Channel.send_data))
    told = Recorder()
    assert run(big, download(big, here, 2, told)).failed == 1
    ((_, problem),) = told.of("failed")
    assert isinstance(problem, NoSpace)
    assert listing(here) == []


def slowly(send):
    """Send data of a file so that a CANCEL comes in the middle of a part."""

    def send_data(*arguments):
        time.sleep(0.02)
        return send(*arguments)

    return send_data


def test_a_file_that_exists_is_not_replaced_against_the_options(big, here):
    (here / "big").write_bytes(b"mine")
    assert run(big, download(big, here, 4, overwrite=False)).skipped == 1
    assert (here / "big").read_bytes() == b"mine"


def test_a_server_that_stops(big, here):
    """It ends all sessions; what came is kept."""

    class Stops(ProgressListener):
        def moved(self, _nbytes):
            big.server.stop()

    with contextlib.suppress(ConnectionLost):
        run(big, download(big, here, 4, Stops()))
    if listing(here) != ["big"]:
        (partial,) = listing(here)
        kept = (here / partial).read_bytes()
        assert kept == DATA[: len(kept)]
    else:
        assert is_right(here)


def test_a_silent_session_is_a_timeout_even_beside_others(big, here, monkeypatch):
    """If there are no others, the loss is raised after the time that was agreed on."""
    with relaying(big.port, down=Way(cut=2 * MIB, then="stall")) as relay:
        copy = download(big, here, 2, open_stream=refuse)
        with session(relay.port, timeout=1.0) as over, pytest.raises(Exception, match="Timeout"):
            copy.run(over)
