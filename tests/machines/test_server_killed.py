"""kill -9 of a server at every request that an operation makes of the object store, before and after it is carried out.

Afterwards each object is the old one or the new one, whole; what was confirmed is there; and at another server the same
request succeeds. By default a server is killed in every state that the store is in: before the first request that
changes something, and after each of these. With --run-slow it is killed before and after those that only read, too.
"""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from secftp.errors import SecftpError
from secftp.keys import read_key_file
from secftp.protocol import Algorithm, NewFile, Results, WriteMany
from tests.machines.faulty import CHANGES, Fault, FaultyStore
from tests.machines.nursery import Nursery
from tests.machines.stores import environment_of
from tests.machines.test_store_faults import BATCH, LARGE, OLD, SMALL, Place
from tests.support.counts import COUNTS
from tests.support.serving import HOST, Hostile, digest_of, environment, put, session, until

F, G = (b"f",), (b"d", b"g")


class KilledPlace(Place):
    """A bucket behind a proxy, and servers of it that are easily killed."""

    def __init__(self, bucket, faulty, nursery, key_file):
        super().__init__(bucket, faulty, None)
        self._nursery = nursery
        self._key_file = key_file
        self.key_read = read_key_file(key_file)
        self.pid = self.port = None

    def start(self, *options):
        """Start a server, if none runs."""
        if self.pid is not None:
            return
        self.faulty.reset()
        self.pid, log = self._nursery.start(
            *("0", "--host", HOST, "--key-file", self._key_file, "--root", f"{self.bucket.url}/p"), *options
        )

        def port():
            found = [line for line in log.read_text().splitlines() if "Listening @" in line]
            return found and int(found[0].rpartition(" port ")[2])

        self.port = until(port, f"the server listens: {log.read_text()}")

    def kill(self):
        """kill -9, seen by the caller as done: nothing more comes from the server."""
        os.kill(self.pid, signal.SIGKILL)
        until(lambda: not _runs(self.pid), "the server is dead")
        self.pid = None

    def session(self):
        return session(self.port, self.key_read)

    def hostile(self):
        return Hostile(self.port, self.key_read)


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def place(moto, lasting_processes, tmp_path_factory, key_file):
    bucket = moto.new_bucket()
    home = tmp_path_factory.mktemp("nursery")
    with contextlib.closing(FaultyStore(int(moto.url.rpartition(":")[2]))) as faulty:
        nursery = Nursery(lasting_processes, home, environment(home, **environment_of(faulty.url)))
        with contextlib.closing(nursery):
            found = KilledPlace(bucket, faulty, nursery, key_file)
            yield found
            if found.pid is not None:
                found.kill()


def _batch(client):
    """40 small files in one message; returns the confirmed ones."""
    wanted = tuple(NewFile(path, data, digest_of(data)) for path, data in BATCH.items())
    client.send(WriteMany(id=1, files=wanted, algorithm=Algorithm.XXH128))
    results = client.receive()
    if results is None:  # the connection is lost
        return set()
    assert isinstance(results, Results)
    return {path for path, code in zip(BATCH, results.codes, strict=True) if code is None}


# name: files before, what is done, files after
OPERATIONS = {
    "put small": ({F: OLD}, lambda client: put(client, F, SMALL), {F: SMALL}),
    "create small": ({}, lambda client: put(client, F, SMALL, overwrite=False), {F: SMALL}),
    "put large": ({F: OLD}, lambda client: put(client, F, LARGE, size=len(LARGE)), {F: LARGE}),
    "create large": ({}, lambda client: put(client, F, LARGE, overwrite=False), {F: LARGE}),
    "rename": ({F: SMALL}, lambda client: client.rename(F, G), {G: SMALL}),
    "rename over": ({F: SMALL, G: OLD}, lambda client: client.rename(F, G, overwrite=True), {G: SMALL}),
    "copy": ({F: SMALL, G: OLD}, lambda client: client.copy(F, G), {F: SMALL, G: SMALL}),
    "remove": ({F: SMALL, G: OLD}, lambda client: client.remove(F), {G: OLD}),
    "attributes": ({F: SMALL}, lambda client: client.set_attributes(F, mode=0o600, mtime_ns=5), {F: SMALL}),
}


