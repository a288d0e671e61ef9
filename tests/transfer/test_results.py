"""Results of copies, file by file: one line for each, true whenever the copy ends."""

from __future__ import annotations

import base64
import json
import os
import stat

import pytest

from secftp.errors import NoSpace
from secftp.transfer import Download, Upload
from secftp.transfer.options import CopyOptions, RemoteLocation
from secftp.transfer.results import FIELDS
from tests.support.copying import ODD_NAMES, Recorder, contents, make, run_broken
from tests.support.serving import digest_of

BIG = os.urandom(3 << 20)
FILES = {**{name: name for name in ODD_NAMES}, b"sub/a": b"1", b"sub/big": BIG, b"e/": b"", b"none": b""}
THERE = {name: data for name, data in FILES.items() if not name.endswith(b"/")}
ALWAYS = {"path", "result", "size", "digest", "algorithm", "seconds"}


def lines(path):
    """The lines of a file of results by their paths, each of which is there once."""
    found = {}
    for text in path.read_bytes().splitlines(keepends=True):
        assert text.endswith(b"\n")
        assert text.isascii()
        fields = json.loads(text)
        assert set(fields) >= ALWAYS
        assert set(fields) <= set(FIELDS)
        encoded = fields.get("path_base64")
        name = fields["path"].encode() if encoded is None else base64.b64decode(encoded)
        assert name not in found
        found[name] = fields
    return found


@pytest.fixture(params=["put", "get"])
def copy(request, client, root, tmp_path):
    """A function that copies `src` with results: what was told and the lines."""
    here, results = tmp_path / "here", tmp_path / "results"
    here.mkdir()
    source, target = (here, root) if request.param == "put" else (root, here)
    make(source / "src", FILES)

    def run(**options):
        results.unlink(missing_ok=True)
        options, told = CopyOptions(**{"results": os.fspath(results), **options}), Recorder()
        if request.param == "put":
            made = Upload([os.fspath(source / "src")], RemoteLocation((), True), options, told)
        else:
            made = Download([RemoteLocation((b"src",))], f"{target}/", options, told)
        made.run(client)
        return told, lines(results)

    run.source, run.target, run.results, run.way = source / "src", target / "src", results, request.param
    return run


@pytest.mark.parametrize("algorithm", ["xxh128", "sha256"])
def test_each_file_has_a_line(copy, algorithm):
    _, found = copy(checksum=algorithm)
    assert set(found) == set(THERE)
    for name, fields in found.items():
        assert fields["result"] == "copied"
        assert fields["size"] == len(THERE[name])
        assert (fields["digest"], fields["algorithm"]) == (digest_of(THERE[name], algorithm).hex(), algorithm)
        assert 0 < fields["seconds"] < 60
    assert stat.S_IMODE(copy.results.stat().st_mode) == 0o600


def test_what_is_left_as_it_is(copy):
    copy()
    _, found = copy(update=True)
    assert {fields["result"] for fields in found.values()} == {"unchanged"}
    assert {fields["size"] for fields in found.values()} == set(map(len, THERE.values()))
    assert {fields["reason"] for fields in found.values()} == {"it has the same size and time"}
    os.chmod(copy.source / "sub" / "a", 0o600)
    _, found = copy(update=True)
    assert found[b"sub/a"]["reason"] == "it has the same size and time; its permissions were set"
    assert {fields["result"] for fields in found.values()} == {"unchanged"}
    os.utime(copy.target / "sub" / "a")
    _, found = copy(update=True)
    assert (found[b"sub/a"]["result"], found[b"sub/a"]["reason"]) == ("skipped", "the target is newer")
    _, found = copy(overwrite=False)
    assert {fields["result"] for fields in found.values()} == {"skipped"}
    assert set(found) == set(THERE)


def test_a_dry_run_says_what_would_be_copied(copy):
    _, found = copy(dry_run=True)
    assert {(fields["result"], fields["digest"]) for fields in found.values()} == {("would_copy", None)}
    assert set(found) == set(THERE)
    assert not copy.target.exists()


def test_failures_and_what_is_left_out(copy):
    make(copy.target, {b"sub/a/file": b"in the way"})
    os.symlink("nothing", copy.source / "link")
    told, found = copy()
    assert found.pop(b"link")["result"] == "left_out"
    failed = found.pop(b"sub/a")
    assert (failed["result"], failed["size"], failed["digest"]) == ("failed", 1, None)
    (name, error), = told.of("failed")  # fmt: skip
    assert name == b"src/sub/a"
    assert (failed["error"], failed["exit_code"]) == (type(error).__name__, int(error.exit_code))
    assert failed["message"] == str(error)
    assert {fields["result"] for fields in found.values()} == {"copied"}
    assert set(found) == set(THERE) - {b"sub/a"}


