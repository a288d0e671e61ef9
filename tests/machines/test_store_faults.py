"""Faults between a server and its object store, at every request of every operation.

Whatever goes wrong: an object is the old one or the new one, whole; what the client was told is there, is there; what
is there is never reported as a failure, unless the store could not be asked, and then the message says so; what is read
or listed is complete, or an error; and without the fault the same request succeeds.

With --run-slow every kind of fault is tried at every request of every operation; `numbers` says what is by default.
"""

from __future__ import annotations

import contextlib
import functools

import pytest

from secftp.errors import FileError, InputOutputError, SecftpError
from secftp.protocol import Algorithm, Files, NewFile, ReadMany, Results, WriteMany
from tests.machines.faulty import CHANGES, Fault, FaultyStore
from tests.machines.object_backing import opened, quick_retries
from tests.storage.contract.test_sink import PART, content
from tests.support.counts import COUNTS
from tests.support.serving import digest_of, get, put, serving

KINDS = {
    "cut before": Fault("cut"),
    "cut after": Fault("cut", carried_out=True),
    "truncated answer": Fault("truncate"),
    "500 before": Fault("status"),
    "500 after": Fault("status", carried_out=True),
    "slow down": Fault("status", status=503, code="SlowDown"),
    "forbidden": Fault("status", status=403, code="AccessDenied"),
}
OLD, SMALL, LARGE = b"old" * 100, content(5000, 1), content(PART + 70_000, 2)
BATCH = {(b"many", b"%02d" % number): content(100 + number, number) for number in range(40)}


class Place:
    """A bucket behind a proxy with faults, served, and a client of that server."""

    def __init__(self, bucket, faulty, store):
        self.bucket = bucket
        self.faulty = faulty
        self.store = store
        self.running = None

    def key(self, path):
        return "/".join(["p", *(name.decode() for name in path)])

    def set_up(self, files):
        """Have exactly these files, as another program writes them; nothing of this goes through the proxy."""
        self.bucket.delete(self.bucket.keys(""))
        for key, upload in self.bucket.uploads():
            self.bucket.client.abort_multipart_upload(Bucket=self.bucket.name, Key=key, UploadId=upload)
        for path, data in files.items():
            self.bucket.put(self.key(path), data)

    def files(self):
        """The files that are there, without what is secftp's own."""
        keys = [key for key in self.bucket.keys("p/") if "/.secftp-" not in key]
        return {tuple(key.encode().split(b"/")[1:]): self.bucket.get(key) for key in keys}

    def leftovers(self):
        """What unfinished writers have left: reserved objects and uploads."""
        return [key for key in self.bucket.keys("") if "/.secftp-tmp" in key] + self.bucket.uploads()


@pytest.fixture(scope="module")
def place(moto, tmp_path_factory):
    """One server for all faults: each must leave it as good as new."""
    bucket = moto.new_bucket()
    faulty = FaultyStore(int(moto.url.rpartition(":")[2]))
    with contextlib.closing(faulty), quick_retries():
        store = opened(f"{bucket.url}/p", faulty.url)
        store.probe()
        found = Place(bucket, faulty, store)
        with serving(tmp_path_factory.mktemp("none"), store=store) as found.running:
            yield found


# --- the operations ---------------------------------------------------------------------------------------------------


def _write(path, data, **options):
    def run(client):
        put(client, path, data, **options)

    return run


def _read(path, data):
    def run(client):
        assert get(client, path) == data

    return run


def _checksum(path, data):
    def run(client):
        transferred, _ = client.own_checksum(path, Algorithm.XXH128, None)
        assert transferred.digest == digest_of(data)

    return run


def _list(expected, *, recursive=True):
    def run(client):
        found = list(client.list((), recursive=recursive))
        # What could not be looked at is told at its entry.
        for entry in found:
            if entry.code is not None:
                raise InputOutputError(f"told: {entry.code}")
        assert {entry.path for entry in found} == expected

    return run


