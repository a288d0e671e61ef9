"""Verbs by kinds: the effect of each verb on each kind of source and target, in one table, so that no two differ.

A cell is an exit code. Where verbs differ there is a reason, in a comment. The same tree stands at both ends:
file, dir with dir/f and dir/sub/g, other, the directory into, a FIFO, symlinks to-file and to-dir, and b with a file
and a dir of the same names.
"""

from __future__ import annotations

import os
import re
import shutil

import pytest

from secftp.errors import ExitCode
from secftp.server.access import Access
from tests.support.command_line import client_and_server

pytestmark = pytest.mark.exhaustive

FINE, FAILED, MISSING, REFUSED, EXISTS, LOCAL = (
    ExitCode.OK, ExitCode.FAILED, ExitCode.NOT_FOUND, ExitCode.REFUSED, ExitCode.EXISTS, ExitCode.LOCAL_FILE,
)  # fmt: skip


@pytest.fixture
def secftp(tmp_path, capfdbinary, monkeypatch):
    with client_and_server(tmp_path, capfdbinary) as client:
        monkeypatch.chdir(tmp_path)
        for top in (tmp_path / "root", tmp_path / "here"):
            for name in ("dir/f", "dir/sub/g", "file", "other", "b/file", "b/dir/h", "into/keep"):
                place = top / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(f"{name} of {top.name}")
            os.mkfifo(top / "fifo")
            for name, place in (("to-file", "file"), ("to-dir", "dir"), ("dangling", "nowhere")):
                (top / name).symlink_to(place)
        yield client


def tree(directory):
    """All there is with its contents, symlinks as what they lead to."""
    found = {}
    for path, directories, files in os.walk(directory):
        for name in directories + files:
            place = os.path.join(path, name)
            if os.path.islink(place):
                found[place] = os.readlink(place)
            elif os.path.isfile(place):
                with open(place, "rb") as file:
                    found[place] = file.read()
            else:
                found[place] = None
    return found


# --- sources at the server: every verb reads a name in the same way ---------------------------------------------------

READING = {
    "get": ["here/into"],
    "ls": [],
    "stat": [],
    "sum": [],
    "rm": [],
    "rm -r": [],
    "cp": ["//into"],
    "cp -r": ["//into"],
    "mv": ["//into"],
    "verify": None,  # takes the local name first
}
SOURCES = {
    "file": FINE,
    "dir": FINE,
    "dir/": FINE,
    "missing": MISSING,
    "missing/x": MISSING,
    "file/": MISSING,  # a slash at its end means a directory
    "file/x": MISSING,
    "to-file": MISSING,  # a symlink is not told from what does not exist
    "to-dir": MISSING,
    "to-dir/f": MISSING,
    "dangling": MISSING,
    "fifo": REFUSED,
}
# rm takes a directory away only with -r, and cp copies one only with that.
DIFFERENT = {(verb, source): REFUSED for verb in ("rm", "cp") for source in ("dir", "dir/")}
DIFFERENT |= {(verb, link): FINE for verb in ("rm", "rm -r") for link in ("to-file", "to-dir", "dangling")}  # itself


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("verb", READING)
def test_a_source_at_the_server(secftp, verb, source):
    if verb == "verify":
        if source.startswith("dir"):
            shutil.copytree("root/dir", "here/same")
        else:
            shutil.copy("root/file", "here/same")
        result = secftp("verify", "here/same", f"//{source}")
    else:
        result = secftp(*verb.split(), f"//{source}", *READING[verb])
    assert result.code == DIFFERENT.get((verb, source), SOURCES[source]), result.errors
    if result.code != FINE:
        assert "local" not in result.errors
        assert source.strip("/").partition("/")[0] in result.errors


@pytest.mark.parametrize("source", SOURCES)
def test_a_dry_run_of_get_ends_as_the_run_does(secftp, source):
    before = tree("here")
    dry = secftp("get", "--dry-run", f"//{source}", "here/into")
    assert tree("here") == before
    assert dry.code == secftp("get", f"//{source}", "here/into").code


# --- local sources ----------------------------------------------------------------------------------------------------

OWN_SOURCES = {
    "file": FINE,
    "dir": FINE,
    "dir/": FINE,
    "dir/.": FINE,
    "to-file": FINE,  # symlinks in the name that the user gives are followed, as cp does
    "to-dir": FINE,
    "missing": LOCAL,
    "file/": LOCAL,
    "file/x": LOCAL,
    "dangling": LOCAL,
    "fifo": LOCAL,
}


@pytest.mark.parametrize("source", OWN_SOURCES)
def test_a_source_here(secftp, source):
    before = tree("root")
    dry = secftp("put", "--dry-run", f"here/{source}", "//into")
    assert tree("root") == before
    result = secftp("put", f"here/{source}", "//into")
    assert (dry.code, result.code) == (OWN_SOURCES[source],) * 2, (dry.errors, result.errors)
    if result.code != FINE:
        assert "server" not in result.errors


