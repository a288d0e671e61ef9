"""Rules for every test: none leaves a descriptor or a thread behind, and slow ones run only when asked for."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.support.counts import COUNTS
from tests.support.fixtures import client as client
from tests.support.fixtures import home as home
from tests.support.fixtures import root as root
from tests.support.fixtures import secftp as secftp
from tests.support.fixtures import server as server
from tests.support.fixtures import store as store

# They need the libraries of the extras `data` and `machines`, which the suite's environment does not have:
# make test-data and make test-machines name them.
collect_ignore = ["data", "machines"]

_FD_DIRECTORY = "/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"
_LINE_TESTS = Path(__file__).parent / "line"
_counts: list[str] = []
_THREAD_GRACE = 2.0  # seconds for a thread that was told to end, and is not joined, to do so
_IGNORED_BY_PYTHON = {signal.SIGPIPE, getattr(signal, "SIGXFSZ", None)}


def pytest_configure():
    """Give the processes that tests start the default disposition of every signal, and block none.

    Under nohup, or in the background of a script, this process is started with some signals ignored, and children
    inherit that. A signal with a handler is at its default in a child. Here it stays ignored, as was wished. The keys
    and hosts of the user who runs the tests do not count.
    """
    for name in ("SECFTP_KEY", "SECFTP_KEY_FILE", "SECFTP_CONFIG"):
        os.environ.pop(name, None)
    os.environ["XDG_CONFIG_HOME"] = os.path.join(os.sep, "nonexistent")
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - _IGNORED_BY_PYTHON:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def pytest_runtest_logreport(report):
    """Collect what tests have counted; also of those that another process runs."""
    if report.when == "teardown":
        _counts.extend(value for name, value in report.user_properties if name == COUNTS)


def pytest_terminal_summary(terminalreporter):
    if _counts:
        terminalreporter.section("what was tried")
        for line in _counts:
            terminalreporter.write_line(line)


def pytest_addoption(parser):
    parser.addoption("--run-slow", action="store_true", help="run the tests marked slow, too")
    parser.addoption("--run-line", action="store_true", help="run the tests over an emulated line, too; needs root")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--run-slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow; runs with --run-slow"))
    if not config.getoption("--run-line"):
        for item in items:
            if _LINE_TESTS in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="over an emulated line; runs with make test-line"))


def pytest_collection_finish():
    """Leave the collected tests out of garbage collections: many tests collect, and each would look at all of them."""
    gc.collect()
    gc.freeze()


def _open_descriptors():
    """Each open descriptor with what it is open on (a number alone may have been closed and taken again)."""
    found = {}
    for name in os.listdir(_FD_DIRECTORY):
        try:
            status = os.fstat(int(name))
        except OSError:
            continue  # the one the directory was listed with
        found[int(name)] = (status.st_dev, status.st_ino)
    return found


def _describe(fd):
    try:
        return f"{fd} ({os.readlink(f'{_FD_DIRECTORY}/{fd}')})"
    except OSError:
        return str(fd)


@pytest.fixture
def within_five_seconds():
    """Fail the test, rather than hang, if a call in it waits for what never comes."""

    def give_up(*_):
        pytest.fail("still waiting after five seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(5)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(autouse=True)
def _nothing_leaks():
    """Fail the test if, all its fixtures torn down, more descriptors or threads are there than before it."""
    descriptors, threads = _open_descriptors(), set(threading.enumerate())
    yield
    deadline = time.monotonic() + _THREAD_GRACE
    for thread in set(threading.enumerate()) - threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = [f"thread {thread.name}" for thread in set(threading.enumerate()) - threads]
    left += [f"descriptor {_describe(fd)}" for fd, _ in _open_descriptors().items() - descriptors.items()]
    if left:
        pytest.fail("left behind: " + ", ".join(sorted(left)), pytrace=False)
