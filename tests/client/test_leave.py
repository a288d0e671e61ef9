"""The quick end of the client: nothing that is awaited or written is lost by it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from secftp.client.leave import leave
from tests.support.serving import DEADLINE, environment


def run(home, lines, *options, stdout=subprocess.PIPE, **changes):
    """Run `leave(5)` after some lines; a Python that comes to its end says so."""
    code = (
        "import sys\nfrom secftp.client.leave import leave\n"
        "class AtTheEnd:\n    def __del__(self, write=__import__('os').write):\n        write(2, b'end of Python')\n"
        f"sys.kept = AtTheEnd()\n{lines}\nleave(5)\nsys.exit(5)\n"
    )
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        env=environment(home, **changes),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        timeout=DEADLINE,
        check=False,
    )


def test_the_process_ends_at_once_with_its_output(tmp_path):
    done = run(tmp_path, "print('answer')\nsys.stderr.write('said')")
    assert (done.returncode, done.stdout, done.stderr) == (5, b"answer\n", b"said")


def test_streams_that_are_none_are_no_hindrance(tmp_path):
    done = run(tmp_path, "sys.stdout = sys.stderr = None")
    assert (done.returncode, done.stderr) == (5, b"")


def test_a_thread_that_is_a_daemon_or_of_low_level_is_not_waited_for(tmp_path):
    lines = (
        "import _thread, threading\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "_thread.start_new_thread(threading.Event().wait, ())"
    )
    done = run(tmp_path, lines)
    assert (done.returncode, done.stderr) == (5, b"")


@pytest.mark.parametrize(
    "lines",
    [
        "import atexit\natexit.register(lambda: print('late'))",
        "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()",
        "sys.setprofile(lambda *_: None)\nprint('late')",
        "sys.settrace(lambda *_: None)\nprint('late')",
        "import cProfile\ncProfile.Profile().enable()\nprint('late')",
    ],
    ids=["atexit", "thread", "profile", "trace", "cProfile"],
)
def test_python_ends_as_usual_if_something_waits_for_that(tmp_path, lines):
    done = run(tmp_path, lines)
    assert (done.returncode, done.stdout, done.stderr) == (5, b"late\n", b"end of Python")


@pytest.mark.parametrize("options", [["-i"], ["-X", "dev"]])
def test_python_ends_as_usual_for_who_inspects_it(tmp_path, options):
    done = run(tmp_path, "", *options)
    assert b"end of Python" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
def test_output_that_can_not_be_written_is_reported_by_python(tmp_path):
    with open("/dev/full", "wb") as full:
        done = run(tmp_path, "print('lost')", stdout=full, PYTHONUNBUFFERED="")
    assert done.returncode == 120
    assert b"No space left" in done.stderr


def test_a_stream_that_is_closed_is_left_to_python(monkeypatch):
    monkeypatch.setattr("os._exit", lambda _code: pytest.fail("the process would have ended"))
    monkeypatch.setattr("secftp.client.leave._is_awaited", lambda: False)
    with open(os.devnull, "w") as stream:
        pass
    monkeypatch.setattr("sys.stdout", stream)
    leave(0)
