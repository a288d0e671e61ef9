"""Signals at the worst moment: after Python has checked for one, before the system call that waits.

`tests/preload/between.c` sends them there, so that what happens once in thousands of tries happens at the first.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import threading
from pathlib import Path

import pytest

import secftp
from secftp.client.signals import STOPPING
from secftp.errors import ExitCode
from secftp.keys import write_key_file
from secftp.protocol import Ping, SessionLimits, Welcome, Write, encode
from secftp.transport import listen
from tests.support.command_line import SECRET, SECRET_KEY, started, terminal
from tests.support.programs import served
from tests.support.serving import DEADLINE, HOST, Hostile, environment, fake_server, server_process, until

__all__ = ["served"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD as Linux has it")

SOURCE = Path(__file__).parents[1] / "preload" / "between.c"
ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
by_name = {"ids": lambda number: number.name}
WELCOME = Welcome(
    version=1,
    software="fake",
    capabilities=("stat", "ranges"),
    limits=SessionLimits(requests=64, keepalive=15, idle=60),
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    built = tmp_path_factory.mktemp("preload") / "between.so"
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    flags = ["-shared", "-fPIC", "-O1", "-U_FORTIFY_SOURCE", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *flags, "-o", built, SOURCE, "-ldl", "-pthread"], check=True, timeout=DEADLINE)
    return built


class Between:
    """A signal that comes once, in the call that is named, when `arm` was called."""

    def __init__(self, library, directory, call, number):
        self.armed = directory / "armed"
        self.environment = {
            "LD_PRELOAD": os.fspath(library),
            "BETWEEN_CALL": call,
            "BETWEEN_SIGNAL": str(int(number)),
            "BETWEEN_WHEN": os.fspath(self.armed),
        }

    def arm(self):
        self.armed.touch()

    def wait(self):
        until(lambda: not self.armed.exists(), "the signal has come")


@pytest.fixture
def between(library, tmp_path):
    return lambda call, number: Between(library, tmp_path, call, number)


# --- the server -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def one_that_waits(between, directory):
    """A server whose loop gets the signal just before it waits for the first client, and there is none."""
    (directory / "root").mkdir()
    write_key_file(directory / "key")
    arguments = ("0", "--root", directory / "root", "--key-file", directory / "key", "--host", HOST)
    between.arm()
    with server_process(directory, *arguments, **between.environment) as server:
        between.wait()
        yield server


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], **by_name)
def test_a_server_is_stopped_by_a_signal_that_comes_before_its_wait(between, tmp_path, number):
    with one_that_waits(between("epoll_wait", number), tmp_path) as server:
        assert server.wait() == 0
        assert "Stopped." in server.log.text


def test_a_server_reads_its_keys_at_a_hangup_that_comes_before_its_wait(between, tmp_path):
    with one_that_waits(between("epoll_wait", signal.SIGHUP), tmp_path) as server:
        server.log.wait_for("The keys were reloaded")


def test_a_server_that_waits_for_transfers_is_hurried_by_a_signal_that_comes_before_its_pause(between, tmp_path):
    """The drain: a second signal ends the grace, which is an hour here."""
    hurry = between("clock_nanosleep", signal.SIGTERM)
    (tmp_path / "root").mkdir()
    arguments = ("0", "--root", tmp_path / "root", "--host", HOST, "--grace", "3600")
    with (
        server_process(tmp_path, *arguments, SECFTP_KEY=SECRET, **hurry.environment) as server,
        Hostile(server.port, SECRET_KEY) as wire,
    ):
        wire.welcome()
        wire.frame(*encode(Write(id=1, path=(b"name",))))
        wire.flush()
        server.log.wait_for("requested to write")
        server.signal(signal.SIGTERM)
        hurry.arm()
        hurry.wait()
        assert server.wait() == 0


def test_a_listener_takes_the_programs_wakeup_descriptor_only_when_asked_and_gives_it_back():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing)
    try:
        listener = listen([HOST], 0)
        assert current() == writing
        listener.wake_on_signals()
        listener.wake_on_signals()
        assert current() not in (writing, -1)
        listener.close()
        assert current() == writing
        listener.close()
        assert current() == writing
    finally:
        signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(writing)


def current():
    """The wakeup descriptor of this process, left as it is."""
    found = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(found)
    return found


def test_a_server_in_a_program_leaves_the_programs_signals_alone(served):
    """From its start, over sessions and a stop, to a second start: handlers and the wakeup descriptor are as before."""
    numbers = [number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)]
    handlers = [signal.getsignal(number) for number in numbers]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing)
    try:
        with secftp.Server(served.root, key=SECRET) as server:
            assert current() == writing
            with secftp.connect(server.url, key=SECRET) as remote:
                remote.write_bytes("file", b"x")
                assert remote.read_bytes("file") == b"x"
                assert current() == writing
        server.start()
        server.stop(abort=True)
        assert current() == writing
        assert [signal.getsignal(number) for number in numbers] == handlers
    finally:
        signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(writing)


_RUN = """
import os, signal, sys, threading
from secftp.transport import listen
from secftp.server.config import OptionSource
from secftp.server import run as running
running._announce = lambda *_: signal.raise_signal(signal.SIGTERM)
reading, writing = os.pipe()
os.set_blocking(writing, False)
signal.set_wakeup_fd(writing)
listener = listen(["127.0.0.1"], 0)
source = OptionSource(["0", "--root", sys.argv[1]])
running.run(source.read(), listener, source.read)
assert signal.set_wakeup_fd(-1) == writing
"""


def test_a_server_that_ends_gives_a_wakeup_descriptor_back(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _RUN, tmp_path],
        env=environment(tmp_path / "home", SECFTP_KEY=SECRET),
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"Stopped." in done.stdout


# --- the client -------------------------------------------------------------------------------------------------------


def code_of(number):
    return 128 + number


def ends_with(process, number):
    """It ends long before what it waits for could come, with the code and the word of that signal."""
    assert process.wait(DEADLINE) == code_of(number)
    word = {signal.SIGINT: "Interrupted", **STOPPING}[number]
    assert word in process.stderr.read().decode()


@pytest.mark.parametrize("number", ENDING, **by_name)
def test_a_client_that_waits_for_the_server_ends_by_a_signal_that_comes_before_its_wait(between, tmp_path, number):
    """It waits for an answer that does not come; a PING has just been taken in, and now it waits again."""
    ending = between("poll", number)

    def play(wire):
        wire.send(WELCOME)
        wire.receive()
        ending.arm()
        wire.send(Ping())
        with contextlib.suppress(OSError, AssertionError):
            while wire.receive_frame() is not None:
                pass

    with fake_server(play, SECRET_KEY) as port:
        arguments = ("stat", f"secftp://{HOST}:{port}/file")
        with started(tmp_path, *arguments, changes=ending.environment, stderr=subprocess.PIPE) as process:
            ends_with(process, number)


@pytest.mark.parametrize("number", ENDING, **by_name)
def test_a_client_that_waits_for_its_input_ends_by_a_signal_that_comes_before_its_wait(between, tmp_path, number):
    """Standard input gives a byte and nothing more; the server waits too."""
    ending = between("poll", number)
    (tmp_path / "root").mkdir()
    arguments = ("0", "--root", tmp_path / "root", "--host", HOST)
    with server_process(tmp_path, *arguments, SECFTP_KEY=SECRET) as server:
        put = ("put", "-", f"secftp://{HOST}:{server.port}/file")
        pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
        with started(tmp_path, *put, changes=ending.environment, **pipes) as process:
            server.log.wait_for("Initializing communication")
            ending.arm()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"x")
                process.stdin.flush()
            ends_with(process, number)
        assert not (tmp_path / "root" / "file").exists()


@pytest.mark.parametrize("number", ENDING, **by_name)
def test_a_client_that_waits_for_its_reader_ends_by_a_signal_that_comes_before_its_wait(between, tmp_path, number):
    """Standard output is a pipe that is full, and whose reader does not read."""
    ending = between("writev", number)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file").write_bytes(bytes(8 << 20))
    arguments = ("0", "--root", tmp_path / "root", "--host", HOST)
    with server_process(tmp_path, *arguments, SECFTP_KEY=SECRET) as server:
        reading, writing = os.pipe()
        ending.arm()
        full_pipe(writing)
        get = ("get", f"secftp://{HOST}:{server.port}/file", "-")
        pipes = {"stdout": writing, "stderr": subprocess.PIPE}
        with started(tmp_path, *get, changes=ending.environment, **pipes) as process:
            ends_with(process, number)
        os.close(writing)
        os.close(reading)


def full_pipe(writing):
    """Fill it to the last byte, and have it block again."""
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, bytes(65536)):
            pass
    os.set_blocking(writing, True)


@pytest.mark.parametrize("number", ENDING, **by_name)
def test_a_client_that_asks_for_the_key_ends_by_a_signal_that_comes_before_its_wait(between, tmp_path, number):
    ending = between("read", number)
    ending.arm()
    with terminal() as (slave, screen):
        arguments = ("ls", f"secftp://{HOST}:1/")
        options = {"keyed": False, "controlling": slave, "stderr": subprocess.PIPE}
        with started(tmp_path, *arguments, changes=ending.environment, **options) as process:
            screen.wait_for("Key for")
            ends_with(process, number)


_WAITS = """
import os, select, signal, subprocess, sys, threading, time
from secftp.client.signals import Interruptions, Stopped
LONG = 60
how, armed = sys.argv[1:3]
reading, writing = os.pipe()
fifo = armed + ".fifo"
os.mkfifo(fifo)
lock = threading.Lock()
lock.acquire()
poller = select.poll()
poller.register(reading, select.POLLIN)
thread = threading.Thread(target=time.sleep, args=(LONG,), daemon=True)
thread.start()
process = subprocess.Popen(["sleep", str(LONG)]) if how == "waitpid" else None
Interruptions().begin()
open(armed, "w").close()
before = time.monotonic()
try:
    match how:
        case "sleep": time.sleep(LONG)
        case "poll": poller.poll()
        case "select": select.select([reading], [], [])
        case "read": os.read(reading, 1)
        case "open": os.open(fifo, os.O_RDONLY)
        case "lock": lock.acquire()
        case "lock-timeout": lock.acquire(timeout=LONG)
        case "join": thread.join()
        case "waitpid": process._wait(None)
