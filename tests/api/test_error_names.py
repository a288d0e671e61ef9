"""What an error says to a Python program: `filename` and `errno` as those of `os`, and the hint in a traceback."""

from __future__ import annotations

import copy
import errno
import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

import secftp
from secftp.api.client import Client
from secftp.api.naming import name_error, place
from secftp.transfer import Summary
from tests.support.programs import remote, root, served
from tests.support.serving import KEY

__all__ = ["remote", "root", "served"]

pytestmark = pytest.mark.exhaustive

# What makes each method fail with a FileError, for the path that is given; every method that takes a path is here.
FAIL_AT_MISSING = {
    "stat": lambda client, path: client.stat(path),
    "space": lambda client, path: client.space(path),
    "checksum": lambda client, path: client.checksum(path),
    "scandir": lambda client, path: client.scandir(path),
    "listdir": lambda client, path: client.listdir(path),
    "walk": lambda client, path: walked(client, path),  # noqa: PLW0108 - it is defined below
    "rename": lambda client, path: client.rename(path, "new"),
    "replace": lambda client, path: client.replace(path, "new"),
    "copy": lambda client, path: client.copy(path, "new"),
    "copytree": lambda client, path: client.copytree(path, "new"),
    "remove": lambda client, path: client.remove(path),
    "unlink": lambda client, path: client.unlink(path),
    "rmdir": lambda client, path: client.rmdir(path),
    "rmtree": lambda client, path: client.rmtree(path),
    "chmod": lambda client, path: client.chmod(path, 0o600),
    "utime": lambda client, path: client.utime(path, ns=0),
    "read_bytes": lambda client, path: client.read_bytes(path),
    "read_text": lambda client, path: client.read_text(path),
    "read_many": lambda client, path: client.read_many([path]),
    "read_ranges": lambda client, path: client.read_ranges([(path, 0, 1)]),
    "open": lambda client, path: client.open(path),
    "get": lambda client, path: client.get(path, "/tmp/never-written"),
}
# A path in a directory that is missing.
FAIL_TO_MAKE = {
    "mkdir": lambda client, path: client.mkdir(path),
    "write_bytes": lambda client, path: client.write_bytes(path, b""),
    "write_text": lambda client, path: client.write_text(path, ""),
    "put": lambda client, path: client.put(__file__, path),
    "open": lambda client, path: client.open(path, "wb"),
}
# Whose failures are answers, or are tested elsewhere (test_glob.py).
ANSWERS = {"exists", "is_file", "is_dir", "glob"}
FORMS = {"str": str, "bytes": str.encode, "pathlib": PurePosixPath, "absolute": lambda name: f"/base/{name}"}


def walked(client, path):
    problems = []
    assert list(client.walk(path, onerror=problems.append)) == []
    raise problems[0]


@pytest.fixture
def client(served, root):
    """Of the directory `base`, so that a path of the program is not the one that is sent."""
    (root / "base").mkdir()
    with secftp.connect(f"{served.server.url}base", KEY) as client:
        yield client


def test_every_method_that_takes_a_path_is_here():
    takes_path = {
        name
        for name, method in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_")
        and {"path", "pattern", "top", "source", "paths", "ranges"} & set(inspect.signature(method).parameters)
    }
    assert takes_path == {*FAIL_AT_MISSING, *FAIL_TO_MAKE, *ANSWERS}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", FAIL_AT_MISSING)
def test_what_is_missing(client, name, form):
    given = FORMS[form]("missing")
    with pytest.raises(FileNotFoundError) as raised:
        FAIL_AT_MISSING[name](client, given)
    error = raised.value
    assert isinstance(error, secftp.NotFound)
    assert error.filename == (str(given) if form == "pathlib" else given)
    assert (error.errno, error.strerror) == (errno.ENOENT, "No such file or directory")
    assert error.side == "remote"
    assert str(error).count("missing") == 1
    assert error.filename2 == ("new" if name in ("rename", "replace", "copy") else None)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", FAIL_TO_MAKE)
