"""Files and directories of a tree that are written to a bucket at once: how many, in which order, and what fails."""

from __future__ import annotations

import random
import threading
import time

import pytest

from secftp.protocol import (
    Error,
    ErrorCode,
    MakeDirectory,
    NewFile,
    Ok,
    Remove,
    Results,
    SetAttributes,
    Stat,
    WriteMany,
)
from secftp.server.access import Rights
from secftp.server.requests.names_ahead import is_related
from secftp.storage.objects.store import ObjectStore
from tests.storage.objects.faults import FaultyBucket, lost
from tests.support.requests_at import served
from tests.support.serving import DEADLINE, digest_of

MARKER = ".secftp-directory"
MANY = 12


class OneByOne(ObjectStore):
    """The same files, for which each request is served by itself."""

    at_once = 1


@pytest.fixture
def bucket():
    return FaultyBucket()


@pytest.fixture
def at(bucket, tmp_path):
    with served(tmp_path, store=ObjectStore(bucket)) as found:
        yield found


def path_of(text):
    return tuple(text.encode().split(b"/"))


def directory(text, number, mode=0o700, **more):
    return MakeDirectory(id=number, path=path_of(text), parents=True, mode=mode, fill=True, **more)


def attributes(text, number, mode=0o755, mtime_ns=5):
    return SetAttributes(id=number, path=path_of(text), mode=mode, mtime_ns=mtime_ns)


def files(number, *texts, data=b"x", **more):
    return WriteMany(id=number, files=tuple(NewFile(path_of(text), data, digest_of(data)) for text in texts), **more)


def numbered(*requests):
    """Give requests their numbers."""
    return [make(*rest[:1], number, *rest[1:]) if make is not files else files(number, *rest)
            for number, (make, *rest) in enumerate(requests, 1)]  # fmt: skip


def send_together(at, bucket, requests):
    """Send requests so that the server finds all of them behind the first one, a directory; return its wire."""
    begun, go = threading.Event(), threading.Event()

    def hold(key, act):
        begun.set()
        assert go.wait(DEADLINE)
        return act()

    faults, bucket.faults = bucket.faults, {"info": hold}
    wire = at.wire()
    wire.send(requests[0])
    assert begun.wait(DEADLINE)
    bucket.faults = faults
    wire.send(*requests[1:])
    go.set()
    return wire


def tree():
    """Requests of a copy as a client makes them."""
    names = [f"t/d{number}" for number in range(MANY)]
    return numbered(
        (directory, "t"),
        *((what, *args) for name in names
          for what, *args in ((directory, name), (files, f"{name}/f"), (attributes, name))),
        (attributes, "t"),
    )  # fmt: skip


def test_directories_and_their_files_are_written_at_once(at, bucket):
    """Each kind of request waits for those of all directories."""
    kinds = {}

    def wait(key, act):
        if key.text.startswith("t/d"):
            name = "file" if key.text.endswith("/f") else "made" if key.text not in bucket.listing() else "set"
            kinds.setdefault(name, threading.Barrier(MANY)).wait(DEADLINE)
        return act()

    requests = tree()
    bucket.faults["put"] = wait
    wire = send_together(at, bucket, requests)
    for request in requests:
        answer = wire.receive()
        assert answer.id == request.id
        assert isinstance(answer, Ok | Results), answer
    assert set(kinds) == {"file", "made", "set"}
    assert bucket.metadata(f"t/d3/{MARKER}")["secftpmtime"] == "5"
    assert at.results == [(
        {MakeDirectory: "mkdir", SetAttributes: "setattr", WriteMany: "write"}[type(request)], "ok"
    ) for request in requests]  # fmt: skip