except Stopped as stop:
    print(stop.number.name)
except KeyboardInterrupt:
    print("SIGINT")
if process is not None:
    process.kill()
    process.wait()
assert time.monotonic() - before < LONG / 2
sys.stdout.flush()
os._exit(0)
"""


@pytest.mark.parametrize("number", ENDING, **by_name)
@pytest.mark.parametrize(
    ("how", "call"),
    [
        ("sleep", "clock_nanosleep"),
        ("poll", "poll"),
        ("select", "select"),
        ("read", "read"),
        ("open", "open"),
        ("lock", "lock"),
        ("lock-timeout", "lock"),
        ("join", "lock"),
        ("waitpid", "waitpid"),
    ],
)
def test_whatever_the_client_waits_for_a_signal_that_comes_before_the_wait_ends_it(
    between, tmp_path, how, call, number
):
    """Pauses between retries, joins of threads, other processes: every call of Python's that waits."""
    ending = between(call, number)
    done = subprocess.run(
        [sys.executable, "-c", _WAITS, how, ending.armed],
        env=environment(tmp_path, **ending.environment),
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stderr.decode(), done.stdout.decode()) == (0, "", f"{number.name}\n")


@pytest.mark.parametrize("number", ENDING, **by_name)
def test_a_signal_that_is_ignored_at_the_start_stays_ignored(tmp_path, number):
    """As nohup, or a shell's background job, has it."""
    code = (
        "import signal, sys; from secftp.client.signals import Interruptions\n"
        "Interruptions().begin()\n"
        "signal.raise_signal(int(sys.argv[1]))\n"
        "print(signal.getsignal(int(sys.argv[1])).name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(int(number))],
        preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),
        env=environment(tmp_path),
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"SIG_IGN\n", b"")


