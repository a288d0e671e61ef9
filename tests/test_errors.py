"""Attribution of file errors to a side and a file: set where they are raised, never derived from their text."""

from __future__ import annotations

import ast
import errno
import pickle
from pathlib import Path

import pytest

from secftp import errors
from secftp.errors import ExitCode, FileError, Reason, Side
from secftp.protocol import ErrorCode, exception_for
from secftp.storage import LocalStore, create_local_sink, open_local_source, stat_local
from secftp.storage.errors import translate

PACKAGE = Path(errors.__file__).resolve().parent
KINDS = {kind.__name__ for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FileError)}
# Where a failure may be of either side, or of none.
WITHOUT_A_SIDE = {
    ("transfer/engine.py", "AlreadyExists"),  # two sources of one name
    ("client/commands/host.py", "NotFound"),  # an entry of the file of hosts
    ("api/memory.py", "Cancelled"),  # bytes in memory that a program gave up
}


def without_a_side(name, source):
    """The places that make an exception about a file and don't say its side."""
    for node in ast.walk(ast.parse(source)):
        made = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
        if made in KINDS and not any(keyword.arg == "side" for keyword in node.keywords):
            yield name, made


@pytest.mark.parametrize("package", ["transport", "session", "transfer", "client", "api"])
def test_every_failure_of_a_file_says_its_side_where_it_is_made(package):
    found = set()
    for path in sorted((PACKAGE / package).rglob("*.py")):
        found |= set(without_a_side(str(path.relative_to(PACKAGE)), path.read_text()))
    allowed = {(name, kind) for name, kind in WITHOUT_A_SIDE if name.startswith(f"{package}/")}
    assert found == allowed


def test_the_rule_finds_what_breaks_it():
    assert list(without_a_side("x", "raise NotFound('a')")) == [("x", "NotFound")]
    assert not list(without_a_side("x", "raise NotFound('a', side=Side.LOCAL)"))


@pytest.mark.parametrize("package", ["", "client", "transfer", "session", "api"])
def test_nothing_is_decided_by_what_a_message_begins_with(package):
    for path in sorted((PACKAGE / package).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in {"startswith", "endswith", "find", "index", "split"}:
                of = ast.unparse(node.value)
                assert not of.endswith((".message", "str(error)", "str(problem)")), f"{path}:{node.lineno}"


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("code", ErrorCode)
def test_the_exit_code_follows_from_class_and_side(code, side):
    kind = type(exception_for(code))
    problem = kind("It failed.", filename="x", side=side)
    kept = {errors.AlreadyExists, errors.NoSpace, errors.TooLarge, errors.FileChanged, errors.ChecksumMismatch}
    own = kind.exit_code if side is Side.REMOTE or kind in kept else ExitCode.LOCAL_FILE
    assert problem.exit_code is own
    assert kind("It failed.").locate(side, "x").exit_code is own
    assert kind("It failed.").exit_code is kind.exit_code


def test_what_is_known_is_not_changed_by_those_who_know_less():
    problem = errors.NotFound("It failed.", filename="x", side=Side.REMOTE)
    assert problem.locate(Side.LOCAL, "y") is problem
    assert (problem.filename, problem.side, problem.exit_code) == ("x", Side.REMOTE, ExitCode.NOT_FOUND)


@pytest.mark.parametrize("code", ErrorCode)
def test_what_a_server_says_is_of_the_other_side(code):
    problem = exception_for(code, (b"a", b"\xff\x1b"))
    assert (problem.filename, problem.side) == ("a/\udcff\x1b", Side.REMOTE)
    assert str(problem).startswith(r"a/\xff\x1b: ")
    assert exception_for(code, ()).filename == "/"
    assert exception_for(code).filename is None


@pytest.mark.parametrize(
    "act",
    [
        lambda place: open_local_source(f"{place}/none"),
        lambda place: stat_local(f"{place}/none"),
        lambda place: create_local_sink(f"{place}/none/x"),
        lambda place: LocalStore(f"{place}/none"),
    ],
)
def test_what_storage_says_is_of_this_side(act, tmp_path):
    with pytest.raises(errors.NotFound) as raised:
        act(tmp_path)
    assert raised.value.side is Side.LOCAL
    assert raised.value.filename is not None
    assert raised.value.filename.startswith(f"{tmp_path}/none")
    assert raised.value.exit_code is ExitCode.LOCAL_FILE
    assert (raised.value.errno, raised.value.strerror) == (errno.ENOENT, "No such file or directory")


def test_a_message_shows_the_name_and_filename_is_the_name(tmp_path):
    with pytest.raises(errors.NotFound) as raised:
        open_local_source(f"{tmp_path}/\\\udcff\x1b")
    assert raised.value.filename == f"{tmp_path}/\\\udcff\x1b"
    assert str(raised.value) == rf"No such file: {tmp_path}/\\\xff\x1b"


def test_all_of_it_passes_between_processes():
    problem = errors.Forbidden("x", hint="y", filename="z", side=Side.LOCAL, reason=Reason.BUSY)
    again = pickle.loads(pickle.dumps(problem))
    assert type(again) is errors.Forbidden
    for name in ("message", "hint", "filename", "side", "reason", "errno", "strerror", "exit_code"):
        assert getattr(again, name) == getattr(problem, name), name
    assert again.errno == errno.EBUSY


@pytest.mark.parametrize(
    "number",
    [
        errno.EXDEV, errno.EROFS, errno.ETXTBSY, errno.EBUSY, errno.EDQUOT, errno.ENAMETOOLONG, errno.EILSEQ,
        errno.EFBIG, errno.ENOTEMPTY, errno.EISDIR, errno.EIO, errno.EMFILE, errno.ESTALE,
    ],
)  # fmt: skip
def test_the_number_of_the_system_stays(number):
    assert translate(OSError(number, ""), "x").errno == number
