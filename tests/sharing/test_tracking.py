"""When a delivery is complete, by what the log of a server is told; without a server."""

from __future__ import annotations

import pytest

from secftp.server.log_format import Operation
from secftp.sharing.counts import Counts
from secftp.sharing.tracking import CLIENTS, PARTED, REFUSED, Downloads, Uploads
from secftp.storage.selection import SelectionStore

SIZE = 1000
BIG = (b"big",)


@pytest.fixture
def events():
    return []


@pytest.fixture
def downloads(tmp_path, events):
    (tmp_path / "big").write_bytes(bytes(SIZE))
    (tmp_path / "small").touch()
    with SelectionStore([str(tmp_path / "big"), str(tmp_path / "small")]) as store:
        yield Downloads(store, events.append, Counts())


@pytest.fixture
def uploads(events):
    return Uploads(events.append, Counts())


def kinds(events):
    return [event.kind for event in events if event.kind in ("complete", "incomplete")]


def read(path, *, at=None, nbytes=SIZE, version=b"1", held=0, result="ok"):
    """The read of a part from `at` on, or of the whole."""
    return Operation("read", path, result, 0.0, nbytes, moved=at is None, at=at, version=version, held=held)


def write(path, result="ok"):
    return Operation("write", path, result, 0.0, 1 if result == "ok" else 0, moved=result == "ok")


def visit(tracker, *done, host="a", in_order=True, has_failed=False, additional=False):
    session = tracker.visited(host)
    for one in done:
        session.finished(one)
    session.ended(in_order=in_order, has_failed=has_failed, additional=additional)


SMALL = read((b"small",), nbytes=0)


@pytest.mark.parametrize(
    "parts",
    [
        [read(BIG)],
        [read(BIG, at=0, nbytes=600), read(BIG, at=600, nbytes=400)],
        [read(BIG, at=600, nbytes=400), read(BIG, at=0, nbytes=601, result="cancelled")],
        [read(BIG, at=500, nbytes=100, held=500, result="cancelled"), read(BIG, at=600, nbytes=400)],
    ],
)
def test_every_file_to_its_end(downloads, events, parts):
    visit(downloads, SMALL, *parts)
    assert kinds(events) == ["complete"]
    assert events[-1].files == 2


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [read(BIG, at=0, nbytes=999)],
        [read(BIG, at=1, nbytes=999)],
        [read(BIG, at=0, nbytes=500), read(BIG, at=501, nbytes=499)],
        [read(BIG, at=0, nbytes=500, version=b"1"), read(BIG, at=500, nbytes=500, version=b"2")],
        [Operation("sum", BIG, "ok", 0.0, SIZE)],
        [Operation("read", BIG, "io_error", 0.0, 0)],
    ],
)
def test_a_part_of_the_files_is_no_download(downloads, events, parts):
    visit(downloads, SMALL, *parts)
    assert kinds(events) == ["incomplete"]
    visit(downloads, read(BIG))
    assert kinds(events)[-1] == "complete", "what the client has counts on"


def test_questions_end_nothing_and_are_not_spoken_of(downloads, events):
    visit(downloads, Operation("stat", BIG, "ok", 0.0), Operation("list", (), "ok", 0.0))
    visit(downloads)
    assert kinds(events) == []


def test_a_session_that_is_cut_or_an_additional_one_ends_nothing(downloads, events):
    visit(downloads, SMALL, read(BIG), in_order=False)
    visit(downloads, SMALL, read(BIG), additional=True)
    assert kinds(events) == []
    visit(downloads, SMALL)  # the client comes again, for the rest
    assert kinds(events) == ["complete"]


def test_a_client_that_says_that_it_has_failed_is_believed(downloads, events):
    visit(downloads, SMALL, read(BIG), has_failed=True)
    assert kinds(events) == ["incomplete"]


def test_two_clients_are_not_one(downloads, events):
    visit(downloads, SMALL, host="a")
    visit(downloads, read(BIG), host="b")
    assert kinds(events) == ["incomplete", "incomplete"]
    visit(downloads, SMALL, host="b")
    assert (kinds(events)[-1], events[-1].host) == ("complete", "b")


def test_each_download_counts_once(downloads, events):
    visit(downloads, SMALL, read(BIG))
    visit(downloads, SMALL)
    visit(downloads, read(BIG))
    assert kinds(events) == ["complete", "incomplete", "complete"]


def test_what_is_remembered_is_bounded(downloads):
    for number in range(3 * CLIENTS):
        visit(downloads, SMALL, host=str(number), in_order=False)
    assert len(downloads._clients) == CLIENTS
    session = downloads.visited("x")
    for number in range(3 * PARTED):
        session.finished(read((b"%d" % number,), at=0, nbytes=1))
    assert len(downloads._clients["x"].parted) <= PARTED


def test_a_delivery_has_a_file_and_no_refusal(uploads, events):
    visit(uploads, Operation("mkdir", (b"d",), "ok", 0.0))
    visit(uploads, write((b"d", b"a")), write((b"old",), "exists"))
    visit(uploads, write((b"d", b"b")), Operation("mkdir", (b"old",), "exists", 0.0))
    assert kinds(events) == ["incomplete", "incomplete"]
    visit(uploads, write((b"d", b"c")))
    assert kinds(events)[-1] == "complete"
    assert events[-1].files == 1, "what came before belongs to deliveries that were not complete"


@pytest.mark.parametrize(
    "done",
    [
        [write((b"d",), "is_folder"), write((b"d", b"a"))],  # a guess about the target
        [write((b"a",), "changed"), write((b"a",))],  # sent again
        [write((b"a",)), write((b"a",), "exists")],  # an answer was lost
    ],
)
def test_what_was_refused_and_made_good_is_no_refusal(uploads, events, done):
    visit(uploads, *done)
    assert kinds(events) == ["complete"]


def test_refusals_without_end_are_refusals(uploads, events):
    visit(uploads, write((b"a",)), *(write((b"x%d" % number,), "exists") for number in range(REFUSED + 5)))
    assert kinds(events) == ["incomplete"]
    assert len(uploads._clients["a"].refused) <= REFUSED