def test_a_client_in_a_program_leaves_the_programs_signals_alone(served):
    """`main` with arguments, and the Python interface: neither handlers nor the wakeup descriptor are theirs."""
    from secftp.client.__main__ import main

    numbers = [number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)]
    before = [signal.getsignal(number) for number in numbers], current(), threading.active_count()
    assert main(["ls", "--no-key", f"secftp://{HOST}:1/"]) == 3
    served.remote.exists("x")
    assert ([signal.getsignal(number) for number in numbers], current(), threading.active_count()) == before


def test_the_main_thread_is_left_alone_when_its_handler_has_run(tmp_path):
    """A signal that is heeded is not followed by interruptions: what cleans up afterwards is not disturbed."""
    code = (
        "import signal, time\n"
        "from secftp.client import signals\n"
        "nudges = []\n"
        "class Counted(signals.Interruptions):\n"
        "    def _handle_nudge(self, number, frame):\n"
        "        nudges.append(number)\n"
        "        super()._handle_nudge(number, frame)\n"
        "Counted().begin()\n"
        "try:\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "    time.sleep(60)\n"
        "except signals.Stopped:\n"
        "    time.sleep(0.2)\n"
        "print(nudges)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(tmp_path), capture_output=True, timeout=DEADLINE, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"[]\n", b"")


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ("os.pipe", "OSError(24, 'Too many open files')"),
        ("os.set_blocking", "OSError(22, 'Invalid argument')"),
        ("_thread.start_new_thread", 'RuntimeError("can\'t start new thread")'),
    ],
)
def test_a_start_that_the_system_refuses_is_one_sentence(call, problem):
    """Whatever is called on the way, as the faults have it: no traceback."""
    module, name = call.split(".")
    code = (
        "import sys, _thread, os\n"
        "from secftp.client import __main__ as program\n"
        f"def refuse(*_, **__): raise {problem}\n"
        f"{module}.{name} = refuse\n"
        "sys.argv = ['secftp', '--version']\n"
        "sys.exit(program.main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (ExitCode.FAILED, "")
    first, second = done.stderr.splitlines()
    assert first.startswith("secftp: The system does not let secftp start: ")
    assert second == "  hint: Check its limits: ulimit -a"


@pytest.mark.parametrize(
    "moment",
    [
        "secftp.client.__main__:_open_standard_descriptors",
        "secftp.client.key_ahead:begin",
        "secftp.text:fit_streams",
        "secftp.client.signals:Interruptions.begin",
    ],
)
def test_a_signal_while_the_client_starts_is_one_sentence(moment):
    """Also where only Python's own handler of Ctrl-C is there."""
    module, _, names = moment.partition(":")
    above, _, name = names.rpartition(".")
    owner = f"{module}:{above}" if above else module
    code = (
        "import os, pkgutil, signal, sys\n"
        "from secftp.client import __main__ as program\n"
        f"real = pkgutil.resolve_name({moment!r})\n"
        "def stopped(*arguments):\n"
        "    real(*arguments)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    for _ in range(10 ** 6): pass\n"
        f"setattr(pkgutil.resolve_name({owner!r}), {name!r}, stopped)\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.argv = ['secftp', '--version']\n"
        "sys.exit(program.main())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (ExitCode.INTERRUPTED, "")
    assert "Traceback" not in done.stderr
    assert "Interrupted" in done.stderr
