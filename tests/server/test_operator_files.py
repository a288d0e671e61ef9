"""Files that an operator names: none is used that clients can reach, by any name or mount."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest

from secftp.errors import ExitCode, KeyFormatError, NotFound
from secftp.exposure import Exposure
from secftp.keys import refuse_beneath, write_key_file
from secftp.server.parser import file_options
from secftp.system import Mount
from tests.support.serving import DEADLINE, HOST, environment, server_command, server_process, until

pytestmark = pytest.mark.exhaustive

BENEATH = "is below the served directory"
# What the file of each option holds, and the exit code of a refusal.
FILES = {
    "config": b"read-only = true\n",
    "keys": b'[me]\nkey = "correct horse"\nrights = "full"\n',
    "key_file": b"correct horse battery\n",
    "log_file": b"",
    "shared_password_file": b"correct horse battery\n",
}
CODES = {
    "config": ExitCode.USAGE,
    "log_file": ExitCode.USAGE,
    "keys": ExitCode.KEY,
    "key_file": ExitCode.KEY,
    "shared_password_file": ExitCode.KEY,
}
# What else an option needs; there is no Redis at this port, and a server begins without it.
NEEDED = {"shared_password_file": ["--shared", "redis://127.0.0.1:1"]}


@pytest.fixture
def place(tmp_path):
    """A directory with `root`, which is served, `conf`, which is not, and symlinks between them."""
    for name in ("root/below", "root/empty", "conf", "bound", "other", "home"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "to-root").symlink_to("root")
    (tmp_path / "root" / "to-conf").symlink_to("../conf")
    (tmp_path / "hop").symlink_to("root/to-conf")
    return tmp_path


def write(path, data):
    path.write_bytes(data)
    path.chmod(0o600)


def option(name):
    return "--" + name.replace("_", "-")


def start(place, *arguments, prefix=(), root="root", **changes):
    """The exit code and the complaint of a server that serves `root`, or would: it only checks."""
    done = subprocess.run(
        [*prefix, *server_command("0", "--host", HOST, "--check-config", "--root", place / root, *arguments)],
        env=environment(place / "home", **changes),
        cwd=place / "conf",
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr.decode()


def given(place, name, path, *, where):
    """The arguments that name the file, on the command line, in a configuration or in the file of keys."""
    needed = NEEDED.get(name, [])
    if where == "command line":
        return [*needed, option(name), path]
    if where == "configuration":
        write(place / "conf" / "outer.toml", f'{option(name)[2:]} = "{path}"\n'.encode())
        return [*needed, "--config", place / "conf" / "outer.toml"]
    write(place / "conf" / "outer-keys.toml", f'[other]\nkey-file = "{path}"\nrights = "full"\n'.encode())
    return ["--keys", place / "conf" / "outer-keys.toml"]


PLACES = [
    *((name, "command line") for name in FILES),
    *((name, "configuration") for name in FILES if name != "config"),
    ("key_file", "file of keys"),
]
# Where the file is made, and by which name it is given: none of these may be used.
HIDDEN = {
    "in the root": ("root/file", "root/file"),
    "below it": ("root/below/file", "root/below/file"),
    "by a symlink to the root": ("root/file", "to-root/file"),
    "by dots": ("root/file", "conf/../root/file"),
    "by dots behind a symlink": ("root/file", "hop/../root/file"),
    "outside, by a symlink in the root": ("conf/file", "root/to-conf/file"),
    "outside, by dots behind a symlink in the root": ("conf/file", "hop/../conf/file"),
    "outside, by a symlink to a symlink in the root": ("conf/file", "hop/file"),
    "a symlink outside to a file inside": ("root/file", "conf/link"),
    "a symlink inside to a file outside": ("conf/file", "root/link"),
}


@pytest.mark.parametrize(("name", "where"), PLACES)
def test_no_file_is_trusted_that_clients_can_reach(place, name, where):
    assert set(FILES) == set(file_options()), "an option that names a file has no test here"
    for how, (file, path) in HIDDEN.items():
        write(place / file, FILES[name])
        if path.endswith("link"):
            (place / path).symlink_to(place / file)
        code, errors = start(place, *given(place, name, place / path, where=where))
        assert (code, BENEATH in errors) == (CODES[name], True), (how, errors)
        (place / file).unlink()
        (place / path).unlink(missing_ok=True)


@pytest.mark.parametrize(("name", "where"), PLACES)
def test_a_hard_link_is_the_file_itself(place, name, where):
    write(place / "conf" / "file", FILES[name])
    arguments = given(place, name, place / "conf" / "file", where=where)
    os.link(place / "conf" / "file", place / "conf" / "second")
    assert start(place, *arguments)[0] == 0  # a second name elsewhere tells clients nothing
    os.link(place / "conf" / "file", place / "root" / "below" / "third")
    code, errors = start(place, *arguments)
    assert (code, BENEATH in errors) == (CODES[name], True), errors


def test_a_directory_that_goes_away_while_second_names_are_looked_for_holds_none(tmp_path, monkeypatch):
    root, key = tmp_path / "root", tmp_path / "key"
    for name in ("a", "b", "c"):
        (root / name).mkdir(parents=True)
    key.touch()
    os.link(key, tmp_path / "second")
    scandir, seen = os.scandir, []

    def removing(path):
        seen.append(path)
        if len(seen) == 2:  # the first of those beneath the root
            os.rmdir(path)
        return scandir(path)

    exposure = Exposure(root)
    monkeypatch.setattr(os, "scandir", removing)
    assert not exposure.has_file(key)
    assert len(seen) == 4
    os.link(key, min(root.iterdir()) / "third")
    assert exposure.has_file(key)


@pytest.mark.parametrize(("name", "where"), PLACES)
def test_a_file_elsewhere_is_used(place, name, where):
    write(place / "conf" / "file", FILES[name])
    (place / "conf" / "link").symlink_to("file")
    for path in (
        "conf/file",
        "root/../conf/file",
        "to-root/../conf/file",
        *(["conf/link"] if name != "log_file" else []),
    ):
        code, errors = start(place, *given(place, name, place / path, where=where))
        assert code == 0, (path, errors)


def test_the_systemd_credential_and_the_remembered_key_too(place):
    write(place / "root" / "secftp.key", FILES["key_file"])
    code, errors = start(place, CREDENTIALS_DIRECTORY=str(place / "root"))
    assert (code, BENEATH in errors) == (ExitCode.KEY, True)
    for state in ("root/state", "to-root", "hop"):
        code, errors = start(place, XDG_STATE_HOME=str(place / state))
        assert (code, BENEATH in errors) == (ExitCode.KEY, True), state


def test_a_key_that_was_opened_by_a_name_in_the_root_is_refused(place):
    """`--key-fd 3 3<root/key`; a pipe has no name."""
    write(place / "root" / "key", FILES["key_file"])
    write(place / "conf" / "key", FILES["key_file"])
    for path, expected in (("root/key", ExitCode.KEY), ("to-root/key", ExitCode.KEY), ("conf/key", ExitCode.OK)):
        with open(place / path, "rb") as file:
            os.set_inheritable(file.fileno(), True)
            done = subprocess.run(
                server_command("0", "--check-config", "--root", place / "root", "--key-fd", str(file.fileno())),
                env=environment(place / "home"),
                pass_fds=[file.fileno()],
                capture_output=True,
                timeout=DEADLINE,
                check=False,
            )
        assert (done.returncode, BENEATH in done.stderr.decode()) == (expected, expected != 0), done.stderr


def test_the_rule_holds_at_a_reload_too(place):
    """A key file that has been replaced by a symlink into the root since: the keys stay as they were."""
    write_key_file(place / "conf" / "key")
    for how in (
        ["--key-file", place / "conf" / "key"],
        given(place, "key_file", place / "conf" / "key", where="file of keys"),
    ):
        with server_process(place / "home", "0", "--root", place / "root", *how) as server:
            assert server.port
            os.rename(place / "conf" / "key", place / "root" / "key")
            (place / "conf" / "key").symlink_to(place / "root" / "key")
            server.signal(signal.SIGHUP)
            server.log.wait_for(f"(Nothing was reloaded|The keys were not changed): The key file .* {BENEATH}")
        (place / "conf" / "key").unlink()
        os.rename(place / "root" / "key", place / "conf" / "key")


def test_a_configuration_that_clients_can_reach_by_now_decides_nothing(place):
    """Not even which file is the log: a file that the server writes to."""
    write(place / "conf" / "server.toml", b'log-file = "log"\nanonymous = true\n')
    arguments = ["--config", place / "conf" / "server.toml", "--root", place / "root"]
    with server_process(place / "home", "0", *arguments) as server:
        log = place / "conf" / "log"
        until(lambda: log.exists() and "Listening" in log.read_text(), "it listens")
        (place / "conf" / "server.toml").unlink()
        write(place / "root" / "server.toml", b'log-file = "other"\nanonymous-write = true\n')
        (place / "conf" / "server.toml").symlink_to(place / "root" / "server.toml")
        server.signal(signal.SIGHUP)
        told = "Nothing was reloaded: The configuration "
        until(lambda: told in log.read_text(), "it says so")
    assert BENEATH in log.read_text()
    assert not (place / "conf" / "other").exists()


# --- mounts -----------------------------------------------------------------------------------------------------------


def own_mounts():
    """The command that runs the rest with mounts of its own, which end with it; None where the system forbids it."""
    for command in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        if (
            shutil.which("unshare")
            and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
        ):
            return command
    return None


MOUNTING = own_mounts()
_BIND = 'mount --bind "$1" "$2" || exit 99; shift 2; exec "$@"'


def bound(place, source, target):
    return [*MOUNTING, "sh", "-c", _BIND, "sh", place / source, place / target]


@pytest.mark.skipif(MOUNTING is None, reason="this system lets the user make no mounts")
@pytest.mark.parametrize("name", FILES)
def test_no_bind_mount_hides_a_file(place, name):
    for how, file, path, source, target in (
        ("a part of the root elsewhere", "root/below/file", "bound/file", "root/below", "bound"),
        ("the root elsewhere", "root/below/file", "bound/below/file", "root", "bound"),
        ("its directory beneath the root", "conf/file", "conf/file", "conf", "root/empty"),
        ("all above it beneath the root", "conf/file", "conf/file", ".", "root/empty"),
        ("the file alone beneath the root", "conf/file", "conf/file", "conf/file", "root/target"),
        ("a file of the root alone elsewhere", "root/file", "bound/target", "root/file", "bound/target"),
    ):
        write(place / file, FILES[name])
        if target.endswith("target"):
            write(place / target, b"")
        arguments = [*NEEDED.get(name, []), option(name), place / path]
        code, errors = start(place, *arguments, prefix=bound(place, source, target))
        assert (code, BENEATH in errors) == (CODES[name], True), (how, errors)
        if file == path:  # with another mount nothing of it is beneath the root
            code, errors = start(place, *arguments, prefix=bound(place, "other", "root/empty"))
            assert code == 0, (how, errors)
        for made in (file, "root/target", "bound/target"):
            (place / made).unlink(missing_ok=True)


@pytest.mark.skipif(MOUNTING is None, reason="this system lets the user make no mounts")
def test_no_bind_mount_hides_code(place):
    """An entry of sys.path that is shown beneath the root, or a part of the root that is one elsewhere."""
    (place / "lib").mkdir()
    refused = "they could make this machine run their code"
    key = ["--key-file", place / "conf" / "key"]
    write_key_file(place / "conf" / "key")
    for entry, source, target in (
        ("lib", "lib", "root/empty"),
        ("bound", "root/below", "bound"),
        ("bound", "root", "bound"),
    ):
        code, errors = start(place, *key, prefix=bound(place, source, target), PYTHONPATH=str(place / entry))
        assert (code, refused in errors) == (ExitCode.USAGE, True), (entry, source, target, errors)
    assert start(place, *key, prefix=bound(place, "other", "root/empty"), PYTHONPATH=str(place / "lib"))[0] == 0
    # The directory of `python -m` is the root: once more beneath itself its names could be made by another path.
    for target, expected in (("root/empty", ExitCode.USAGE), ("bound", ExitCode.OK)):
        done = subprocess.run(
            [
                *bound(place, "root", target),
                *[word for word in server_command("0", "--check-config", *key) if word != "-P"],
            ],
            env=environment(place / "home"),
            cwd=place / "root",
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == expected, done.stderr


def test_the_mount_table_as_it_is_read(place, monkeypatch):
    table = [Mount("8:1", "/", "/"), Mount("8:2", "/data", str(place / "root" / "below")), Mount("8:2", "/", "/media")]
    monkeypatch.setattr("secftp.system.mounts", lambda: table)
    exposure = Exposure(place / "root")
    assert exposure.includes("/media/data")
    assert exposure.includes("/media/data/deep")
    assert not exposure.includes("/media/database")
    assert not exposure.includes("/media")
    assert not exposure.includes(str(place / "conf"))


# --- undecidable cases ------------------------------------------------------------------------------------------------


def test_what_can_not_be_told_is_refused(place, monkeypatch):
    """An error while the names are looked at is no sign that clients can't reach the file."""
    write(place / "conf" / "file", b"")
    os.link(place / "conf" / "file", place / "root" / "other")

    def fail(_path):
        raise OSError(5, "Input/output error")

    for name in ("scandir", "readlink"):
        with monkeypatch.context() as patch:
            patch.setattr(f"os.{name}", fail)
            with pytest.raises(KeyFormatError, match=": input/output error"):
                refuse_beneath(place / "conf" / "file", place / "root")
    with pytest.raises(NotFound):
        refuse_beneath(place / "conf" / "file", place / "none")


def test_symlinks_in_a_circle_end(place):
    (place / "conf" / "a").symlink_to("b")
    (place / "conf" / "b").symlink_to("a")
    refuse_beneath(place / "conf" / "a" / "file", place / "root")