def test_what_cant_be_made(client, name, form):
    given = FORMS[form]("missing/file")
    with pytest.raises(FileNotFoundError) as raised:
        FAIL_TO_MAKE[name](client, given)
    assert raised.value.filename == (str(given) if form == "pathlib" else given)
    assert raised.value.errno == errno.ENOENT


@pytest.mark.parametrize("name", [*FAIL_AT_MISSING, *FAIL_TO_MAKE])
def test_names_that_no_server_accepts(client, name):
    """An error that is raised before anything is sent has the name, too."""
    with pytest.raises(secftp.NameRefused) as raised:
        (FAIL_AT_MISSING | FAIL_TO_MAKE)[name](client, "../x")
    assert raised.value.filename == "../x"
    assert raised.value.errno == errno.EINVAL


def test_files_below_the_one_that_was_given(client, root, tmp_path):
    """Of a tree: the given path, joined with the rest."""
    (root / "base/tree/below").mkdir(parents=True)
    (root / "base/tree/below/link").symlink_to("nowhere")
    with pytest.raises(secftp.NotEmpty) as raised:
        client.rmtree(b"tree")
    assert raised.value.filename == b"tree/below"
    (root / "base/tree/below/file").write_bytes(b"1")
    (tmp_path / "to" / "tree" / "below" / "file").mkdir(parents=True)
    problems = []
    client.get("tree", tmp_path / "to", on_error=lambda name, problem: problems.append(problem))
    assert [(problem.side, problem.filename) for problem in problems] == [
        ("local", str(tmp_path / "to/tree/below/file"))
    ]


def test_the_target_of_a_copy(client, root, tmp_path):
    (tmp_path / "from" / "name").mkdir(parents=True)
    (tmp_path / "from" / "name" / "x").write_bytes(b"1")
    (root / "base/to/from").mkdir(parents=True)
    (root / "base/to/from/name").write_bytes(b"a file where a directory would be")
    with pytest.raises(secftp.FileError) as raised:
        client.put(tmp_path / "from", "to")
    assert {problem.filename for _, problem in failures_of(raised.value)} <= {"to/from/name", "to/from/name/x"}


def failures_of(error):
    return error.failures if isinstance(error, secftp.CopyIncomplete) else [("", error)]


def test_a_local_file_that_is_missing(client, tmp_path):
    for given in (tmp_path / "missing", str(tmp_path / "missing")):
        with pytest.raises(FileNotFoundError) as raised:
            client.put(given, "x")
        assert raised.value.side == "local"
        assert raised.value.filename == str(tmp_path / "missing")
        assert raised.value.errno == errno.ENOENT


def test_two_paths(client, root):
    for name in ("one", "two"):
        (root / "base" / name).write_bytes(b"1")
    with pytest.raises(FileExistsError) as raised:
        client.rename(PurePosixPath("one"), b"two")
    assert (raised.value.filename, raised.value.filename2) == ("one", b"two")
    assert raised.value.errno == errno.EEXIST
    assert "two" in str(raised.value)


def test_many_files(client, root):
    (root / "base/x").write_bytes(b"abc")
    assert client.read_many(["x"]) == [b"abc"]
    found = client.read_many(["x", b"y", "../z"], on_error="return")
    assert [getattr(each, "filename", each) for each in found] == [b"abc", b"y", "../z"]
    found = client.read_ranges([("x", 0, 1), ("/base/y", 0, None)], on_error="return")
    assert [getattr(each, "filename", each) for each in found] == [b"a", "/base/y"]


def test_open_files(client, root):
    (root / "base/x").write_bytes(bytes(3))
    with client.open("x") as file:
        (root / "base/x").unlink()
        with pytest.raises(FileNotFoundError) as raised:
            file.read()
        assert raised.value.filename == "x"
    file = client.open("new/../y".replace("new/../", ""), "xb")
    (root / "base/y").write_bytes(b"another one's")
    with pytest.raises(FileExistsError) as raised:
        file.close()
    assert raised.value.filename == "y"