def whole(before, after, found):
    """Whether each file is the old one or the new one."""
    allowed = {path: {before.get(path), after.get(path)} for path in before | after}
    return all(data in allowed.get(path, ()) for path, data in found.items()) and all(
        None in versions or path in found for path, versions in allowed.items()
    )


def moments(made):
    """When a server is killed by default: each request by its number, and whether it is carried out."""
    changes = [number for number, request in enumerate(made) if request in CHANGES]
    return [(changes[0] if changes else 0, False), *((number, True) for number in changes)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_server_killed_at_each_request(place, name, record_property, request):
    before, run, after = OPERATIONS[name]
    place.start()
    place.set_up(before)
    place.faulty.reset()
    with place.session() as client:
        run(client)
    made = [request.name for request in place.faulty.reset()]
    kills = left = 0
    every = [(number, carried_out) for number in range(len(made)) for carried_out in (False, True)]
    for number, carried_out in every if request.config.getoption("--run-slow") else moments(made):
        what = f"{name}, killed {'after' if carried_out else 'before'} {made[number]} ({number + 1})"
        place.start()
        place.set_up(before)
        fault = Fault("cut", carried_out=carried_out, act=place.kill)
        confirmed = False
        with contextlib.suppress(SecftpError), place.session() as client:
            place.faulty.reset(lambda request, n=number, fault=fault: fault if request.number == n else None)
            run(client)
            confirmed = True
        until(lambda: place.pid is None, f"reached: {what}", 5)
        place.faulty.reset()
        kills += 1
        found = place.files()
        left += bool(place.leftovers())
        assert whole(before, after, found), what
        assert not confirmed or found == after, what
        place.start()
        _again(place, name, found)
    record_property(COUNTS, f"{name}: server killed {kills} times, {left} times unfinished uploads or copies left")


def _again(place, name, found):
    """Do it once more at another server: it succeeds, or tells that it was done already."""
    before, run, after = OPERATIONS[name]
    with place.session() as client:
        try:
            run(client)
        except SecftpError:
            # What must not be overwritten or is to be removed was there, or gone, already; a rename may have both.
            assert found != before, name
            assert name in ("create small", "create large", "rename", "rename over", "remove")
            assert found == after or name == "rename"
        else:
            assert place.files() == after


def test_a_server_killed_during_a_batch(place, record_property, request):
    kills = told = there = 0
    every = [(number, carried_out) for number in (0, 20, 39) for carried_out in (False, True)]
    some = [(0, False), (20, True), (39, True)]
    for number, carried_out in every if request.config.getoption("--run-slow") else some:
        place.start()
        place.set_up({(b"many", b"00"): OLD})
        fault = Fault("cut", carried_out=carried_out, act=place.kill)
        confirmed = set()
        with contextlib.suppress(SecftpError, OSError), place.hostile() as client:
            client.welcome()
            place.faulty.reset(lambda request, n=number, fault=fault: fault if request.number == n else None)
            confirmed = _batch(client)
        until(lambda: place.pid is None, "the server is killed", 5)
        place.faulty.reset()
        kills += 1
        found = place.files()
        told += len(confirmed)
        there += len(found)
        assert all(found[path] == BATCH[path] for path in confirmed)
        assert all(data in (OLD, BATCH.get(path)) for path, data in found.items())
        place.start()
        with place.hostile() as client:
            client.welcome()
            assert _batch(client) == set(BATCH)
        assert place.files() == BATCH
    record_property(COUNTS, f"batch: server killed {kills} times, {told} files confirmed, {there} there")