TREE = {(b"a",): b"1", (b"d", b"b"): b"22", (b"d", b"e", b"c"): b"333"}
LISTED = {(b"a",), (b"d",), (b"d", b"b"), (b"d", b"e"), (b"d", b"e", b"c")}
F, G = (b"f",), (b"d", b"g")
# name: files before, what is done, files after
OPERATIONS = {
    "put small": ({}, _write(F, SMALL, mode=0o640, mtime_ns=1), {F: SMALL}),
    "replace small": ({F: OLD}, _write(F, SMALL), {F: SMALL}),
    "create small": ({}, _write(F, SMALL, overwrite=False), {F: SMALL}),
    "put large": ({F: OLD}, _write(F, LARGE, size=len(LARGE)), {F: LARGE}),
    "create large": ({}, _write(F, LARGE, overwrite=False), {F: LARGE}),
    "get small": ({F: SMALL}, _read(F, SMALL), {F: SMALL}),
    "get large": ({F: LARGE}, _read(F, LARGE), {F: LARGE}),
    "checksum": ({F: SMALL}, _checksum(F, SMALL), {F: SMALL}),
    "list": (TREE, _list(LISTED), TREE),
    "list one": (TREE, _list({(b"a",), (b"d",)}, recursive=False), TREE),
    "stat": ({F: SMALL}, lambda client: client.stat(F), {F: SMALL}),
    "rename": ({F: SMALL}, lambda client: client.rename(F, G), {G: SMALL}),
    "rename over": ({F: SMALL, G: OLD}, lambda client: client.rename(F, G, overwrite=True), {G: SMALL}),
    "copy": ({F: SMALL, G: OLD}, lambda client: client.copy(F, G), {F: SMALL, G: SMALL}),
    "copy new": ({F: SMALL}, lambda client: client.copy(F, G, overwrite=False), {F: SMALL, G: SMALL}),
    "remove": ({F: SMALL, G: OLD}, lambda client: client.remove(F), {G: OLD}),
    "attributes": ({F: SMALL}, lambda client: client.set_attributes(F, mode=0o600, mtime_ns=5), {F: SMALL}),
    "mkdir": ({F: SMALL}, lambda client: client.make_directory((b"new",)), {F: SMALL}),
}


def attempt(place, run):
    """Run it in a session of its own; return what it raised, if anything."""
    with place.running.session() as client:
        try:
            run(client)
        except SecftpError as problem:
            return problem
    return None


@functools.cache
def requests_of(name, place):
    """The names of the requests that an operation makes, from a run without faults."""
    before, run, after = OPERATIONS[name]
    place.set_up(before)
    place.faulty.reset()
    assert attempt(place, run) is None
    made = [request.name for request in place.faulty.reset()]
    assert place.files() == after
    assert place.leftovers() == []
    return made


def whole(name, found):
    """Whether each file is the old one or the new one: none is anything else, and at most a rename has both."""
    before, _, after = OPERATIONS[name]
    allowed = {path: {before.get(path), after.get(path)} for path in before | after}
    return all(data in allowed.get(path, ()) for path, data in found.items()) and all(
        None in versions or path in found for path, versions in allowed.items()
    )


# Large files take a while; a fault that lasts is much the same, whatever it is.
_LARGE_KINDS = ("cut before", "cut after", "truncated answer", "500 after")
_LASTING_KINDS = ("cut after", "500 before")
CASES = [
    pytest.param(name, kind, lasting, id=f"{name}, {kind}, {'lasting' if lasting else 'once'}")
    for name in OPERATIONS
    for kind in KINDS
    for lasting in (False, True)
    if (kind in _LARGE_KINDS or "large" not in name)
    and (not lasting or (kind in _LASTING_KINDS and "large" not in name))
]


def numbers(made, name, kind, *, lasting):
    """The requests at which a fault is tried by default, by their numbers: each of an operation with one kind at least.

    The kinds take turns, so that an operation has all of them, and the answer to each request that changes something is
    lost. A loss that lasts begins with the last of these, and an error that lasts with the first request.
    """
    changes = [number for number, request in enumerate(made) if request in CHANGES]
    if lasting:
        return {changes[-1] if changes else 0} if kind == "cut after" else {0}
    kinds = [found for found in KINDS if "large" not in name or found in _LARGE_KINDS]
    turn, size = kinds.index(kind), len(kinds)
    found = set(range(turn, len(made), size)) or {turn % len(made)}
    return found | set(changes) if kind == "cut after" else found


