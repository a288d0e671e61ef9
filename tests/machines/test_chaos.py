"""Twenty clients at once against two servers behind HAProxy, while a server, Redis and HAProxy end.

Every transfer ends whole, nothing is confirmed that is not there, and nothing is visible that is not complete.
"""

from __future__ import annotations

import itertools
import time

import pytest

from tests.machines.chaos import Chaos, Command, Watcher, Worker
from tests.machines.contents import BucketContents, DirectoryContents, make_file, make_tree
from tests.support.counts import COUNTS
from tests.support.serving import HOST

MIB = 2**20
LARGE = 12 * MIB
RATE = "2MiB"  # of large transfers, so that they are under way when something fails
SECONDS = 100  # for all of it; it takes a tenth of that


class Fleet:
    """Two servers on one store, a balancer in front of them, and a Redis that they share.

    `small_files`: in each tree. `pause`: in seconds, between two looks at all files.
    """

    def __init__(self, contents, start, redis, haproxy, *, small_files, pause):
        self.contents = contents
        self.small_files = small_files
        self.pause = pause
        self.redis = redis
        self._start = start
        self.servers = [start(0), start(0)]
        self.ports = [server.port for server in self.servers]
        self.balancer = haproxy(self.ports, server="check inter 200ms fall 1 rise 1 send-proxy-v2", hard_stop="1s")
        self.balancer.wait_until_up()
        self.url = f"secftp://{HOST}:{self.balancer.port}"

    def kill_server(self, number):
        self.servers[number].kill()

    def start_server(self, number):
        self.servers[number] = self._start(self.ports[number])