def test_the_served_directory(client):
    with pytest.raises(secftp.IsADirectory) as raised:
        client.read_bytes("/")
    assert raised.value.filename == "/"


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ("base/x", "x"),
        ("base/x/y", "x/y"),
        ("base/xy", "/base/xy"),
        ("base", "/base"),
        ("/", "/"),
        ("other\udcff", "/other\udcff"),
        (None, "x"),
    ],
)
def test_only_what_is_below_a_path_is_named_by_it(wire, name):
    error = name_error(secftp.NotFound("A sentence.", filename=wire), [place("x", (b"base",))])
    assert error.filename == name
    assert name_error(error, [place("another", ())]).filename == name, "it has its name"


def test_a_server_of_a_missing_directory(tmp_path):
    with pytest.raises(FileNotFoundError) as raised:
        secftp.Server(tmp_path / "missing").start()
    assert raised.value.filename == str(tmp_path / "missing")
    assert raised.value.errno == errno.ENOENT


# --- hints ------------------------------------------------------------------------------------------------------------


def test_a_traceback_shows_the_hint(tmp_path):
    program = "import secftp\nsecftp.connect('secftp://127.0.0.1:1', anonymous=True, key='x')\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "secftp.errors.UsageError" in done.stderr
    program = "import secftp\nsecftp.connect('secftp://127.0.0.1')\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert re.search(r"UsageError: No key was given\.\nHint: Give key=.*\n$", done.stderr)


def test_a_hint_is_a_note_and_no_part_of_the_message():
    problem = secftp.NotFound("x: no such file.", hint="Look elsewhere.")
    assert str(problem) == problem.message == "x: no such file."
    assert problem.__notes__ == ["Hint: Look elsewhere."]
    problem.add_note("Seen on Sunday.")
    problem.hint = "Look here."
    assert problem.__notes__ == ["Seen on Sunday.", "Hint: Look here."]
    for again in (pickle.loads(pickle.dumps(problem)), copy.copy(problem), copy.deepcopy(problem)):
        assert again.__notes__ == problem.__notes__
        assert again.hint == "Look here."
        assert str(again) == str(problem)
    problem.hint = ""
    assert problem.__notes__ == ["Seen on Sunday."]
    assert not hasattr(secftp.NotFound("x"), "__notes__")


@pytest.mark.parametrize("kind", [secftp.UsageError, secftp.ServerUnreachable, secftp.ConnectionLost, secftp.Forbidden])
def test_a_hint_is_kept_between_processes(kind):
    problem = pickle.loads(pickle.dumps(kind("A sentence.", hint="A hint.")))
    assert (problem.hint, problem.__notes__) == ("A hint.", ["Hint: A hint."])


def test_the_names_are_kept_between_processes():
    problem = secftp.AlreadyExists("A sentence.", filename="a")
    problem.filename2 = "b"
    again = pickle.loads(pickle.dumps(problem))
    assert (again.filename, again.filename2, again.errno) == ("a", "b", errno.EEXIST)


def test_a_hint_is_shown_once_where_several_failed():
    """The first failure is the cause of the other, so a traceback shows both."""
    first = secftp.NotFound("x: no such file.", hint="Look elsewhere.")
    several = secftp.CopyIncomplete((("x", first),), Summary(files=3, failed=1))
    assert several.hint == "Look elsewhere."
    for problem in (several, pickle.loads(pickle.dumps(several))):
        assert not getattr(problem, "__notes__", [])
        assert problem.hint == "Look elsewhere."
        assert problem.filename is None


def test_the_command_line_shows_a_hint_once(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "secftp.client", "get", "secftp://127.0.0.1:0/x", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(secftp.__file__).parent.parent,
    )
    assert done.stderr.lower().count("hint") <= 1
    assert "Traceback" not in done.stderr
