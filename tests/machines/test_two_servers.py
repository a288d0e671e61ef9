"""Two servers on one directory: what one of them is writing is safe from the other, and what it has left is used."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import secftp
from secftp.errors import AlreadyExists, FileChanged
from tests.machines.contents import DirectoryContents, digest, make_file
from tests.support.serving import DEADLINE, HOST, until

MIB = 2**20
WEEKS = 30 * 24 * 3600  # seconds
SMALL_RATE = "2MiB"


@pytest.fixture
def two(serve, root):
    """Two servers of `root`."""
    return serve(root), serve(root)


def events(process, event):
    found = [json.loads(line) for line in process.text.splitlines() if line.startswith("{")]
    return [each for each in found if each["event"] == event]


def partials(root):
    return [name for name in DirectoryContents(root).leftovers() if ".secftp-part-" in name]


def under_way(process, sent=MIB):
    """Wait until a client has sent so much."""
    until(lambda: any(each["bytes"] > sent for each in events(process, "progress")), "some of it has been sent")


@contextlib.contextmanager
def paused(process):
    """Have a client that is under way send nothing meanwhile, so that it is not over before something else happens."""
    under_way(process)
    process.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.signal(signal.SIGCONT)


@pytest.mark.parametrize("streams", ["1", "3"])
def test_a_file_is_resumed_at_the_other_server(two, root, client, tmp_path, streams):
    first, second = two
    source = tmp_path / "large"
    found = make_file(source, 12 * MIB, "resumed")
    sent = client("put", "--streams", streams, "--limit-rate", "3MiB", source, f"{first.url}/")
    under_way(sent, 4 * MIB)  # more than a part of each stream
    first.kill()
    assert sent.wait() != 0
    assert len(partials(root)) == 1
    again = client("put", "--resume", "--streams", streams, source, f"{second.url}/")
    assert again.wait() == 0
    (resumed,) = events(again, "resumed")
    assert resumed["bytes"] >= MIB // 2
    assert [each["checksum"] for each in events(again, "finished")] == [found]
    assert digest((root / "large").read_bytes()) == found
    assert DirectoryContents(root).leftovers() == []


def test_a_file_that_is_being_written_at_the_other_server_is_not_resumed(two, root, client, tmp_path):
    first, second = two
    source = tmp_path / "large"
    found = make_file(source, 6 * MIB, "not resumed")
    slow = client("put", "--limit-rate", SMALL_RATE, source, f"{first.url}/")
    with paused(slow):
        again = client("put", "--resume", source, f"{second.url}/")
        assert again.wait() == 0
        assert slow.runs
    assert len(events(again, "note")) == 1
    assert "it is being written" in second.log
    assert digest((root / "large").read_bytes()) == found
    assert slow.wait() == 0
    assert digest((root / "large").read_bytes()) == found
    assert DirectoryContents(root).leftovers() == []


def test_a_sweep_leaves_what_the_other_server_is_writing(serve, root, client, tmp_path):
    """Also a partial that looks old, and whose server was there first."""
    first = serve(root)
    source, other = tmp_path / "large", tmp_path / "other"
    found = make_file(source, 6 * MIB, "swept")
    make_file(other, 6 * MIB, "leaves one")
    abandoned = root / ".secftp-part-0123456789abcdef0123456789abcdef"
    slow = client("put", "--limit-rate", SMALL_RATE, source, f"{first.url}/")
    with paused(slow):
        (partial,) = partials(root)
        abandoned.write_bytes(b"of a server that was killed a month ago")
        for path in (root / partial, abandoned):
            old = path.stat().st_mtime - WEEKS
            os.utime(path, (old, old))
        second = serve(root)  # sweeps the directory as it starts
        until(lambda: not abandoned.exists(), "the second server has swept")
        cut = client("put", "--limit-rate", SMALL_RATE, other, f"{second.url}/")
        under_way(cut)
        cut.kill()  # leaves a partial, and has the second server sweep again
        until(lambda: len(partials(root)) == 2 and "Done." in second.log, "the client was noticed")
        assert (root / partial).exists()
    assert slow.wait() == 0
    assert digest((root / "large").read_bytes()) == found
    assert len(partials(root)) == 1


def test_of_clients_at_two_servers_who_want_a_new_name_exactly_one_gets_it(two, root, key_file):
    """Small files, which are sent in one message, and files large enough to have a partial."""
    names = [f"small-{number}" for number in range(20)] + [f"large-{number}" for number in range(4)]
    contestants = [(server, number) for number in range(2) for server in two]
    start = threading.Barrier(len(contestants))

    def contest(server, number):
        won = {}
        with secftp.connect(server.url, key_file=key_file, timeout=DEADLINE) as remote:
            for name in names:
                size = 2 * MIB if name.startswith("large") else 2000
                data = f"{server.port} {number} {name} ".encode().ljust(size, b"x")
                start.wait(DEADLINE)
                try:
                    remote.write_bytes(name, data, overwrite=False)
                except AlreadyExists:
                    continue
                won[name] = digest(data)
        return won

    with ThreadPoolExecutor(len(contestants)) as pool:
        results = [done.result(60) for done in [pool.submit(contest, *each) for each in contestants]]
    for name in names:
        (winner,) = [won[name] for won in results if name in won]
        assert digest((root / name).read_bytes()) == winner
    assert DirectoryContents(root).leftovers() == []


def test_streams_that_the_balancer_spreads(two, root, haproxy, client, tmp_path):
    """No part is sent into a file that the other server does not see, so hardly anything is sent twice.

    Unless the additional streams are first to begin it, at the other server: then the server of the copy's own session
    can't have it, and the file is sent once more, whole. For that the first one has to be slow, so not time after time.
    """
    balancer = haproxy([server.port for server in two])
    balancer.wait_until_up()
    source = tmp_path / "large"
    found = make_file(source, 24 * MIB, "spread")
    size = source.stat().st_size
    for _ in range(3):
        before = balancer.received()
        sent = client("put", "--streams", "4", source, f"secftp://{HOST}:{balancer.port}/")
        assert sent.wait() == 0
        assert events(sent, "note") == []
        assert digest((root / "large").read_bytes()) == found
        assert DirectoryContents(root).leftovers() == []
        received = balancer.received() - before
        if received < 1.5 * size:
            return
        assert received < 2.5 * size
        assert any(
            "another server is receiving this upload" in line and "Refused" in line
            for server in two
            for line in server.log.splitlines()
        )
        (root / "large").unlink()
    pytest.fail("it is sent twice every time")


def test_parts_of_a_download_come_from_two_servers(two, root, haproxy, client, tmp_path):
    balancer = haproxy([server.port for server in two])
    balancer.wait_until_up()
    found = make_file(root / "large", 24 * MIB, "fetched")
    fetched = client("get", "--streams", "4", f"secftp://{HOST}:{balancer.port}/large", tmp_path / "copy")
    assert fetched.wait() == 0
    assert events(fetched, "note") == []
    assert digest((tmp_path / "copy").read_bytes()) == found


def test_a_reader_goes_on_at_the_other_server(serve, root, haproxy, redis, key_file):
    """The servers share a secret, by which they agree on the version of a file; Redis itself is not asked for that."""
    shared = ["--shared", redis.url, "--shared-password-file", redis.password_file]
    found = make_file(root / "large", 6 * MIB, "read")
    servers = [serve(root, *shared) for _ in range(2)]
    redis.kill()
    balancer = haproxy([server.port for server in servers])
    balancer.wait_until_up()
    url = f"secftp://{HOST}:{balancer.port}"
    with (
        secftp.connect(url, key_file=key_file, timeout=DEADLINE) as remote,
        remote.open("large", "rb") as file,
    ):
        data = file.read(MIB)
        (busy,) = [server for server in servers if "Client requesting filename: large" in server.log]
        busy.kill()
        data += file.read()
        assert digest(data) == found
        (root / "large").write_bytes(b"another version")
        file.seek(0)
        with pytest.raises(FileChanged):
            file.read()


def test_a_server_that_stops_is_found_out_by_its_check(two, haproxy, key_file):
    balancer = haproxy([server.port for server in two])
    balancer.wait_until_up()
    two[1].end()
    until(lambda: balancer.states()["s2"].startswith("DOWN"), "it is noticed")
    for _ in range(3):
        with secftp.connect(f"secftp://{HOST}:{balancer.port}", key_file=key_file, timeout=DEADLINE) as remote:
            assert remote.listdir() == []


def test_a_connection_that_the_balancer_has_cut_is_opened_again(two, haproxy, key_file):
    """A client that keeps its connection for later does not fail when it is used again."""
    balancer = haproxy([server.port for server in two], timeout="1s")
    balancer.wait_until_up()
    with secftp.connect(f"secftp://{HOST}:{balancer.port}", key_file=key_file, timeout=DEADLINE) as remote:
        remote.write_bytes("a", b"1", overwrite=False)
        until(lambda: not balancer.connections(), "the balancer has ended it")
        remote.write_bytes("b", b"2", overwrite=False)
        until(lambda: not balancer.connections(), "the balancer has ended it")
        assert sorted(remote.listdir()) == ["a", "b"]


def test_a_reload_of_the_balancer_is_not_noticed(two, root, haproxy, client, tmp_path):
    """Connections stay at the old worker until they end."""
    balancer = haproxy([server.port for server in two])
    balancer.wait_until_up()
    source = tmp_path / "large"
    found = make_file(source, 5 * MIB, "reload")
    sent = client("put", "--limit-rate", SMALL_RATE, source, f"secftp://{HOST}:{balancer.port}/")
    with paused(sent):
        balancer.reload([two[0].port])
    assert sent.wait() == 0
    assert digest((root / "large").read_bytes()) == found
    assert events(sent, "retrying") == []