def test_what_concerns_one_place_stays_in_order(at, bucket):
    """A directory before its files and before those in it, and its attributes last."""
    done = []

    def note(key, act):
        time.sleep(0.005)
        found = act()
        done.append(key.text)
        return found

    bucket.faults["put"] = note
    requests = numbered(
        (directory, "t"), (directory, "t/a"), (files, "t/a/f"), (directory, "t/a/b"), (files, "t/a/b/f", "t/g"),
        (attributes, "t/a/b"), (attributes, "t/a"), (attributes, "t"), (files, "t/a/h"),
    )  # fmt: skip
    wire = send_together(at, bucket, requests)
    for request in requests:
        assert (answer := wire.receive()).id == request.id
        assert isinstance(answer, Ok | Results)
    made_t, made, made_b = (done.index(f"{name}/{MARKER}") for name in ("t", "t/a", "t/a/b"))
    assert made_t < made < made_b
    assert made < done.index("t/a/f")
    assert made_b < done.index("t/a/b/f")
    *_, set_b, set_a, set_t, last = done
    assert (set_b, set_a, set_t, last) == (f"t/a/b/{MARKER}", f"t/a/{MARKER}", f"t/{MARKER}", "t/a/h")


def test_a_failure_concerns_its_own_request(at, bucket):
    def fail(key, act):
        if key.text == f"t/d3/{MARKER}":
            raise lost(key)
        return act()

    requests = tree()
    bucket.faults["put"] = fail
    wire = send_together(at, bucket, requests)
    failed = {request.id for request in requests if not isinstance(request, WriteMany) and request.path[-1] == b"d3"}
    for request in requests:
        answer = wire.receive()
        assert answer.id == request.id
        assert isinstance(answer, Error) == (request.id in failed)
    assert bucket.content("t/d3/f") == b"x"


def test_a_request_in_between_is_served_in_its_turn(at, bucket):
    requests = numbered((directory, "t"), (directory, "t/a"), (files, "t/a/f"), (attributes, "t/a"))
    requests += [Remove(id=5, path=path_of("t/a/f")), Remove(id=6, path=path_of("t/a"))]
    requests += [Stat(id=7, path=path_of("t/a")), directory("t/a", 8, 0o711), files(9, "t/a/g"), attributes("t/a", 10)]
    wire = send_together(at, bucket, requests)
    answers = [wire.receive() for _ in requests]
    assert [answer.id for answer in answers] == list(range(1, 11))
    assert [answer.id for answer in answers if isinstance(answer, Error)] == [7]
    assert bucket.listing() == [f"t/{MARKER}", f"t/a/{MARKER}", "t/a/g"]


@pytest.mark.parametrize(
    ("requests", "codes"),
    [
        ([(files, "t/x"), (directory, "t/x")], [None, ErrorCode.EXISTS]),
        ([(directory, "t/x"), (files, "t/x")], [None, ErrorCode.IS_DIRECTORY]),
        ([(directory, "t/x/y"), (files, "t/x")], [None, ErrorCode.IS_DIRECTORY]),
        ([(files, "t/x/y"), (files, "t/x")], [None, ErrorCode.IS_DIRECTORY]),
        ([(files, "t/x"), (files, "t/x/y")], [None, ErrorCode.NOT_DIRECTORY]),
        ([(files, "t/f"), (files, "t/x/y"), (files, "t/x")], [None, None, ErrorCode.IS_DIRECTORY]),
        ([(files, "t/f"), (directory, "t/x"), (files, "t/x")], [None, None, ErrorCode.IS_DIRECTORY]),
        ([(attributes, "t/x"), (directory, "t/x")], [ErrorCode.NOT_FOUND, None]),
        ([(directory, "t/x/y"), (attributes, "t/x")], [None, None]),
        ([(files, "t/x"), (attributes, "t/x"), (directory, "t/x/y")], [None, None, ErrorCode.EXISTS]),
    ],
)
def test_names_that_requests_before_have_made_count(at, bucket, requests, codes):
    bucket.faults["put"] = lambda key, act: (time.sleep(0.01), act())[1]
    requests = numbered((directory, "t"), *requests)
    wire = send_together(at, bucket, requests)
    found = []
    for request in requests:
        answer = wire.receive()
        assert answer.id == request.id
        found.append(answer.codes[0] if isinstance(answer, Results) else getattr(answer, "code", None))
    assert found == [None, *codes]