def test_a_directory_that_fails_has_a_line_and_its_files_none(copy):
    make(copy.target, {b"sub": b"in the way"})
    _, found = copy()
    assert found.pop(b"sub")["result"] == "failed"
    assert set(found) == {name for name in THERE if not name.startswith(b"sub/")}


def test_single_files_have_their_names(client, root, tmp_path):
    make(tmp_path, {b"f": b"1"})
    make(root, {b"g": b"2"})
    options = CopyOptions(results=str(tmp_path / "results"))
    Upload([str(tmp_path / "f")], RemoteLocation((b"other",)), options).run(client)
    Download([RemoteLocation((b"g",))], str(tmp_path / "here"), options).run(client)
    Upload([str(tmp_path / "missing")], RemoteLocation((), True), options).run(client)
    found = lines(tmp_path / "results")
    assert [(name, fields["result"]) for name, fields in found.items()] == [
        (b"f", "copied"), (b"g", "copied"), (b"missing", "failed")
    ]  # fmt: skip
    assert found[b"f"]["seconds"] > 0


def test_over_several_sessions_each_file_has_one_line(server, tmp_path):
    top = make(tmp_path / "src", THERE)
    options = CopyOptions(results=str(tmp_path / "results"))
    copy = Upload([top], RemoteLocation((), True), options, Recorder())
    assert run_broken(server, copy, 1 << 20) is not None
    before = set(lines(tmp_path / "results"))
    with server.session() as session:
        copy.run(session)
    found = lines(tmp_path / "results")
    assert before < set(found) == set(THERE)
    assert {fields["result"] for fields in found.values()} == {"copied"}


# --- the file itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("others", [True, False])
def test_the_file_is_not_sent(client, root, tmp_path, others):
    top = make(tmp_path / "src", {b"sub/a": b"1"} if others else {b"sub/": b""})
    (tmp_path / "src" / "sub" / "results").write_bytes(b"")
    (tmp_path / "src" / "results").write_bytes(b"of the same name")
    options, told = CopyOptions(results=os.path.join(top, "sub", "results")), Recorder()
    summary = Upload([top], RemoteLocation((), True), options, told).run(client)
    assert (summary.files, summary.left_out) == (1 + others, 1)
    assert told.of("note") == [(b"src/sub/results", "the results file, left out")]
    assert told.plans[-1][0] == summary.files
    assert sorted(contents(root)) == sorted([b"src/results", *([b"src/sub/a"] if others else [])])


def test_nor_as_the_only_source(client, root, tmp_path):
    options = CopyOptions(results=str(tmp_path / "results"))
    (tmp_path / "results").write_bytes(b"")
    summary = Upload([str(tmp_path / "results")], RemoteLocation((), True), options).run(client)
    assert (summary.files, summary.left_out, contents(root)) == (0, 1, {})


def test_nothing_that_is_fetched_replaces_it(client, root, tmp_path):
    make(root / "src", {b"sub/results": b"other", b"a": b"1"})
    (tmp_path / "here" / "src" / "sub").mkdir(parents=True)
    results = tmp_path / "here" / "src" / "sub" / "results"
    told = Recorder()
    Download([RemoteLocation((b"src",))], f"{tmp_path}/here/", CopyOptions(results=str(results)), told).run(client)
    found = lines(results)
    assert {name: fields["result"] for name, fields in found.items()} == {b"sub/results": "failed", b"a": "copied"}
    assert found[b"sub/results"]["error"] == "AlreadyExists"
    assert told.names("failed") == [b"src/sub/results"]


def test_a_single_file_does_not_either(client, root, tmp_path):
    make(root, {b"g": b"2"})
    told = Recorder()
    results = tmp_path / "results"
    Download([RemoteLocation((b"g",))], str(results), CopyOptions(results=str(results)), told).run(client)
    assert told.names("failed") == [b"g"]
    assert lines(results)[b"g"]["result"] == "failed"


def test_a_full_disk_ends_the_copy(copy):
    """Else a job would go on for hours whose results are lost; what was copied before is complete."""
    os.symlink("/dev/full", copy.results.with_name("full"))
    with pytest.raises(NoSpace, match=r"The results file .* can't be written: no space left on device"):
        copy(results=str(copy.results.with_name("full")))