# --- targets: the same for a file and for a directory, for get, put and mv --------------------------------------------

# By target: what a file and what a directory may do there. At the server failures have its codes, here they are local.
TARGETS = {
    "new": (FINE, FINE),
    "new/": (FINE, FINE),
    "into": (FINE, FINE),
    "into/": (FINE, FINE),
    "into/new": (FINE, FINE),
    "no/new": (MISSING, MISSING),  # only a slash at the end makes directories
    "no/new/": (FINE, FINE),
    "file": (FINE, MISSING),
    "file/": (MISSING, MISSING),
    "file/x": (MISSING, MISSING),
}
AT_SERVER = {
    "to-file": (REFUSED, EXISTS),  # taken by what is never replaced
    "to-dir": (REFUSED, EXISTS),
    "to-dir/x": (MISSING, MISSING),
    "fifo": (REFUSED, EXISTS),
}
MOVED = {
    "new/": (MISSING, FINE),  # mv gives a new name, and a file none with a slash at its end; see the sources
    "no/new/": (MISSING, MISSING),  # mv makes no directories
    "file": (FINE, EXISTS),  # a directory never replaces anything
    "to-file": (REFUSED, REFUSED),
    "to-dir": (REFUSED, REFUSED),
    "fifo": (REFUSED, REFUSED),
}