def random_requests(chance):
    """Requests about few names, so that many of them are about the same place."""
    requests = [directory("a", 1)]
    for number in range(2, 40):
        text = "/".join(chance.choices("ab", k=chance.randint(1, 3)))
        match chance.randrange(8):
            case 0 | 1:
                requests.append(directory(text, number, chance.randrange(0o1000), token=None))
            case 2 | 3:
                requests.append(attributes(text, number, chance.randrange(0o1000), number))
            case 4 if chance.random() < 0.5:
                requests.append(Remove(id=number, path=path_of(text)))
            case _:
                texts = []
                for _ in range(chance.randint(1, 3)):
                    text = "/".join([*chance.choices("ab", k=chance.randint(0, 2)), chance.choice("abfg")])
                    if not any(is_related(path_of(one), path_of(text)) for one in texts):  # their order is not told
                        texts.append(text)
                requests.append(files(number, *texts, data=b"%d" % number, overwrite=chance.random() < 0.7))
    return requests


def outcome_of(requests, store_of, chance, tmp_path):
    bucket = FaultyBucket()
    with served(tmp_path, store=store_of(bucket)) as at:

        def slow(key, act):
            time.sleep(chance.random() * 0.002)
            return act()

        bucket.faults = dict.fromkeys(("info", "put", "list"), slow) if chance else {}
        wire = send_together(at, bucket, requests) if chance else at.wire()
        if not chance:
            wire.send(*requests)
        answers = [wire.receive() for _ in requests]
    modes = {text: bucket.metadata(text)["secftpmode"] for text in bucket.listing()}
    return answers, modes, {text: bucket.content(text) for text in modes}


@pytest.mark.parametrize("seed", range(25))
def test_it_is_as_if_they_were_served_one_after_the_other(seed, tmp_path):
    requests = random_requests(random.Random(seed))
    expected = outcome_of(requests, OneByOne, None, tmp_path)
    assert outcome_of(requests, ObjectStore, random.Random(seed), tmp_path) == expected


def test_a_client_that_may_not_overwrite_sets_what_it_has_made(bucket, tmp_path):
    bucket.write(f"other/{MARKER}", b"")
    rights = Rights(read=True, write=True, overwrite=False)
    with served(tmp_path, store=ObjectStore(bucket), rights=rights) as at:
        wire = at.wire()
        wire.send(*numbered((directory, "t"), (files, "t/f"), (attributes, "t"), (attributes, "other")))
        assert [type(wire.receive()) for _ in range(4)] == [Ok, Results, Ok, Error]


def test_without_the_right_to_write_nothing_is_made(bucket, tmp_path):
    rights = Rights(read=True, write=False, overwrite=True)
    with served(tmp_path, store=ObjectStore(bucket), rights=rights) as at:
        wire = at.wire()
        wire.send(*numbered((directory, "t"), (attributes, "t")))
        assert [wire.receive().code for _ in range(2)] == [ErrorCode.FORBIDDEN] * 2
    assert bucket.requests == []


def test_a_directory_that_was_made_is_not_made_again(at, bucket):
    token = bytes(range(16))
    wire = at.wire()
    wire.send(directory("t", 1, token=token))
    assert isinstance(wire.receive(), Ok)
    bucket.erase(f"t/{MARKER}")
    wire.send(directory("t", 2, token=token))
    assert isinstance(wire.receive(), Ok)
    assert bucket.listing() == []


def test_a_client_that_goes_leaves_nothing_under_way(at, bucket):
    wire = send_together(at, bucket, tree())
    wire.reset()
    assert at.over.wait(DEADLINE)
    assert bucket.running == 0
    assert not [one for one in threading.enumerate() if one.name.startswith("secftp-directories")]