@pytest.fixture
def directory(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    return root, DirectoryContents(root), {}


@pytest.fixture
def in_bucket(bucket):
    return f"{bucket.url}", BucketContents(bucket), bucket.env


@pytest.fixture
def fleet(request, serve, redis, haproxy):
    root, contents, env = request.getfixturevalue(request.param)
    options = ["--proxy-from", HOST, "--shared", redis.url, "--shared-password-file", redis.password_file]
    # moto answers some hundred requests a second, and each file is some of them.
    size = {"small_files": 30, "pause": 0.3} if env else {"small_files": 120, "pause": 0.05}
    return Fleet(contents, lambda port: serve(root, *options, env=env, port=port), redis, haproxy, **size)


@pytest.fixture
def seeded(fleet, tmp_path, key_file):
    """What is at the servers before: a tree and a large file that clients fetch."""
    import secftp

    local = tmp_path / "seed"
    tree = make_tree(local / "tree", fleet.small_files // 2, "seed", large=[2 * MIB])
    large = make_file(local / "large", LARGE, "seed large")
    with secftp.connect(fleet.url, key_file=key_file) as remote:
        remote.put([local / "tree", local / "large"], "seed/")
    return tree, large


def puts(source, url, where, files, *options, may_skip=False):
    """A command that puts `source` into the directory `where`."""
    return Command("put", (*options, source, f"{url}/{where}/"), files, where, may_skip)


def large_put(tmp_path, url, number, *options):
    source = tmp_path / "local" / f"large-{number}"
    files = {source.name: make_file(source, LARGE, number)}
    return puts(source, url, f"put-{number}", files, "--limit-rate", RATE, *options)


def tree_put(tmp_path, fleet, number, *options):
    source, url = tmp_path / "local" / f"tree-{number}", fleet.url
    files = make_tree(source, fleet.small_files, number, large=[3 * MIB, 5 * MIB])
    files = {f"{source.name}/{name}": found for name, found in files.items()}
    return puts(source, url, f"put-{number}", files, "--limit-rate", RATE, *options)


def small_puts(tmp_path, url, number, over, *options):
    """Small files, one command each, until it is over."""
    for turn in itertools.count():
        if over():
            return
        source = tmp_path / "local" / f"small-{number}-{turn}"
        yield puts(source, url, f"put-{number}", {source.name: make_file(source, 3000, source.name)}, *options)


def racing_puts(tmp_path, url, number, over, race):
    """As `small_puts`, but other clients want the same names for other contents, and replace nothing."""
    for turn in itertools.count():
        if over():
            return
        source = tmp_path / "local" / f"race-{number}-{turn}" / f"race-{turn}"
        files = {source.name: make_file(source, 2000, f"{number} {turn}")}
        yield puts(source, url, race, files, "--no-overwrite", may_skip=True)


def fetch(tmp_path, url, number, name, files, *options):
    where = tmp_path / "local" / f"get-{number}"
    where.mkdir(parents=True)
    return Command("get", (*options, f"{url}/seed/{name}", f"{where}/"), files, where)


def disasters(chaos, fleet, counts, seconds_between):
    """A server is killed and started again, then Redis is killed, then HAProxy replaced; each amid transfers."""

    def share():
        limited = [run for run in chaos.runs if "--limit-rate" in run.command.arguments]
        return sum(run.share for run in limited) / len(limited) if limited else 0.0

    def reached(wanted):
        while share() < wanted:
            yield f"{wanted:.0%} of the large transfers"

    def struck(what):
        counts[what] += 1
        counts[f"transfers under way when: {what}"] = len(chaos.running())

    yield from reached(0.15)
    struck("server killed")
    fleet.kill_server(0)
    end = time.monotonic() + seconds_between
    while time.monotonic() < end:
        yield "the server is started again"
    fleet.start_server(0)
    yield from reached(0.35)
    struck("Redis killed")
    fleet.redis.kill()
    yield from reached(0.5)
    struck("HAProxy reloaded")
    fleet.balancer.reload()


@pytest.mark.parametrize("fleet", ["directory", "in_bucket"], indirect=True)
def test_every_transfer_ends_whole(fleet, seeded, processes, tmp_path, home, key_file, record_property):
    tree, large = seeded
    url = fleet.url
    struck = False

    def over():
        return struck

    watcher = Watcher(fleet.contents, url, key_file, fleet.pause)
    for name, found in tree.items():
        watcher.allow(f"seed/tree/{name}", found)
    watcher.allow("seed/large", large)
    chaos = Chaos(processes, home, url, key_file, watcher)
    fetched = {f"tree/{name}": found for name, found in tree.items()}
    single = [
        large_put(tmp_path, url, 1),
        large_put(tmp_path, url, 2, "--resume"),
        large_put(tmp_path, url, 3, "--streams", "3"),
        large_put(tmp_path, url, 4, "--no-overwrite"),
        large_put(tmp_path, url, 5, "--no-overwrite", "--streams", "2"),
        large_put(tmp_path, url, 6, "-z"),
        tree_put(tmp_path, fleet, 7),
        tree_put(tmp_path, fleet, 8, "--no-overwrite"),
        tree_put(tmp_path, fleet, 9, "--update"),
        tree_put(tmp_path, fleet, 10, "--streams", "2"),
        fetch(tmp_path, url, 11, "large", {"large": large}, "--limit-rate", RATE),
        fetch(tmp_path, url, 12, "large", {"large": large}, "--limit-rate", RATE, "--streams", "3"),
        fetch(tmp_path, url, 13, "tree", fetched, "--limit-rate", "500K"),
        fetch(tmp_path, url, 14, "tree", fetched, "--limit-rate", "500K"),
    ]
    workers = [Worker([command]) for command in single]
    workers += [Worker(small_puts(tmp_path, url, number, over)) for number in (15, 16)]
    workers += [Worker(small_puts(tmp_path, url, number, over, "--no-overwrite")) for number in (17, 18)]
    workers += [Worker(racing_puts(tmp_path, url, number, over, "race")) for number in (19, 20)]
    assert len(workers) == 20

    def strikes():
        nonlocal struck
        yield from disasters(chaos, fleet, chaos.counts, 1.0)
        struck = True

    with watcher:
        chaos.run(workers, strikes(), SECONDS)
    wrong = chaos.check(fleet.contents.read)
    wrong += races_without_one_winner(chaos)
    counts = {**chaos.counts, **watcher.counts, "most retries of a transfer": most_retries(chaos)}
    counts["seconds of the longest"] = longest(chaos)
    line = f"[chaos] {', '.join(f'{name}: {count}' for name, count in counts.items())}"
    record_property(COUNTS, line)
    assert all(server.process.runs for server in fleet.servers), "a server has ended by itself"
    assert wrong == [], line
    assert watcher.violations == [], line
    for what in ("server killed", "Redis killed", "HAProxy reloaded"):
        assert chaos.counts[f"transfers under way when: {what}"] >= 10, line
    assert counts["retries"] >= 10, line


def most_retries(chaos):
    return max(len(run.named("retrying")) for run in chaos.runs)


def longest(chaos):
    return max(event["seconds"] for run in chaos.runs for event in run.named("ended"))


def races_without_one_winner(chaos):
    """Each name that several clients wanted has to be confirmed to exactly one of them, if all have tried."""
    winners = {}
    for run in chaos.runs:
        if run.command.may_skip:
            (name,) = run.command.files
            winners.setdefault(name, []).append([event["checksum"] for event in run.named("finished")])
    for name, results in winners.items():
        if sum(map(len, results)) != 1:
            yield f"{name} was confirmed to {results}"
