"""Protection of processes that hold keys: no other process of their user reads their memory, and it is never dumped.

PR_SET_DUMPABLE of prctl(2) is asked for in the process itself, since no other can ask for it: each program is run with
a few lines around it that tell at which value of it a key came into memory.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from secftp.keys import write_key_file
from tests.support.command_line import SECRET, SECRET_KEY, place, terminal
from tests.support.serving import DEADLINE, environment, serving

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the flag is Linux's")

ASK = """
import atexit, ctypes, os, sys
def dumpable(value=None):
    prctl = ctypes.CDLL(None).prctl
    return prctl(3, 0, 0, 0, 0) if value is None else prctl(4, value, 0, 0, 0)
def tell(what):
    with open(os.environ["SECFTP_TEST_TOLD"], "a") as told:
        told.write(f"{what} {dumpable()}\\n")
"""
# Every way on which a key comes in ends in one of these.
PROGRAM = (
    ASK
    + """
from secftp.keys.key import Key
from secftp.crypto import Password
tell("begin")
def telling(owner, name):
    inner = getattr(owner, name).__func__
    def outer(cls, *arguments):
        tell("key")
        return inner(cls, *arguments)
    setattr(owner, name, classmethod(outer))
telling(Key, "from_text")
telling(Key, "from_secret")
main = __import__(f"secftp.{sys.argv.pop(1)}.__main__", fromlist=["main"]).main
atexit.register(tell, "end")  # a client does not return from main() if nothing waits for its end
sys.exit(main())
"""
)


@pytest.fixture
def told(tmp_path):
    """What a program told: pairs of a moment and the value of the flag."""

    class Told:
        path = tmp_path / "told"

        def __call__(self):
            return [(what, int(value)) for what, value in map(str.split, self.path.read_text().splitlines())]

    return Told()


def run(told, home, text, *arguments, **changes):
    """Run these lines as a program."""
    return subprocess.run(
        [sys.executable, "-P", "-c", text, *map(str, arguments)],
        env=environment(home, SECFTP_TEST_TOLD=str(told.path), **changes),
        cwd=home,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )


@pytest.mark.parametrize("how", ["key file", "variable", "named"])
def test_a_server_is_not_dumpable_before_it_has_a_key(tmp_path, told, how):
    write_key_file(tmp_path / "key")
    (tmp_path / "keys.toml").write_text('[me]\nkey-file = "key"\nrights = "full"\n')
    (tmp_path / "keys.toml").chmod(0o600)
    (tmp_path / "root").mkdir()
    given = {"key file": ["--key-file", "key"], "variable": [], "named": ["--keys", "keys.toml"]}[how]
    changes = {"SECFTP_KEY": SECRET} if how == "variable" else {}
    done = run(told, tmp_path, PROGRAM, "server", "0", "--root", "root", "--check-config", *given, **changes)
    assert done.returncode == 0, done.stderr
    assert told() == [("begin", 1), ("key", 0), ("end", 0)]


@pytest.mark.parametrize("verb", ["ls", "get", "put", "read", "sum"])
def test_a_client_is_not_dumpable_before_it_has_a_key(tmp_path, told, verb):
    write_key_file(tmp_path / "key")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file").write_bytes(b"contents")
    with serving(tmp_path / "root", key=SECRET_KEY) as server:
        url = f"secftp://{place(server)}/"
        arguments = {
            "ls": [url],
            "get": [url + "file", "copy"],
            "put": ["key", url],
            "read": ["file", place(server), "aes128"],
            "sum": [url + "file"],
        }[verb]
        done = run(told, tmp_path, PROGRAM, "client", verb, *arguments, SECFTP_KEY=SECRET)
    assert done.returncode == 0, done.stderr
    moments = told()
    assert (moments[0], moments[-1]) == (("begin", 1), ("end", 0))
    assert ("key", 0) in moments
    assert ("key", 1) not in moments


@pytest.mark.parametrize("arguments", [[], ["--file", "key"]])
def test_a_new_key_is_never_in_a_dump(tmp_path, told, arguments):
    done = run(told, tmp_path, PROGRAM, "client", "keygen", *arguments)
    assert done.returncode == 0, done.stderr
    assert told()[-1] == ("end", 0)


def test_a_client_is_not_dumpable_while_a_key_is_typed(tmp_path, told):
    """What is typed stands in its memory before it is a key."""
    text = PROGRAM.replace(
        "main = __import__", "sys.path.insert(0, os.environ['SECFTP_TEST_ASKING'])\nimport asking\nmain = __import__"
    )
    (tmp_path / "asking").mkdir()
    (tmp_path / "asking" / "asking.py").write_text(
        "import os, __main__\nbefore = os.open\n"
        "def opening(path, *rest, **more):\n    path == '/dev/tty' and __main__.tell('terminal')\n"
        "    return before(path, *rest, **more)\nos.open = opening\n"
    )
    launcher = (
        "import fcntl, os, sys, termios\nfcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0)\n"
        "os.execv(sys.argv[2], sys.argv[2:])\n"
    )
    (tmp_path / "root").mkdir()
    with serving(tmp_path / "root", key=SECRET_KEY) as server, terminal() as (slave, screen):
        program = [sys.executable, "-P", "-c", text, "client", "ls", f"secftp://{place(server)}/"]
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", launcher, str(slave), *program],
            env=environment(tmp_path, SECFTP_TEST_TOLD=str(told.path), SECFTP_TEST_ASKING=str(tmp_path / "asking")),
            stdin=slave,
            stdout=subprocess.DEVNULL,
            stderr=slave,
            pass_fds=[slave],
            start_new_session=True,
        )
        screen.wait_for("Key for")
        screen.type(f"{SECRET}\n")
        assert process.wait(DEADLINE) == 0
    assert ("terminal", 0) in told()
    assert ("terminal", 1) not in told()


def test_another_user_makes_it_dumpable_no_more(tmp_path, told):
    """The system sets the flag to fs.suid_dumpable, which may be 1, as setuid(2) changes the user."""
    text = (
        ASK
        + """
from secftp import system
from secftp.server import run
system.forbid_dumps()
os.geteuid = lambda: 1 + os.getuid()
for name in ("initgroups", "setgid", "setuid"):
    setattr(os, name, lambda *_: dumpable(1))
import pwd
run.drop_privileges(pwd.getpwuid(os.getuid()).pw_name)
tell("after")
"""
    )
    done = run(told, tmp_path, text)
    assert done.returncode == 0, done.stderr
    assert told() == [("after", 0)]


@pytest.mark.parametrize(
    "program", ["secftp.connect(url, key=KEY).listdir()", "secftp.Server('root', key=KEY).start().stop()"]
)
def test_a_program_that_imports_secftp_stays_as_it_is(tmp_path, told, program):
    """Whether a program of another's can be debugged is that program's business."""
    (tmp_path / "root").mkdir()
    with serving(tmp_path / "root", key=SECRET_KEY) as server:
        text = f"{ASK}\nimport secftp\nurl, KEY = 'secftp://{place(server)}/', {SECRET!r}\n{program}\ntell('after')\n"
        done = run(told, tmp_path, text)
    assert done.returncode == 0, done.stderr
    assert told() == [("after", 1)]
