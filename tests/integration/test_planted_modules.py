"""Modules that a peer plants in the working directory of a program: none of them is ever executed.

`python -m` puts the working directory first on sys.path, and that is the directory that a server serves by default, or
that a client fetches into.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from secftp.errors import ExitCode, NameRefused
from secftp.keys import write_key_file
from secftp.server.own_names import OwnNamesStore, check, is_own
from secftp.storage import LocalStore, WriteOptions
from tests.support.command_line import SECRET, SECRET_KEY, place, run, terminal
from tests.support.cutting import cutting
from tests.support.planting import every_module, executed, plant
from tests.support.serving import DEADLINE, HOST, Lines, environment, listing, serving

MODULE = [sys.executable, "-m"]  # without -P: the start that is not safe
# What `site` imports before any code of ours runs; the working directory is not on sys.path by then.
DUMP = """
import atexit, json, os, sys
def dump(path=os.environ["SECFTP_TEST_DUMP"]):
    with open(f"{path}.{os.getpid()}", "w") as file:
        json.dump(sorted(sys.modules), file)
atexit.register(dump)
"""


@pytest.fixture
def served(tmp_path):
    """The directory that is served, and in which the server is started."""
    directory = tmp_path / "served"
    directory.mkdir()
    return directory


class Started:
    """A server that was started by `python -m` in the directory that it serves."""

    def __init__(self, process, output):
        self.process = process
        self.output = output

    @property
    def port(self):
        return int(self.output.wait_for(r"Listening @ \S+ on port (\d+)")[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)


@pytest.fixture
def start(tmp_path, home, served):
    """Start `python -m secftp.server` in the served directory."""
    started = []

    def begin(*arguments, command=(*MODULE, "secftp.server"), directory=served, **changes):
        process = subprocess.Popen(
            [*command, "0", "--host", HOST, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(home, SECFTP_KEY=SECRET, **changes),
            cwd=directory,
        )
        output = Lines()

        def read():
            while chunk := os.read(process.stdout.fileno(), 65536):
                output.write(chunk.decode("utf-8", "backslashreplace"))
            output.finish()

        reader = threading.Thread(target=read)
        reader.start()
        started.append((process, reader))
        return Started(process, output)

    yield begin
    for process, reader in started:
        if process.poll() is None:
            process.kill()
        process.wait(DEADLINE)
        reader.join(DEADLINE)
        process.stdout.close()


def url(server, path=""):
    return f"secftp://{HOST}:{server.port}/{path}"


# --- what is loaded before our first statement ------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [[], ["-S"], ["-E", "-s"], ["-X", "frozen_modules=off"], ["-I"], ["-P"]])
def test_no_client_can_make_what_python_loads_before_secftp(tmp_path, flags):
    """Each module that runs from the working directory before `secftp/__init__` does, by a name that is refused."""
    directory, marker = tmp_path / "here", tmp_path / "marker"
    (directory / "secftp").mkdir(parents=True)
    plant(directory, marker, every_module())
    (directory / "secftp" / "__init__.py").write_text(f"open({str(marker)!r}, 'a').write('secftp\\n')")
    (directory / "secftp" / "server.py").write_text("")
    environ = environment(tmp_path)
    subprocess.run(
        [sys.executable, *flags, "-m", "secftp.server"], cwd=directory, env=environ, capture_output=True, check=False
    )
    found = executed(marker)
    assert ("secftp" in found) == (flags not in (["-I"], ["-P"]))
    assert {name for name in found if not is_own(f"{name}.py".encode())} == set()
    assert {name for name in found if not is_own(name.encode())} == set()


@pytest.mark.parametrize(
    "name",
    [
        "secftp", "secftp.py", "secftp.pyc", "secftp.so", "secftp.cpython-311-x86_64-linux-gnu.so", "secftp.abi3.so",
        "SecFTP.py", "SECFTP", "secftp-notes", "secftp_core", "\u017fecftp", "\u017fecftp.py", "se\u200bcftp.py",
        "\ufeffsecftp", "s\u00adecftp.py", "\uff33\uff25\uff23\uff26\uff34\uff30.py", "types", "types.py", "TYPES.PY",
        "types.pyc", "types.py.", "types.py ", "types.cpython-312-darwin.so", "type\u017f.py", "collection\u017f",
        "importlib", "importlib.py", "contextlib.py", "functools.py", "warnings.py", "runpy.py", "operator.py",
        "keyword.py", "reprlib.py", "collections",
    ],
)  # fmt: skip
def test_names_that_could_be_taken_for_ours(name):
    assert is_own(name.encode())
    for path in ((name.encode(),), (name.encode(), b"__init__.py")):
        with pytest.raises(NameRefused):
            check(path)


@pytest.mark.parametrize(
    "name",
    ["notes.txt", "sec", "ecftp.py", "my-secftp.py", "types.txt", "types.py.txt", "warnings.log", "mytypes.py", "test"],
)
def test_other_names_are_free(name):
    assert not is_own(name.encode())
    check((name.encode(),))
    check((b"below", b"secftp.py"))


def test_a_name_that_is_no_utf_8_is_judged_too():
    assert is_own(b"secftp\xff.py")
    assert is_own(b"\xffsecftp.py")
    assert not is_own(b"\xff\xfe.py")


# --- the server -------------------------------------------------------------------------------------------------------


def exercise(home, server):
    """Everything that makes a server load something late: checksums, errors, refusals, requests of each kind."""
    (home / "file").write_bytes(b"some bytes" * 1000)
    (home / "tree" / "below").mkdir(parents=True, exist_ok=True)
    (home / "tree" / "below" / "large").write_bytes(bytes(3 << 20))
    for arguments in (
        ["put", "file", url(server, "one")],
        ["put", "tree", url(server)],
        ["get", url(server, "one"), "copy"],
        ["get", url(server, "tree"), "copies"],
        ["ls", "-lR", url(server)],
        ["ls", "--json", url(server)],
        ["stat", url(server, "one")],
        ["mkdir", "-p", url(server, "a/b")],
        ["cp", url(server, "one"), url(server, "three")],
        ["cp", "-r", url(server, "tree"), url(server, "a/tree")],
        ["mv", url(server, "one"), url(server, "a/two")],
        ["verify", "tree", url(server, "tree")],
        ["rm", "-r", url(server, "a")],
        ["get", url(server, "missing"), "x"],
        ["put", "file", url(server, "missing/deep")],
        ["put", "file", url(server, "tree")],
        ["ls", url(server, "tree/below/large/none")],
        *(
            ["sum", "--checksum", kind, url(server, "tree/below/large")]
            for kind in ("xxh128", "sha256", "blake3", "md5")
        ),
        *(["read", "--checksum", kind, "tree/below/large", place(server), "aes128"] for kind in ("sha256", "blake3")),
    ):
        run(home, *arguments)
    run(home, "ls", url(server), keyed=False, changes={"SECFTP_KEY": "not the key"})
    run(home, "ls", url(server).replace("secftp://", "secftp://name@"))


def modules_of_a_run(tmp_path, start, home):
    """Every module that a busy server had loaded by its end, by name."""
    (tmp_path / "dumping").mkdir()
    (tmp_path / "dumping" / "sitecustomize.py").write_text(DUMP)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    changes = {"PYTHONPATH": str(tmp_path / "dumping"), "SECFTP_TEST_DUMP": str(tmp_path / "modules")}
    server = start("--log-format", "json", "--metrics", f"{HOST}:0", directory=elsewhere, **changes)
    exercise(home, server)
    server.process.send_signal(signal.SIGHUP)
    server.output.wait_for("reloaded")
    assert server.stop() == 0
    return set(json.loads((tmp_path / f"modules.{server.process.pid}").read_text()))


def test_the_server_runs_nothing_of_what_clients_plant(tmp_path, start, home, served):
    """Planted is every module that a busy server has loaded at its end, and all of the standard library."""
    loaded = modules_of_a_run(tmp_path, start, home)
    assert {"blake3", "prometheus_client", "secftp.keys.files", "msgspec", "hashlib"} <= loaded
    marker = tmp_path / "marker"
    # What is loaded before our first statement no client can make: the test above.
    names = {name.partition(".")[0] for name in loaded} | set(every_module())
    plant(served, marker, [name for name in names if not is_own(f"{name}.py".encode()) and name != "__main__"])
    assert len(listing(served)) > 250
    server = start("--log-format", "json", "--metrics", f"{HOST}:0")
    exercise(home, server)
    server.process.send_signal(signal.SIGHUP)
    server.output.wait_for("reloaded")
    assert server.stop() == 0
    assert executed(marker) == set()


@pytest.mark.parametrize(
    "command",
    [
        [*MODULE, "secftp.server"],
        [sys.executable, "-Bmsecftp.server"],
        [sys.executable, "-W", "error", "-X", "utf8", "-m", "secftp.server"],
        [sys.executable, "-c", "import sys; from secftp.server.__main__ import main; sys.exit(main())"],
        [sys.executable, "-c", "import runpy; runpy.run_module('secftp.server', run_name='__main__', alter_sys=True)"],
        [os.path.join(os.path.dirname(sys.executable), "secftpd")],
    ],
)
def test_no_way_to_start_it_runs_what_lies_in_the_working_directory(tmp_path, start, home, command):
    """Served is another directory: with some of these starts, one that is on sys.path is refused."""
    here, marker = tmp_path / "here", tmp_path / "marker"
    here.mkdir()
    (tmp_path / "root").mkdir()
    # `-c` and a script import secftp as any library before they call its `main`: what it imports by itself is not late.
    late = ["argparse", "blake3", "idna", "msgspec", "prometheus_client", "psutil", "shlex", "tomllib", "xxhash"]
    plant(here, marker, late)
    server = start("--root", tmp_path / "root", command=command, directory=here, PYTHONPATH="")
    exercise(home, server)
    assert server.stop() == 0
    assert executed(marker) == set()


def test_a_drop_box_key_is_not_enough_to_run_code(tmp_path, start, home, served):
    """The attack as it was found: plant a module, ask for a checksum; and then for the next start."""
    write_key_file(home / "box.key")
    (home / "keys.toml").write_text('[box]\nkey-file = "box.key"\nrights = "drop-box"\n')
    (home / "keys.toml").chmod(0o600)
    server = start("--keys", home / "keys.toml")
    server.output.wait_for("Prefer secftpd, or python -P")
    marker = tmp_path / "marker"
    plant(tmp_path, marker, ["planted"])
    box = ["--key-file", home / "box.key"]
    names = [
        "blake3.py",
        "argparse.py",
        "types.py",
        "importlib.py",
        "secftp.py",
        "secftp/__init__.py",
        "SECFTP.py",
        "\u017fecftp.py",
    ]
    for name in names:
        where = url(server, name).replace("secftp://", "secftp://box@")
        code = run(home, "put", *box, tmp_path / "planted.py", where, keyed=False).code
        assert code == (0 if name in ("blake3.py", "argparse.py") else ExitCode.REFUSED), name
    refused = "Refused: the server does not allow this name"
    server.output.wait_for(refused, 6)  # a client may have gone before the server has logged its request
    run(home, "sum", "--checksum", "blake3", url(server, "blake3.py"))
    assert server.stop() == 0
    assert server.output.text.count(refused) == 6
    assert listing(served) == ["argparse.py", "blake3.py"]
    again = start()
    done = run(home, "sum", "--checksum", "blake3", url(again, "blake3.py"))
    assert (done.code, len(done.output.split()[0])) == (0, 64)
    assert again.stop() == 0
    assert executed(marker) == set()


@pytest.mark.parametrize("arguments", [["--max-file-size", "100M"], []])
def test_every_way_to_make_a_name_is_refused(start, home, served, arguments):
    server = start(*arguments)
    (home / "types.py").write_text("")
    (home / "small").mkdir()
    (home / "small" / "types.py").write_text("")
    (home / "tree" / "secftp").mkdir(parents=True)
    (home / "tree" / "secftp" / "__init__.py").write_text("")
    (home / "large").write_bytes(bytes(3 << 20))
    run(home, "put", "types.py", url(server, "free")).succeed()
    for command in (
        ["write", "types.py", f"{HOST}:{server.port}", "aes128"],
        ["put", "types.py", url(server)],
        ["put", "types.py", url(server, "types.py")],
        ["put", "large", url(server, "secftp.so")],
        ["put", "--resume", "large", url(server, "secftp.so")],
        ["put", "small/types.py", "tree/secftp", url(server)],
        ["mkdir", url(server, "secftp")],
        ["mkdir", "-p", url(server, "secftp/server")],
        ["mv", url(server, "free"), url(server, "types.py")],
        ["mv", url(server, "free"), url(server, "SECFTP.py")],
        ["cp", url(server, "free"), url(server, "types.py")],
        ["cp", url(server, "free"), url(server, "secftp")],
    ):
        assert run(home, *command).code in (ExitCode.REFUSED, ExitCode.FAILED), command
        assert listing(served) == ["free"], command
    run(home, "put", "tree", "small", url(server)).succeed()  # below the top, all names are free
    assert server.stop() == 0


def test_the_store_refuses_each_call_that_makes_a_name(served):
    (served / "free").write_bytes(b"")
    own, memory = (b"secftp.py",), memoryview(b"")
    with LocalStore(served) as inner, OwnNamesStore(inner) as store, store.small_files() as small:
        for call in (
            lambda: store.create_sink(own),
            lambda: store.resume_sink(own, 0),
            lambda: store.open_upload(own, bytes(16), WriteOptions(size=1)),
            lambda: store.open_upload(own, bytes(16), WriteOptions(size=1), adopt=True),
            lambda: store.rename((b"free",), own),
            lambda: store.rename((b"free",), own, overwrite=True),
            lambda: store.make_directory(own),
            lambda: store.make_directory((*own, b"below"), parents=True),
            lambda: small.write(own, memory),
        ):
            with pytest.raises(NameRefused):
                call()
    assert listing(served) == ["free"]


def test_what_there_is_can_be_read_and_removed(start, home, served):
    server = start()
    assert server.port
    (served / "types.py").write_text("1")
    (served / "secftp").mkdir()
    run(home, "get", url(server, "types.py"), "-").succeed(b"1")
    run(home, "rm", url(server, "types.py")).succeed()
    run(home, "rm", "-r", url(server, "secftp")).succeed()
    assert server.stop() == 0
    assert listing(served) == []


# --- optional modules -------------------------------------------------------------------------------------------------


def test_optional_modules_are_looked_for_at_the_start(tmp_path, start, home):
    """A module that appears on sys.path after the start is not found there, whichever request asks for it."""
    extra, marker = tmp_path / "extra", tmp_path / "marker"
    extra.mkdir()
    (tmp_path / "root").mkdir()
    server = start("--root", tmp_path / "root", "--metrics", f"{HOST}:0", directory=home, PYTHONPATH=str(extra))
    assert server.port
    plant(extra, marker, ["blake3", "xxhash", "hashlib", "prometheus_client", "psutil", "msgspec"])
    exercise(home, server)
    assert server.stop() == 0
    assert executed(marker) == set()


# --- the client -------------------------------------------------------------------------------------------------------


def client(directory, *arguments, command=(*MODULE, "secftp.client"), home=None, **options):
    """A client that is started by `python -m` in `directory`."""
    return subprocess.run(
        [*command, *map(str, arguments)],
        env=environment(home or directory, **options.pop("changes", {"SECFTP_KEY": SECRET})),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
        start_new_session=True,
        **options,
    )


# What each of them loads late. With an empty PYTHONPATH Python itself looks in the working directory before any code of
# ours runs; and `-c` imports secftp as any library before it calls its `main`.
ALL = [name for name in every_module() if not is_own(f"{name}.py".encode())]
LATER = [
    "argparse",
    "base64",
    "blake3",
    "getpass",
    "idna",
    "json",
    "msgspec",
    "random",
    "shlex",
    "stringprep",
    "xxhash",
]
LATE = [*LATER, "resource", "socket", "unicodedata"]
SCRIPT = os.path.join(os.path.dirname(sys.executable), "secftp")
EMBEDDED = [sys.executable, "-c", "import sys; from secftp.client.__main__ import main; sys.exit(main())"]


@pytest.mark.parametrize(
    ("command", "names", "path"),
    [
        ([*MODULE, "secftp.client"], ALL, None),
        ([sys.executable, "-Bmsecftp.client"], ALL, None),
        ([SCRIPT], ALL, None),
        (EMBEDDED, LATER, None),
        ([*MODULE, "secftp.client"], LATE, ""),
        ([SCRIPT], LATE, "."),
        (EMBEDDED, LATER, ":"),
    ],
)
def test_the_client_runs_nothing_of_what_it_fetched(tmp_path, home, command, names, path):
    """Every verb, every way to fail, a lost connection and its hint, in a directory with a module of every name."""
    here, marker, root = tmp_path / "here", tmp_path / "marker", tmp_path / "root"
    here.mkdir()
    root.mkdir()
    (root / "large").write_bytes(bytes(4 << 20))
    (root / "small").write_bytes(b"small")
    plant(here, marker, names)
    changes = {"SECFTP_KEY": SECRET} | ({} if path is None else {"PYTHONPATH": path})
    dumped = None
    if names is ALL and command[0] == sys.executable:
        dumped = tmp_path / "modules"
        (tmp_path / "dumping").mkdir()
        (tmp_path / "dumping" / "sitecustomize.py").write_text(DUMP)
        changes |= {"PYTHONPATH": str(tmp_path / "dumping"), "SECFTP_TEST_DUMP": str(dumped)}

    def go(*arguments, expected=0, **more):
        done = client(here, *arguments, command=command, home=home, changes=changes | more)
        assert b"Traceback" not in done.stderr, done.stderr
        assert (done.returncode == 0) == (expected == 0), (arguments, done.stderr)

    with serving(root, key=SECRET_KEY) as server, cutting(server.port, 1 << 20) as cut:
        there, broken = f"secftp://{place(server)}/", f"secftp://{HOST}:{cut.port}/large"
        go("get", broken, ".", expected=1)
        go("get", there + "large", there + "small", ".")
        go("get", "--progress", "json", there + "small", ".")
        go("get", "--resume", "--retries", "1", "--checksum", "blake3", there + "large", "again")
        go("put", "large", "small", there)
        go("ls", "--json", there)
        go("ls", "-lR", there)
        go("verify", "large", there + "large")
        go("sum", "--checksum", "blake3", there + "small")
        go("get", there + "missing", ".", expected=1)
        go("ls", there, SECFTP_KEY="wrong", expected=1)
        go("ls", f"secftp://h\u00f6st.invalid:{server.port}/", expected=1)
        go("frobnicate", expected=1)
        go("keygen")
        go("completion", "bash")
        go("--version")
        go("read", "small", f"{HOST}:{server.port}", "aes128")
    assert executed(marker) == set()
    if dumped is not None:
        files = list(tmp_path.glob("modules.*"))
        assert len(files) > 10
        loaded = {name.partition(".")[0] for file in files for name in json.loads(file.read_text())}
        assert {"msgspec", "xxhash", "blake3", "shlex"} <= loaded
        assert {name for name in loaded - set(names) if not is_own(f"{name}.py".encode())} <= {"__main__"}


def test_a_prompt_for_a_key_runs_nothing_of_what_was_fetched(tmp_path, home):
    here, marker = tmp_path / "here", tmp_path / "marker"
    here.mkdir()
    (tmp_path / "root").mkdir()
    plant(here, marker, ALL)
    launcher = (
        "import fcntl, os, sys, termios\n"
        "fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)\n"
        "os.execv(sys.argv[2], sys.argv[2:])\n"
    )
    with serving(tmp_path / "root", key=SECRET_KEY) as server, terminal() as (slave, screen):
        command = [*MODULE, "secftp.client", "ls", f"secftp://{place(server)}/"]
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", launcher, str(slave), *command],
            env=environment(home),
            cwd=here,
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            pass_fds=[slave],
            start_new_session=True,
        )
        screen.wait_for("(?i)key")
        screen.type(f"{SECRET}\n")
        assert process.wait(DEADLINE) == 0
        process.stdout.close()
    assert executed(marker) == set()


# --- as a library -----------------------------------------------------------------------------------------------------

_LIBRARY = """
import sys
before = list(sys.path)
import secftp, secftp.api.client, secftp.api.server, secftp.server.__main__, secftp.client.__main__
secftp.client.__main__.main(["--version"])
assert sys.path == before, (before, sys.path)
print("unchanged")
"""


@pytest.mark.parametrize("how", ["-c", "script", "script of our name", "-m"])
def test_who_imports_secftp_keeps_sys_path(tmp_path, how):
    """In a program of another's, with `python -m` too, sys.path is that program's business."""
    (tmp_path / "secftp_user").mkdir()
    (tmp_path / "secftp_user" / "__init__.py").write_text(_LIBRARY)
    (tmp_path / "secftp_user" / "__main__.py").write_text("")
    (tmp_path / "script.py").write_text(_LIBRARY)
    (tmp_path / "secftp.sync.py").write_text(_LIBRARY)
    command = {
        "-c": ["-c", _LIBRARY],
        "script": ["script.py", "-m", "secftp.client"],
        "script of our name": ["secftp.sync.py", "secftp.client"],
        "-m": ["-m", "secftp_user", "secftp.server"],
    }
    done = subprocess.run(
        [sys.executable, *command[how]],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "unchanged" in done.stdout) == (0, True), done.stderr
