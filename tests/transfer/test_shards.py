"""Shards: each file is in exactly one, whatever its name, in both directions and with every choice of sources."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from secftp.client.copy_options import parse_shard
from secftp.errors import UsageError
from secftp.transfer import Download, Upload
from secftp.transfer.listed import ListedDownload, ListedUpload
from secftp.transfer.options import MAX_SHARDS, CopyOptions, RemoteLocation, Shard, check_shard
from secftp.transfer.shards import membership, shard_of
from tests.support.copying import ODD_NAMES, Recorder, contents, look, make

FILES = {
    **{name: name for name in ODD_NAMES},
    **{b"sub/%b" % name: name for name in ODD_NAMES},
    **{b"deep/%d/%d" % (number % 3, number): b"%d" % number for number in range(40)},
    b".hidden": b"h",
    b".config/x": b"x",
    b"empty/": b"",
    b"also/empty/": b"",
}
THERE = {name: data for name, data in FILES.items() if not name.endswith(b"/")}
names = st.binary(min_size=1, max_size=40).filter(lambda name: b"/" not in name and b"\0" not in name)


def test_the_shard_follows_from_the_path_as_documented():
    for path in ((b"a",), (b"a", b"b"), (b"no \xff utf-8", "größe".encode())):
        value = int.from_bytes(xxhash.xxh3_64(b"/".join(path), seed=0).digest(), "big")
        assert [shard_of(path, shards) for shards in (1, 2, 7, 1000)] == [
            value % shards + 1 for shards in (1, 2, 7, 1000)
        ]


def test_known_answers():
    """No later version may put a file elsewhere: a job that is repeated would leave files out."""
    assert [shard_of((b"a",), 1000), shard_of((b"a", b"b"), 1000), shard_of((b"\xff",), 1000)] == KNOWN


KNOWN = [720, 149, 703]


@given(st.lists(names, min_size=1, max_size=5), st.integers(1, 50))
def test_each_path_is_in_exactly_one_shard(path, shards):
    assert sum(membership(Shard(number, shards))(tuple(path)) for number in range(1, shards + 1)) == 1


@pytest.mark.parametrize("text", ["1/1", "1/2", "2/2", "007/010", f"{MAX_SHARDS}/{MAX_SHARDS}"])
def test_shards(text):
    number, _, of = text.partition("/")
    assert parse_shard(text) == Shard(int(number), int(of))


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "1", "1/", "/1", "0/1", "2/1", "-1/2", "1/-2", "1/2/3", "1:2", "a/b", " 1/2", "1/2 ", "+1/2"),
        *("1.0/2", "\u0661/2", "1/0", "0/0", f"1/{MAX_SHARDS + 1}", "9" * 5000 + "/1", "1/" + "9" * 5000),
    ],
)
def test_what_is_no_shard(text):
    with pytest.raises(UsageError) as caught:
        parse_shard(text)
    assert caught.value.hint
    assert text == "" or text in "/1" or text not in str(caught.value)
    assert check_shard(1, 1) == Shard(1, 1)


@pytest.fixture(params=["put", "get"])
def way(request, client, root, tmp_path):
    """A direction: what copies from `source` to `target`, with the names that are copied as its result."""
    here = tmp_path / "here"
    here.mkdir()
    source, target = (here, root) if request.param == "put" else (root, here)

    def copy(sources, **options):
        options, told = CopyOptions(**options), Recorder()
        if request.param == "put":
            run = Upload([os.fspath(source / name) for name in sources], RemoteLocation((), True), options, told)
        else:
            places = [RemoteLocation((os.fsencode(name),)) for name in sources]
            run = Download(places, f"{target}/", options, told)
        assert run.run(client).failed == 0
        return told

    def listed(top, listed, into, **options):
        options, told = CopyOptions(**options), Recorder()
        if request.param == "put":
            run = ListedUpload(os.fspath(source / top), listed, (os.fsencode(into),), options, told)
        else:
            run = ListedDownload((os.fsencode(top),), listed, os.fspath(target / into), options, told)
        assert run.run(client).failed == 0
        return told

    return SimpleNamespace(source=source, target=target, copy=copy, listed=listed, name=request.param)


def finished(told):
    return [os.path.relpath(name, b"src") for name in told.finished_names]


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_all_shards_together_are_the_tree_and_have_nothing_twice(way, shards):
    top = make(way.source / "src", FILES)
    copied, directories = [], None
    for number in range(1, shards + 1):
        names = finished(way.copy(["src"], shard=Shard(number, shards)))
        assert {shard_of(tuple(name.split(b"/")), shards) for name in names} <= {number}
        copied += names
        now = {name for name, (*_, data) in look(way.target / "src").items() if data is None}
        assert directories in (None, now), "every shard has all directories"
        directories = now
    assert sorted(copied) == sorted(THERE)
    assert look(way.target / "src") == look(top), "with permissions and times, of directories, too"


def test_both_directions_agree(client, root, tmp_path):
    make(tmp_path / "here" / "src", FILES)
    make(root / "other", FILES)
    sent, fetched = Recorder(), Recorder()
    options = CopyOptions(shard=Shard(2, 3))
    Upload([os.fspath(tmp_path / "here" / "src")], RemoteLocation((), True), options, sent).run(client)
    Download([RemoteLocation((b"other",))], f"{tmp_path}/back/", options, fetched).run(client)
    assert sorted(finished(sent)) == sorted(os.path.relpath(name, b"other") for name in fetched.finished_names)


def test_several_sources_and_single_files(way):
    for name in ("one", "two"):
        make(way.source / name, {b"a": b"1", b"b": b"2"})
    make(way.source, {b"f%d" % number: b"%d" % number for number in range(9)})
    sources = ["one", "two", *(f"f{number}" for number in range(9))]
    copied = [name for number in (1, 2, 3) for name in way.copy(sources, shard=Shard(number, 3)).finished_names]
    assert sorted(copied) == sorted([b"one/a", b"one/b", b"two/a", b"two/b", *(b"f%d" % n for n in range(9))])
    for number in (1, 2, 3):
        alone = way.copy(["f0"], shard=Shard(number, 3)).finished_names
        assert alone == ([b"f0"] if shard_of((b"f0",), 3) == number else [])


def test_lists_of_names(way):
    make(way.source / "src", FILES)
    wanted = [tuple(name.strip(b"/").split(b"/")) for name in FILES]
    copied = [
        name for number in (1, 2, 3) for name in way.listed("src", wanted, "to", shard=Shard(number, 3)).finished_names
    ]
    assert len(copied) == len(set(copied)) == len(THERE)
    assert contents(way.target / "to") == THERE


def test_patterns_and_links(way):
    """A pattern that matches a file of another shard has matched; what is left out is told once."""
    top = make(way.source / "src", FILES)
    os.symlink("nothing", os.path.join(top, "link"))
    chosen = [way.copy(["src"], include=(b"deep/1/*", b"link"), shard=Shard(number, 4)) for number in (1, 2, 3, 4)]
    copied = [name for told in chosen for name in finished(told)]
    assert sorted(copied) == sorted(name for name in THERE if name.startswith(b"deep/1/"))
    assert [name for told in chosen for name in told.names("note")] == [b"src/link"]
    assert not any(told.of("ended") == [] for told in chosen)


def test_a_pattern_that_only_other_shards_match_is_not_complained_of(client, tmp_path):
    top = make(tmp_path / "src", {b"a.c": b"1", b"b.h": b"2"})
    other = 3 - shard_of((b"a.c",), 2)
    options = CopyOptions(include=(b"*.c", b"*.pdf"), shard=Shard(other, 2))
    summary = Upload([top], RemoteLocation((), True), options).run(client)
    assert (summary.files, summary.unmatched) == (0, ("*.pdf",))


def test_update_resumes_a_shard(way):
    make(way.source / "src", FILES)
    first = way.copy(["src"], shard=Shard(1, 2)).finished_names
    (way.target / os.fsdecode(first[0])).unlink()
    again = way.copy(["src"], shard=Shard(1, 2), update=True)
    assert again.finished_names == first[:1]
    assert len(again.of("skipped")) == len(first) - 1


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_target_that_the_next_shard_would_enter_is_refused(client, root, tmp_path, dry_run):
    top = make(tmp_path / "src", {b"a": b"1"})
    make(root / "tree", {b"a": b"1"})
    options = CopyOptions(shard=Shard(1, 2), dry_run=dry_run)
    with pytest.raises(UsageError, match="target that exists") as caught:
        Upload([top], RemoteLocation((b"new",)), options).run(client)
    assert "-T" in caught.value.hint
    with pytest.raises(UsageError, match="target that exists"):
        Download([RemoteLocation((b"tree",))], f"{tmp_path}/new", options).run(client)
    assert not (root / "new").exists()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("exact", [True, False])
def test_an_exact_target_or_a_slash_is_the_same_for_every_shard(client, root, tmp_path, exact):
    top = make(tmp_path / "src", FILES)
    for number in (1, 2, 1):
        options = CopyOptions(shard=Shard(number, 2), update=True)
        copy = Upload([top], RemoteLocation((b"new",), not exact), options)
        copy.is_exact = exact
        copy.run(client)
        back = Download([RemoteLocation((b"new",))], f"{tmp_path}/back{'' if exact else '/'}", options)
        back.is_exact = exact
        back.run(client)
    assert contents(root / "new" if exact else root / "new" / "src") == THERE
    assert contents(tmp_path / "back" if exact else tmp_path / "back" / "new" / "src") == THERE


def test_two_shards_that_create_the_target_at_the_same_time(client, root, tmp_path, monkeypatch):
    from secftp.transfer import download as module

    make(root / "tree", FILES)
    create = module.create_target

    def create_second(name, mode):
        os.mkdir(name)
        create(name, mode)

    monkeypatch.setattr(module, "create_target", create_second)
    Download([RemoteLocation((b"tree",))], f"{tmp_path}/back/", CopyOptions(shard=Shard(1, 1))).run(client)
    assert contents(tmp_path / "back" / "tree") == THERE
