"""The digest of a file that is read beside the sending of its parts."""

from __future__ import annotations

import threading

import pytest

from secftp.errors import FileChanged, InputOutputError
from secftp.storage import new_digest
from secftp.transfer.ordered_digest import OrderedDigest
from tests.support.serving import DEADLINE, MemorySource, digest_of

DATA = bytes(range(256)) * 20_000
SIZE = len(DATA)


@pytest.fixture
def made():
    """Digests that are ended by the test's end."""
    digests = []

    def make(total=SIZE):
        digest = OrderedDigest(new_digest("xxh128"), total)
        digests.append(digest)
        return digest

    yield make
    for digest in digests:
        digest.stop()


def test_all_of_a_file(made):
    digest = made()
    digest.start(MemorySource(DATA))
    digest.allow(len(DATA))
    assert digest.wait() == digest.result == digest_of(DATA)


def test_an_empty_file(made):
    digest = made(0)
    digest.start(MemorySource(b""))
    assert digest.wait() == digest_of(b"")


def test_no_more_is_read_than_is_allowed(made):
    source, digest = MemorySource(DATA), made()
    digest.start(source)
    assert digest.result is None
    for limit in (1, 1000, 1000, 500, 2**20, 3 * 2**20 + 1):
        digest.allow(limit)
        while digest.position < limit:
            threading.Event().wait(0.001)
    assert source.taken == digest.position == 3 * 2**20 + 1
    assert digest.result is None
    digest.allow(len(DATA) + 5)
    assert digest.wait() == digest_of(DATA)


def test_it_continues_with_another_source_of_the_file(made):
    digest = made()
    digest.start(MemorySource(DATA))
    digest.allow(1_500_000)
    while digest.position < 1_500_000:
        threading.Event().wait(0.001)
    digest.stop()
    assert digest.wait() is None
    later = MemorySource(DATA)
    digest.start(later)
    digest.allow(len(DATA))
    assert digest.wait() == digest_of(DATA)
    assert later.taken == len(DATA) - 1_500_000


def test_it_begins_behind_what_was_hashed_already():
    begun = new_digest("xxh128")
    begun.update(DATA[:777])
    digest = OrderedDigest(begun, len(DATA), 777)
    digest.start(MemorySource(DATA))
    digest.allow(len(DATA))
    assert digest.wait() == digest_of(DATA)
    digest.stop()


def test_a_file_that_is_too_short_has_no_digest(made):
    digest = made(len(DATA) + 1)
    digest.start(MemorySource(DATA))
    digest.allow(len(DATA) + 1)
    for _ in range(2):
        with pytest.raises(FileChanged):
            digest.wait()
    assert digest.result is None


def test_who_waits_gets_the_failure_of_the_source(made):
    problem = InputOutputError("broken")
    digest = made()
    digest.start(MemorySource(DATA, failure=problem, fails_at=2**20))
    digest.allow(len(DATA))
    with pytest.raises(InputOutputError):
        digest.wait()


def test_who_waits_is_woken_when_it_does_not_matter_any_more(made):
    digest, over, waits = made(), [], threading.Event()
    digest.start(MemorySource(DATA))
    results = []

    def wait():
        waits.set()
        results.append(digest.wait(lambda: bool(over)))

    thread = threading.Thread(target=wait)
    thread.start()
    assert waits.wait(DEADLINE)
    over.append(True)
    digest.wake()
    thread.join(DEADLINE)
    assert results == [None]


def test_stop_wakes_those_who_wait(made):
    digest, results = made(), []
    digest.start(MemorySource(DATA))
    thread = threading.Thread(target=lambda: results.append(digest.wait()))
    thread.start()
    digest.stop()
    digest.stop()
    thread.join(DEADLINE)
    assert results == [None]
