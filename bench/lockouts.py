"""Clients admitted during denial-of-service attacks: `python -m bench.lockouts [NAME...]`, part of `make bench-load`.

Each scenario has its own server with a guessable key, an attack, and legitimate clients with the right key: one every
two seconds, from addresses that do not take part in the attack (if the attack is on an address, from that one). Of 40
of them 95 % have to be admitted within 30 seconds. Linux only; the flood from an IPv6 /48 runs in a network namespace,
which requires root.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from bench.attacks import Flood, Sessions, guessers, shake_hands
from bench.peers.servers import secftp
from secftp.crypto import Mode, Password, Suite
from secftp.errors import SecftpError
from secftp.keys import Key
from secftp.protocol import Bye
from secftp.protocol.handshake import ClientHandshake
from secftp.transport import Credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.attacks import Address, Attack

ATTEMPTS = 40
EVERY_SECONDS = 2.0
WITHIN_SECONDS = 30.0
SHARE_WANTED = 0.95
FLOOD_RATE = 150.0
AT_ONCE = 4
HERE = "127.0.0.1"
OWN_KEY = "correct horse battery staple"
OTHER_KEY = "a staple of another horse"
NAMESPACE_NETWORKS = ("2001:db8:1::/48", "2001:db8:2::/48")


def keyed(text: str, name: str = "") -> Credentials:
    """Return the credentials of a client with this key."""
    return Credentials(Key.from_text(text).password(), Suite.AES128, Mode.KEYED, name)


def wrong() -> Credentials:
    """Return the credentials of a guessing client."""
    return Credentials(Password.random(), Suite.AES128, Mode.KEYED)


class Target(NamedTuple):
    """A running server: its address and process id."""

    address: Address
    pid: int


class Scenario(NamedTuple):
    """An attack: its title, server options, the attack, and the source addresses of legitimate clients."""

    title: str
    options: tuple[str, ...]
    attack: Callable[[Address], Attack]
    source: Callable[[int], str]
    in_namespace: bool = False


def elsewhere(number: int) -> str:
    """Return a loopback address that takes no part in attacks and is used once."""
    return f"127.200.{number // 250}.{1 + number % 250}"


def crowd(number: int) -> str:
    """Return an attacking address, in sequence from 127.1.0.0/16."""
    return f"127.1.{number // 250 % 250}.{1 + number % 250}"


def _hello() -> bytes:
    credentials = wrong()
    return ClientHandshake(credentials.password, credentials.suite, credentials.mode).hello


def _anonymous() -> Credentials:
    return Credentials(Password.anonymous(), Suite.AES128, Mode.ANONYMOUS)


SCENARIOS = {
    "flood-ipv6": Scenario(
        "150 hellos per second from fresh addresses of one IPv6 /48",
        (),
        lambda address: Flood(FLOOD_RATE, 2000, lambda number: f"2001:db8:1:{number % 65536:x}::1", address, _hello()),
        lambda number: f"2001:db8:2:{number:x}::1",
        in_namespace=True,
    ),
    "flood-ipv4": Scenario(
        "150 hellos per second from fresh addresses of one IPv4 /16",
        (),
        lambda address: Flood(FLOOD_RATE, 2000, crowd, address, _hello()),
        elsewhere,
    ),
    "guessing": Scenario(
        "4 clients guessing without a pause, legitimate ones from the same address",
        (),
        lambda address: guessers(4, 0.0, HERE, address, wrong()),
        lambda _: HERE,
    ),
    "guessing-20": Scenario(
        "20 clients guessing without a pause, legitimate ones from the same address",
        (),
        lambda address: guessers(20, 0.0, HERE, address, wrong()),
        lambda _: HERE,
    ),
    "silent": Scenario(
        "80 silent connections, legitimate clients from the same address",
        (),
        lambda address: Flood(500.0, 80, lambda _: HERE, address, b""),
        lambda _: HERE,
    ),
    "old-key": Scenario(
        "a device with an outdated key, once per second, legitimate clients from the same address",
        (),
        lambda address: Flood(1.0, 64, lambda _: HERE, address, _hello()),
        lambda _: HERE,
    ),
    "anonymous": Scenario(
        "256 anonymous sessions",
        ("--anonymous",),
        lambda address: Sessions(256, crowd, address, _anonymous()),
        elsewhere,
    ),
    "one-key": Scenario(
        "256 sessions of one of two keys",
        ("--keys",),
        lambda address: Sessions(256, crowd, address, keyed(OTHER_KEY, "other")),
        elsewhere,
    ),
    "one-address": Scenario(
        "256 sessions of one address with the only key",
        (),
        lambda address: Sessions(256, lambda _: "127.1.0.1", address, keyed(OWN_KEY)),
        elsewhere,
    ),
}


@contextlib.contextmanager
def server(scenario: Scenario) -> Iterator[Target]:
    """Run the server of a scenario in a temporary directory."""
    with contextlib.ExitStack() as stack:
        root, own = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secftp-bench-"))).resolve() for _ in range(2)
        )
        _private(own / "key", OWN_KEY)
        _private(own / "keys.toml", f'[other]\nkey = "{OTHER_KEY}"\nrights = "full"\n')
        options = [str(own / "keys.toml") if before == "--keys" else "" for before in scenario.options]
        given = [word for pair in zip(scenario.options, options, strict=True) for word in pair if word]
        if scenario.in_namespace:
            given += ["--host", "::1"]
        served = stack.enter_context(secftp(root, own / "key", own / "server.log", *given))
        host, _, port = served.place.rpartition(":")
        yield Target(("::1" if scenario.in_namespace else host, int(port)), served.server.pid)


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


class Attempts:
    """Legitimate clients, one every two seconds, each in its own thread."""

    def __init__(self, address: Address, source: Callable[[int], str], count: int) -> None:
        self._address = address
        self._source = source
        self._count = count
        self._credentials = keyed(OWN_KEY)

    def run(self) -> list[float | None]:
        """Return the seconds of each from connecting to WELCOME; None if it was not admitted."""
        with concurrent.futures.ThreadPoolExecutor(self._count) as pool:
            futures = []
            for number in range(self._count):
                futures.append(pool.submit(self._attempt, number))
                threading.Event().wait(EVERY_SECONDS)
            return [future.result() for future in futures]

    def _attempt(self, number: int) -> float | None:
        began = time.monotonic()
        try:
            channel = shake_hands(self._source(number), self._address, self._credentials, timeout=WITHIN_SECONDS)
        except (SecftpError, OSError):
            return None
        seconds = time.monotonic() - began
        with contextlib.suppress(SecftpError, OSError):
            channel.close(Bye())
        return seconds


def play(scenario: Scenario, attempts: int) -> bool:
    """Play a scenario and print the result; return whether enough legitimate clients were admitted."""
    with server(scenario) as target:
        attack = scenario.attack(target.address)
        attack.start()
        try:
            threading.Event().wait(5.0)  # for the attack to have its effect
            times = Attempts(target.address, scenario.source, attempts).run()
            memory = psutil.Process(target.pid).memory_info().rss / (1 << 20)
        finally:
            attack.stop()
    came = sorted(seconds for seconds in times if seconds is not None)
    enough = len(came) >= SHARE_WANTED * attempts
    figures = "none"
    if came:
        late = came[min(len(came) - 1, len(came) * 95 // 100)]
        figures = f"median {came[len(came) // 2]:.2f} s, 95th percentile {late:.2f} s, slowest {came[-1]:.2f} s"
    got = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(attack.outcomes.items()))
    short = "" if enough else " (TOO FEW)"
    print(
        f"  {scenario.title}:\n"
        f"    {len(came)} of {attempts} legitimate clients admitted within {WITHIN_SECONDS:.0f} s{short}: {figures}\n"
        f"    the attack: {got}; the server: {memory:.0f} MiB",
        flush=True,
    )
    return enough


def play_all(names: list[str], attempts: int) -> bool:
    """Play each scenario in its own process, some concurrently; return whether all succeeded."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(lambda name: _in_a_process(name, attempts), names))
    return all(results)


