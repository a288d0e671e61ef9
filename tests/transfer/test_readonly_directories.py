"""Trees with read-only directories: copied again, resumed and removed, in both directions."""

from __future__ import annotations

import os
import stat

import pytest

import secftp
from secftp.errors import ConnectionLost, Forbidden
from secftp.protocol import Error, ErrorCode, Kind, MakeDirectory, Ok, Remove, Welcome
from secftp.server.requests import session_files
from secftp.server.requests.session_files import WritableDirectories
from secftp.storage import LocalStore, WriteOptions
from secftp.transfer import CopyOptions, Download, RemoteLocation, Upload
from tests.support.command_line import client_and_server
from tests.support.copying import Recorder, contents, download, make, upload
from tests.support.plain import bound_by_permissions
from tests.support.serving import KEY, serving, session, until

ROOT = RemoteLocation(())
PLAIN = {b"ro/a": b"1", b"ro/b": b"2", b"ro/deeper/c": b"3", b"z": b"4"}


@pytest.fixture(autouse=True)
def _bound():
    with bound_by_permissions():
        yield


@pytest.fixture
def server(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    with serving(root) as running:
        yield running
    set_modes(root, 0o755)


def set_modes(top, mode):
    """Of every directory in a tree but the top; from the top on if they are to be opened."""
    directories = [os.path.join(directory, name) for directory, names, _ in os.walk(top) for name in names]
    if mode == 0o755:
        opened = [os.fspath(top)]
        while opened:
            directory = opened.pop()
            os.chmod(directory, mode)
            opened += [entry.path for entry in os.scandir(directory) if entry.is_dir(follow_symlinks=False)]
        return
    for directory in reversed(directories):
        os.chmod(directory, mode)


def mode_of(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def read_only_tree(tmp_path, name="src", files=PLAIN):
    top = make(tmp_path / name, files)
    set_modes(top, 0o555)
    return os.fsdecode(top)


def change(top, data):
    """Another content of every file."""
    set_modes(top, 0o755)
    for directory, _, names in os.walk(top):
        for name in names:
            with open(os.path.join(directory, name), "wb") as file:
                file.write(data + os.fsencode(name))
    set_modes(top, 0o555)


OPTIONS = {
    "as it is": CopyOptions(),
    "without permissions": CopyOptions(preserve=False),
    "only what changed": CopyOptions(update=True),
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_tree_is_put_again(tmp_path, server, options):
    top = read_only_tree(tmp_path)
    with server.session() as client:
        upload(client, [top], ROOT)
    assert mode_of(f"{server.root}/src/ro") == 0o555
    change(top, b"new")
    with server.session() as client:
        summary = upload(client, [top], ROOT, options)
    server.done(2)
    assert (summary.files, summary.failed) == (4, 0)
    assert contents(f"{server.root}/src") == contents(top)
    assert mode_of(f"{server.root}/src/ro") == mode_of(f"{server.root}/src/ro/deeper") == 0o555


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_tree_is_fetched_again(tmp_path, server, options):
    top = read_only_tree(tmp_path, "root/src")
    here = tmp_path / "here"
    with server.session() as client:
        download(client, [RemoteLocation((b"src",))], f"{here}/")
        assert mode_of(here / "src" / "ro") == 0o555
        change(top, b"new")
        summary = download(client, [RemoteLocation((b"src",))], f"{here}/", options)
    assert (summary.files, summary.failed) == (4, 0)
    assert contents(here / "src") == contents(top)
    assert mode_of(here / "src" / "ro") == mode_of(here / "src" / "ro" / "deeper") == 0o555
    set_modes(here, 0o755)


def test_new_files_only_leave_a_directory_as_it_was(tmp_path, server):
    top = read_only_tree(tmp_path)
    make(f"{server.root}/src", {b"ro/a": b"theirs"})
    os.chmod(f"{server.root}/src/ro", 0o511)
    with server.session() as client:
        summary = upload(client, [top], ROOT, CopyOptions(overwrite=False))
    server.done(1)
    assert (summary.files, summary.skipped, summary.failed) == (3, 1, 0)
    assert contents(f"{server.root}/src") == {**PLAIN, b"ro/a": b"theirs"}
    assert mode_of(f"{server.root}/src/ro") == 0o511


def test_new_files_only_leave_a_local_directory_as_it_was(tmp_path, server):
    read_only_tree(tmp_path, "root/src")
    here = tmp_path / "here"
    make(here / "src", {b"ro/a": b"ours"})
    os.chmod(here / "src" / "ro", 0o511)
    with server.session() as client:
        summary = download(client, [RemoteLocation((b"src",))], str(here), CopyOptions(overwrite=False))
    assert (summary.files, summary.skipped, summary.failed) == (3, 1, 0)
    assert mode_of(here / "src" / "ro") == 0o511
    set_modes(here, 0o755)


def test_a_single_file_does_not_open_the_directory_around_it(tmp_path, server):
    """What is no part of a tree that is copied stays as its owner left it."""
    make(server.root, {b"ro/old": b"old"})
    os.chmod(f"{server.root}/ro", 0o555)
    (tmp_path / "new").write_bytes(b"new")
    with server.session() as client:
        summary = upload(client, [str(tmp_path / "new")], RemoteLocation((b"ro",)))
        with pytest.raises(Forbidden):
            client.remove((b"ro", b"old"), kind=Kind.FILE)
    assert summary.failed == 1
    assert mode_of(f"{server.root}/ro") == 0o555
    assert contents(server.root) == {b"ro/old": b"old"}


@pytest.mark.parametrize("preserve", [True, False])
def test_a_put_that_is_broken_off_leaves_what_it_found(tmp_path, server, preserve):
    top = read_only_tree(tmp_path)
    with server.session() as client:
        upload(client, [top], ROOT)
    change(top, b"new")
    copy = Upload([top], ROOT, CopyOptions(preserve=preserve), told := Recorder())

    def lose(_count):
        raise ConnectionLost("cut")

    told.at = lose
    with pytest.raises(ConnectionLost), server.session() as client:
        copy.run(client)
    server.done(2)
    assert mode_of(f"{server.root}/src/ro") == mode_of(f"{server.root}/src/ro/deeper") == 0o555
    told.at = None
    with server.session() as client:
        assert copy.run(client).failed == 0
    server.done(3)
    assert contents(f"{server.root}/src") == contents(top)
    assert mode_of(f"{server.root}/src/ro") == 0o555


@pytest.mark.parametrize("problem", [ConnectionLost("cut"), KeyboardInterrupt()], ids=["lost", "interrupted"])
def test_a_get_that_is_broken_off_leaves_what_it_found(tmp_path, server, problem):
    top = read_only_tree(tmp_path, "root/src")
    here = tmp_path / "here"
    with server.session() as client:
        download(client, [RemoteLocation((b"src",))], f"{here}/")
    change(top, b"new")
    copy = Download([RemoteLocation((b"src",))], f"{here}/", CopyOptions(preserve=False), told := Recorder())
    modes = []

    def lose(_count):
        modes.append(mode_of(here / "src" / "ro"))
        raise problem

    told.at = lose
    with pytest.raises(type(problem)), server.session() as client:
        copy.run(client)
    assert modes == [0o755]
    assert mode_of(here / "src" / "ro") == mode_of(here / "src" / "ro" / "deeper") == 0o555
    told.at = None
    with server.session() as client:
        copy.run(client)
    assert contents(here / "src") == contents(top)
    assert mode_of(here / "src" / "ro") == mode_of(here / "src" / "ro" / "deeper") == 0o555
    set_modes(here, 0o755)


def test_rm_removes_a_tree_with_read_only_directories(tmp_path, capfdbinary):
    with client_and_server(tmp_path, capfdbinary) as client:
        read_only_tree(tmp_path, "root/src")
        client("rm", "-r", "//src").succeed()
        assert os.listdir(client.server.root) == []


def test_rmtree_removes_a_tree_with_read_only_directories(tmp_path, server):
    read_only_tree(tmp_path, "root/src")
    with secftp.connect(f"secftp://127.0.0.1:{server.port}", key=KEY) as remote:
        remote.rmtree("src")
    assert os.listdir(server.root) == []


def test_a_tree_in_a_read_only_directory_is_not_removed(tmp_path, server):
    """That directory is no part of what is removed; what could be removed is, as `rm -r` does it."""
    make(server.root, {b"ro/tree/a": b"1"})
    os.chmod(f"{server.root}/ro", 0o555)
    with secftp.connect(f"secftp://127.0.0.1:{server.port}", key=KEY) as remote, pytest.raises(Forbidden):
        remote.rmtree("ro/tree")
    assert mode_of(f"{server.root}/ro") == 0o555
    assert os.path.isdir(f"{server.root}/ro/tree")


# --- rights of a client -----------------------------------------------------------------------------------------------


def test_a_client_that_may_not_set_permissions_opens_nothing(tmp_path):
    make(tmp_path, {b"ro/a": b"1"})
    os.chmod(tmp_path / "ro", 0o555)
    with serving(tmp_path, overwrite=False) as server, server.hostile() as client:
        client.send(MakeDirectory(id=1, path=(b"ro",), parents=True, fill=True))
        assert isinstance(client.receive(), Welcome)
        assert isinstance(client.receive(), Ok)
        assert mode_of(tmp_path / "ro") == 0o555
        client.send(Remove(id=2, path=(b"ro", b"a"), tree=True))
        answer = client.receive()
        assert isinstance(answer, Error)
        assert answer.code is not ErrorCode.NOT_FOUND
    assert mode_of(tmp_path / "ro") == 0o555


def test_another_users_directory_is_left_alone(tmp_path, monkeypatch):
    """Root could change it; only what is our own is."""
    (tmp_path / "ro").mkdir(mode=0o555)
    os.chmod(tmp_path / "ro", 0o555)
    with LocalStore(tmp_path) as store:
        user = os.geteuid()
        monkeypatch.setattr("os.geteuid", lambda: user + 1)
        assert store.make_writable((b"ro",)) is None
        assert mode_of(tmp_path / "ro") == 0o555
        os.chmod(tmp_path / "ro", 0o755)
        store.restore_mode((b"ro",), 0o555)
    assert mode_of(tmp_path / "ro") == 0o755


def test_no_symlink_is_followed(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere").mkdir()
    os.chmod(tmp_path / "elsewhere", 0o555)
    os.symlink("../elsewhere", tmp_path / "root" / "link")
    with LocalStore(tmp_path / "root") as store:
        for use in (store.make_writable, lambda path: store.restore_mode(path, 0o511)):
            with pytest.raises(OSError, match="No such file"):
                use((b"link",))
    assert mode_of(tmp_path / "elsewhere") == 0o555


def test_permissions_that_were_set_meanwhile_stay(tmp_path):
    (tmp_path / "ro").mkdir()
    os.chmod(tmp_path / "ro", 0o555)
    with LocalStore(tmp_path) as store:
        assert store.make_writable((b"ro",)) == 0o555
        assert mode_of(tmp_path / "ro") == 0o755
        assert store.make_writable((b"ro",)) is None
        os.chmod(tmp_path / "ro", 0o700)
        store.restore_mode((b"ro",), 0o555)
    assert mode_of(tmp_path / "ro") == 0o700


def test_how_many_are_remembered_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(session_files, "MOST_WRITABLE", 3)
    names = [b"a", b"b", b"c", b"d"]
    for name in names:
        os.mkdir(os.path.join(os.fsencode(tmp_path), name), 0o755)
    os.mkdir(tmp_path / "a" / "in it", 0o555)
    for name in names:
        os.chmod(os.path.join(os.fsencode(tmp_path), name), 0o555)
    modes = lambda: [mode_of(os.path.join(os.fsencode(tmp_path), name)) for name in names]  # noqa: E731
    with LocalStore(tmp_path) as store:
        opened = WritableDirectories(store)
        for name in names[:3]:
            assert opened.begin((name,))
        assert opened.begin((b"a", b"in it"))  # the one around it stays as it has to be
        assert modes() == [0o755, 0o555, 0o755, 0o555]
        assert opened.begin((b"d",))
        assert modes() == [0o555, 0o555, 0o755, 0o755]
        opened.close()
    assert modes() == [0o555] * 4
    assert mode_of(tmp_path / "a" / "in it") == 0o555


def test_a_directory_with_nothing_but_a_partial_is_removed(tmp_path):
    with LocalStore(tmp_path) as store:
        store.make_directory((b"ro",))
        sink = store.create_sink((b"ro", b"file"), WriteOptions(keep=True))
        sink.writev([memoryview(b"begun")])
        sink.keep()
        assert os.listdir(tmp_path / "ro")
        os.chmod(tmp_path / "ro", 0o555)
        store.remove((b"ro",))
    assert os.listdir(tmp_path) == []


def test_the_session_restores_before_the_client_is_gone(tmp_path):
    (tmp_path / "ro").mkdir()
    os.chmod(tmp_path / "ro", 0o555)
    with serving(tmp_path) as server:
        with session(server.port) as client:
            client.pipeline.submit(MakeDirectory(id=1, path=(b"ro",), parents=True, fill=True), lambda _: True)
            client.pipeline.settle()
            assert mode_of(tmp_path / "ro") == 0o755
        until(lambda: mode_of(tmp_path / "ro") == 0o555, "the permissions are restored")