@pytest.mark.parametrize(("name", "kind", "lasting"), CASES)
def test_a_fault_at_each_request(place, name, kind, lasting, record_property, request):
    before, run, after = OPERATIONS[name]
    fault, failed, left = KINDS[kind], 0, 0
    made = requests_of(name, place)
    is_whole = request.config.getoption("--run-slow")
    chosen = range(len(made)) if is_whole else sorted(numbers(made, name, kind, lasting=lasting))
    for number in chosen:
        what = f"{name}, {kind} at {made[number]} ({number + 1} of {len(made)})"
        place.set_up(before)
        place.faulty.reset(
            lambda request, n=number: fault if request.number == n or (lasting and request.number > n) else None
        )
        problem = attempt(place, run)
        seen = place.faulty.reset()  # requests at the same time may come in another order
        assert len(seen) > number, what
        # The id of an upload is lost with the answer: what was begun so is for the bucket's lifecycle rule.
        is_orphan = seen[number].name == "CreateMultipartUpload" and "before" not in kind
        found = place.files()
        unfinished = place.leftovers()
        left += len(unfinished)
        if problem is None:
            assert found == after, what
            assert not unfinished or lasting or is_orphan, what
        else:
            failed += 1
            assert isinstance(problem, FileError), (what, problem)
            assert whole(name, found), (what, problem)
            # While every answer is lost the store can't be asked; a deletion is told as failed then.
            is_told = "may have" in str(problem) or (lasting and seen[number].name == "DeleteObjects")
            assert found != after or before == after or is_told, (what, problem)
            assert place.bucket.name not in str(problem), what
            place.set_up(before)
            assert attempt(place, run) is None, what
            assert place.files() == after, what
    record_property(
        COUNTS,
        f"{name}, {kind}, {'lasting' if lasting else 'once'}: at {len(chosen)} of {len(made)} requests,"
        f" {failed} told as failures, {left} uploads or copies left",
    )


def _write_batch(place, plan=lambda _request: None):
    """Write the batch; return the code of each file, and the number of requests."""
    place.set_up({(b"many", b"00"): OLD})
    place.faulty.reset(plan)
    wanted = tuple(NewFile(path, data, digest_of(data)) for path, data in BATCH.items())
    with place.running.hostile() as wire:
        wire.welcome()
        wire.send(WriteMany(id=1, files=wanted, algorithm=Algorithm.XXH128))
        results = wire.receive()
    assert isinstance(results, Results)
    return results.codes, len(place.faulty.reset())


def test_a_batch_with_faults_from_any_request_on(place, record_property, request):
    """Each of 40 files of one message has its own result; what is told as written is there.

    By default each kind of fault begins early or late, and with --run-slow at any of four requests.
    """
    codes, total = _write_batch(place)
    assert not any(codes)
    written = refused = 0
    late = total - 10
    chosen = {"cut after": (total // 2,), "500 before": (late,), "forbidden": (0, total - 1)}
    for kind, some in chosen.items():
        for number in (0, total // 2, late, total - 1) if request.config.getoption("--run-slow") else some:
            codes, _ = _write_batch(
                place, lambda request, n=number, fault=KINDS[kind]: fault if request.number >= n else None
            )
            found = place.files()
            for path, code in zip(BATCH, codes, strict=True):
                if code is None:
                    assert found[path] == BATCH[path], (kind, number)
                    written += 1
                else:
                    assert found.get(path) in (None, OLD, BATCH[path]), (kind, number)
                    refused += 1
    assert written
    assert refused
    record_property(COUNTS, f"batches of small files: {written} confirmed and there, {refused} refused")


@pytest.mark.parametrize("kind", ["cut after", "truncated answer", "500 before", "forbidden"])
def test_a_batch_that_is_read(place, kind, record_property):
    place.set_up(BATCH)
    right = wrong = 0
    for number in (0, 20):
        place.faulty.reset(lambda request, n=number: KINDS[kind] if request.number >= n else None)
        with place.running.hostile() as wire:
            wire.welcome()
            wire.send(ReadMany(id=1, paths=tuple(BATCH), algorithm=Algorithm.XXH128))
            found = []
            while len(found) < len(BATCH):
                message = wire.receive()
                assert isinstance(message, Files)
                found += message.files
        for path, file in zip(BATCH, found, strict=True):
            if file.code is None:
                assert file.data == BATCH[path]
                right += 1
            else:
                wrong += 1
    place.faulty.reset()
    record_property(COUNTS, f"small files read, {kind}: {right} right, {wrong} refused")