def _in_a_process(name: str, attempts: int) -> bool:
    command = [sys.executable, "-m", "bench.lockouts", "--here", "--attempts", str(attempts), name]
    if SCENARIOS[name].in_namespace:
        if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
            print(f"  {SCENARIOS[name].title}: skipped, it requires root, unshare and ip", flush=True)
            return True
        command = [shutil.which("unshare") or "", "--net", *command]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    reason = done.stderr.strip().rpartition("\n")[2]
    print(done.stdout + (f"  {SCENARIOS[name].title}: {reason}\n" if reason else ""), end="", flush=True)
    return done.returncode == 0


def _prepare_namespace() -> None:
    """Make all addresses of some networks local to this namespace."""
    commands = [
        ["link", "set", "lo", "up"],
        *(["-6", "route", "add", "local", net, "dev", "lo"] for net in NAMESPACE_NETWORKS),
    ]
    for words in commands:
        subprocess.run([shutil.which("ip") or "ip", *words], check=True)
    Path("/proc/sys/net/ipv6/ip_nonlocal_bind").write_text("1")


def main() -> int:
    """Play the named scenarios, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench.lockouts", description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENARIOS)} (default: all)")
    parser.add_argument("--attempts", type=int, default=ATTEMPTS, help=f"legitimate clients ({ATTEMPTS})")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.names) - set(SCENARIOS)
    if unknown:
        parser.error(f"unknown scenario: {', '.join(sorted(unknown))}")
    names = options.names or list(SCENARIOS)
    if not options.here:
        return 0 if play_all(names, max(1, options.attempts)) else 1
    (name,) = names
    if SCENARIOS[name].in_namespace:
        _prepare_namespace()
    return 0 if play(SCENARIOS[name], max(1, options.attempts)) else 1


if __name__ == "__main__":
    sys.exit(main())