@pytest.mark.parametrize("kind", ["file", "dir"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_target_here(secftp, kind, target):
    code = TARGETS[target][kind == "dir"]
    before = tree("here")
    dry = secftp("get", "--dry-run", f"//{kind}", f"here/{target}")
    assert tree("here") == before
    result = secftp("get", f"//{kind}", f"here/{target}")
    assert (dry.code, result.code) == (LOCAL if code == MISSING else code,) * 2, (dry.errors, result.errors)
    if result.code != FINE:
        assert "server" not in result.errors
        assert tree("here") == before


@pytest.mark.parametrize("kind", ["file", "dir"])
@pytest.mark.parametrize("target", TARGETS | AT_SERVER)
def test_a_target_at_the_server(secftp, kind, target):
    code = (TARGETS | AT_SERVER)[target][kind == "dir"]
    before = tree("root")
    dry = secftp("put", "--dry-run", f"here/{kind}", f"//{target}")
    assert tree("root") == before
    result = secftp("put", f"here/{kind}", f"//{target}")
    assert result.code == code, result.errors
    if target == "fifo":
        assert dry.code == REFUSED
    elif not target.startswith("to-"):  # a symlink at the server can't be seen
        assert dry.code == code, dry.errors
    if code != FINE:
        assert tree("root") == before
        assert "could not be set" not in result.errors, "what could not be made is told once"


@pytest.mark.parametrize("kind", ["file", "dir"])
@pytest.mark.parametrize("target", TARGETS | AT_SERVER)
def test_a_target_of_cp(secftp, kind, target):
    """As one of put; but a FIFO is told from a missing name before anything is tried."""
    code = (TARGETS | AT_SERVER | {"fifo": (REFUSED, REFUSED)})[target][kind == "dir"]
    before = tree("root")
    source = "other" if kind == "file" else "b"
    result = secftp("cp", "-r", f"//{source}", f"//{target}")
    assert result.code == code, result.errors
    if code != FINE:
        assert tree("root") == before


@pytest.mark.parametrize("kind", ["file", "dir"])
@pytest.mark.parametrize("target", TARGETS | AT_SERVER)
def test_a_target_of_mv(secftp, kind, target):
    code = (TARGETS | AT_SERVER | MOVED)[target][kind == "dir"]
    before = tree("root")
    source = "other" if kind == "file" else "b/" if target == "new/" else "b"
    result = secftp("mv", f"//{source}", f"//{target}")
    assert result.code == code, result.errors
    if code != FINE:
        assert tree("root") == before


# --- two sources of one name: the second never replaces or joins the first --------------------------------------------


@pytest.mark.parametrize("kind", ["file", "dir"])
@pytest.mark.parametrize("verb", ["get", "put", "cp -r", "mv"])
def test_two_sources_of_one_name(secftp, verb, kind):
    start = "here/" if verb == "put" else "//"
    target = "here/into" if verb == "get" else "//into"
    result = secftp(*verb.split(), f"{start}{kind}", f"{start}b/{kind}", target)
    assert result.code == FAILED
    assert "another source with the same name" in result.errors
    found = tree("here/into" if verb == "get" else "root/into")
    assert not [path for path, data in found.items() if data is not None and data.startswith(b"b/")], (
        "the first one stands"
    )


# --- existing targets -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.parametrize("way", ["get", "put"])
def test_without_overwriting_what_is_there_is_skipped(secftp, way, dry):
    options = ["--no-clobber", *(["--dry-run"] if dry else [])]
    for kind in ("file", "dir"):
        start, target = ("//", "here") if way == "get" else ("here/", "//")
        result = secftp(way, *options, f"{start}{kind}", target)
        assert (result.code, "skipped: it already exists" in result.errors) == (FINE, True)


@pytest.mark.parametrize("kind", ["file", "dir"])
def test_cp_without_overwriting_skips_what_is_there(secftp, kind):
    shutil.copytree("root/dir", "root/into/dir")
    shutil.copy("root/other", "root/into/file")
    before = tree("root")
    result = secftp("cp", "-r", "--no-clobber", f"//{kind}", "//into")
    assert (result.code, "skipped: it already exists" in result.errors) == (FINE, True)
    assert tree("root") == before


@pytest.mark.parametrize("options", [[], ["--update"]], ids=["", "--update"])
@pytest.mark.parametrize("way", ["get", "put"])
def test_a_dry_run_skips_what_the_run_skips(secftp, way, options):
    """A file that is the same at both ends is left alone with --update alone."""
    start, target = ("//", "here/") if way == "get" else ("here/", "//")
    for kind in ("file", "dir"):
        assert secftp(way, f"{start}{kind}", target).code == FINE
        dry = secftp(way, "--dry-run", *options, f"{start}{kind}", target)
        run = secftp(way, *options, f"{start}{kind}", target)
        assert ("skipped" in dry.errors, "skipped" in run.errors) == (bool(options),) * 2, (dry.errors, run.errors)


def test_mv_without_overwriting_fails_since_the_source_stays(secftp):
    result = secftp("mv", "--no-clobber", "//file", "//other")
    assert (result.code, "it already exists" in result.errors) == (EXISTS, True)


@pytest.mark.parametrize("dry", [True, False])
@pytest.mark.parametrize("options", [[], ["--no-clobber"], ["--update"], ["--resume"]], ids=" ".join)
@pytest.mark.parametrize("way", ["get", "put"])
def test_a_kind_in_the_way_of_another_fails_in_every_way(secftp, way, options, dry):
    """A directory has a file's name, and a file a directory's; the rest is copied."""
    mine, theirs = ("root", "here") if way == "get" else ("here", "root")
    os.makedirs(f"{theirs}/into/dir/f")
    with open(f"{theirs}/into/dir/sub", "w") as file:
        file.write("x")
    with open(f"{mine}/dir/rest", "w") as file:
        file.write("x")
    start, target = ("//", "here/into") if way == "get" else ("here/", "//into")
    if dry:
        options = [*options, "--dry-run"]
    result = secftp(way, *options, f"{start}dir", target)
    assert result.code == FAILED, result.errors
    assert ("dir/f" in result.errors, re.search(r"dir/sub(?!/)", result.errors) is not None) == (True, True), (
        result.errors
    )
    assert "sub/g" not in result.errors
    assert os.path.exists(f"{theirs}/into/dir/rest") is not dry


@pytest.mark.parametrize("options", [[], ["--update"], ["--no-clobber"], ["--dry-run"]], ids=" ".join)
def test_a_symlink_in_the_target_tree_is_named_and_not_followed(secftp, options):
    os.makedirs("here/into/dir")
    os.symlink("../../other", "here/into/dir/f")
    os.symlink("../../b", "here/into/dir/sub")
    before = tree("here")
    result = secftp("get", *options, "//dir", "here/into")
    assert result.code in (FAILED, LOCAL, EXISTS), result.errors
    assert result.errors.count("A symlink has this name") == 2
    assert tree("here") == before


# --- a dry run and rights ---------------------------------------------------------------------------------------------

RIGHTS = {
    "read": (["get", "//file", "here/new"], REFUSED, "this session is not allowed to read"),
    "write": (["put", "here/file", "//new"], REFUSED, "this session is not allowed to write"),
    "overwrite": (["put", "here/file", "//file"], EXISTS, "this key may not overwrite"),
}


@pytest.mark.parametrize("right", RIGHTS)
def test_a_dry_run_knows_the_rights_of_its_session(tmp_path, capfdbinary, monkeypatch, right):
    (verb, *operands), code, words = RIGHTS[right]
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Access, "_bounded", lambda _, rights: rights._replace(**{right: False}))
    with client_and_server(tmp_path, capfdbinary) as client:
        (tmp_path / "root" / "file").write_text("theirs")
        dry = client(verb, "--dry-run", *operands)
        assert (dry.code, words in dry.errors) == (code, True), dry.errors
        assert client(verb, *operands).code == code
    assert (tmp_path / "root" / "file").read_text() == "theirs"
