"""Two servers of one bucket, and many clients that must not overwrite: exactly one is told that its file was written.

At S3 this rests on If-None-Match of PutObject, for files of one part, and on a conditional copy for larger ones.
CopyObject of moto and of MiniStack ignores the condition, which the probe at the start of a server notices: it takes
the multipart copy then, whose completion is refused if there is an object. MiniStack does one thing at a time, so that
it decides as a real store does; moto does not, so its changes pass through a proxy that lets one through at a time.
"""

from __future__ import annotations

import contextlib
import threading

import pytest

from secftp.errors import AlreadyExists, InputOutputError, Reason
from secftp.keys import read_key_file
from tests.machines.faulty import SerialStore
from tests.machines.object_backing import opened
from tests.machines.processes import opened_processes
from tests.machines.servers import start_server
from tests.machines.stores import environment_of
from tests.storage.contract.test_sink import PART, content
from tests.support.counts import COUNTS
from tests.support.serving import put, session


def test_the_probe_finds_out_what_the_store_can_do(bucket, moto):
    with opened(bucket.url, moto.url) as store:
        found = store.probe()
    assert found.put
    assert found.copy == "multipart"
    assert bucket.keys() == []
    assert bucket.uploads() == []


@pytest.fixture(scope="module", params=["moto", "ministack"])
def contested(request, moto, tmp_path_factory, key_file):
    """A bucket, and two servers of it that replace nothing."""
    with contextlib.ExitStack() as stack:
        if request.param == "ministack":
            bucket = request.getfixturevalue("ministack").new_bucket()
            env = bucket.env
        else:
            store = stack.enter_context(contextlib.closing(SerialStore(int(moto.url.rpartition(":")[2]))))
            bucket, env = moto.new_bucket(), environment_of(store.url)
        home = tmp_path_factory.mktemp("contested")
        processes = stack.enter_context(opened_processes(home))
        servers = [start_server(processes, home, key_file, bucket.url, "--no-overwrite", env=env) for _ in range(2)]
        yield bucket, servers


@pytest.mark.parametrize("same", [False, True], ids=["other bytes", "equal bytes"])
@pytest.mark.parametrize(
    ("size", "rounds", "clients"),
    [
        *((10, 8, 4), (200_000, 3, 4), (PART + 5000, 2, 3)),
        *(pytest.param(*more, marks=pytest.mark.slow) for more in ((10, 30, 4), (200_000, 10, 4), (PART + 5000, 6, 3))),
    ],
)
def test_exactly_one_wins(contested, key_file, record_property, size, rounds, clients, same):
    bucket, servers = contested
    where = f"{size}-{rounds}-{same}"
    key = read_key_file(key_file)
    data = [content(size, 0 if same else number) for number in range(clients)]

    def race(number, name):
        start.wait()
        try:
            put(sessions[number], (where.encode(), name), data[number], size=size, overwrite=False)
            told.append(number)
        except AlreadyExists:
            refused.append(number)
        except InputOutputError as problem:
            # A copy by parts has no metadata. So one with the same bytes may be the server's own, made by a request
            # that obstore has repeated, and it says that this is not known.
            if problem.reason is not Reason.UNCONFIRMED or not same or size <= PART:
                raise
            refused.append(number)

    by_server = [0, 0]
    with contextlib.ExitStack() as stack:
        sessions = [stack.enter_context(session(servers[number % 2].port, key)) for number in range(clients)]
        for turn in range(rounds):
            name = b"name-%d" % turn
            told, refused, start = [], [], threading.Barrier(clients)
            threads = [threading.Thread(target=race, args=(number, name)) for number in range(clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert (len(told), len(refused)) == (1, clients - 1)
            assert bucket.get(f"{where}/{name.decode()}") == data[told[0]]
            by_server[told[0] % 2] += 1
    assert len(bucket.keys(f"{where}/name-")) == rounds
    assert [key for key in bucket.keys("") if ".secftp-tmp" in key] == []
    assert bucket.uploads() == []
    record_property(
        COUNTS,
        f"{rounds} races of {clients} clients at two servers, {size} bytes: 1 winner each, by server {by_server}",
    )
