"""Refusal to serve writable directories that hold code of this machine: sys.path, the program, its libraries."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import msgspec
import pytest

import secftp
from secftp.errors import ExitCode, UsageError
from secftp.keys import write_key_file
from tests.support.serving import DEADLINE, HOST, KEY, environment, listing, server_process

TOP = Path(secftp.__file__).resolve().parent.parent

SERVER = [sys.executable, "-P", "-m", "secftp.server"]
REFUSED = "they could make this machine run their code"


@pytest.fixture
def home(tmp_path):
    directory = tmp_path / "home"
    directory.mkdir()
    write_key_file(directory / "key")
    return directory


def checked(home, *arguments, command=SERVER, directory=None, **changes):
    """What a server with these arguments says to its start, without starting: the exit code and standard error."""
    done = subprocess.run(
        [*command, "0", "--host", HOST, "--check-config", *map(str, arguments)],
        env=environment(home, SECFTP_KEY="correct horse", **changes),
        cwd=directory or home,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
    )
    return done.returncode, done.stderr.decode()


def is_refused(home, *arguments, **options):
    """Refused, with the reason; and let pass where clients may only read."""
    code, errors = checked(home, *arguments, **options)
    assert (code, REFUSED in errors, "Traceback" in errors) in ((2, True, False), (0, False, False)), errors
    assert checked(home, *arguments, "--read-only", **options)[0] == 0
    return code == ExitCode.USAGE


def test_a_directory_of_its_own_is_served(home, root):
    assert not is_refused(home, "--root", root)
    assert not is_refused(home, "--root", root, directory=root)
    assert not is_refused(home, directory=root, command=[sys.executable, "-m", "secftp.server"])


def test_the_environment_the_checkout_and_all_above_are_refused(home):
    environment_of_this = os.path.dirname(os.path.dirname(sys.executable))
    package = os.path.dirname(secftp.__file__)
    library = os.path.dirname(os.__file__)
    for directory in (
        environment_of_this,
        os.path.dirname(sys.executable),
        package,
        os.path.join(package, "server"),
        os.path.dirname(package),
        library,
        os.path.join(library, "json"),
        "/",
    ):
        assert is_refused(home, "--root", directory), directory
    assert is_refused(home, directory=os.path.dirname(package), command=[sys.executable, "-m", "secftp.server"])


def test_every_entry_of_sys_path_counts(home, root, tmp_path):
    """One that is the root, beneath it, not there yet, a zip file, reached by symlinks from either side."""
    (root / "below" / "lib").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "to-root").symlink_to(root)
    (root / "to-elsewhere").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "hop").symlink_to(root / "to-elsewhere")
    with zipfile.ZipFile(root / "modules.zip", "w") as archive:
        archive.writestr("some_module.py", "")
    for entry in (
        root,
        root / "below" / "lib",
        root / "missing" / "lib",
        root / "modules.zip",
        root / "modules.zip" / "inside",
        tmp_path / "to-root" / "below",
        tmp_path / "to-root",
        root / "to-elsewhere",
        tmp_path / "hop",
        tmp_path / "hop" / ".." / "root" / "below",
    ):
        assert is_refused(home, "--root", root, PYTHONPATH=str(entry)), entry
        assert is_refused(home, "--root", tmp_path / "to-root", PYTHONPATH=f"/usr/none:{entry}"), entry
    for entry in (tmp_path / "elsewhere", tmp_path, root / ".." / "elsewhere"):
        assert not is_refused(home, "--root", root, PYTHONPATH=str(entry)), entry


@pytest.mark.parametrize("path", ["", ".", "/usr/none:", ":/usr/none"])
def test_an_empty_entry_of_pythonpath_is_the_working_directory(home, root, path):
    """It stays one for Python at the next start, though this process takes it off sys.path."""
    for command in (SERVER, [sys.executable, "-m", "secftp.server"], [f"{os.path.dirname(sys.executable)}/secftpd"]):
        if path:
            assert is_refused(home, command=command, directory=root, PYTHONPATH=path), command
        assert not is_refused(home, "--root", root, command=command, PYTHONPATH=path)


def test_the_working_directory_of_python_m_beneath_the_root_is_refused(home, root):
    (root / "below").mkdir()
    command = [sys.executable, "-m", "secftp.server"]
    assert is_refused(home, "--root", "..", command=command, directory=root / "below")
    assert not is_refused(home, "--root", "..", directory=root / "below")


@pytest.mark.parametrize("name", ["secftp", "types", "importlib"])
def test_a_root_that_would_become_a_module_of_the_next_start_is_refused(home, tmp_path, name):
    (tmp_path / "work" / name / "deep").mkdir(parents=True)
    command = [sys.executable, "-m", "secftp.server"]
    assert is_refused(home, "--root", name, command=command, directory=tmp_path / "work")
    assert not is_refused(home, "--root", f"{name}/deep", command=command, directory=tmp_path / "work")
    assert not is_refused(home, "--root", name, directory=tmp_path / "work")


def test_a_root_in_an_entry_of_sys_path_is_no_package_and_has_no_module_s_name(home, tmp_path):
    for name in ("argparse", "blake3", "sitecustomize", "package", "files", "in.parts", "json"):
        (tmp_path / "lib" / name / "deep").mkdir(parents=True)
    (tmp_path / "lib" / "package" / "__init__.py").write_text("")
    path = {"PYTHONPATH": str(tmp_path / "lib")}
    for name in ("argparse", "blake3", "sitecustomize", "package", "package/deep"):
        assert is_refused(home, "--root", tmp_path / "lib" / name, **path), name
    for name in ("files", "in.parts", "json/deep"):
        assert not is_refused(home, "--root", tmp_path / "lib" / name, **path), name


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LD_LIBRARY_PATH", "{root}"),
        ("LD_LIBRARY_PATH", "/usr/none:{root}/lib"),
        ("OPENSSL_CONF", "{root}/openssl.cnf"),
        ("OPENSSL_MODULES", "{root}/modules"),
        ("PYTHONPYCACHEPREFIX", "{root}/cache"),
    ],
)
def test_what_the_environment_loads_code_from_counts(home, root, variable, value):
    assert is_refused(home, "--root", root, **{variable: value.format(root=root)})
    assert not is_refused(home, "--root", root, **{variable: "/usr/none"})
    assert not is_refused(home, "--root", root, **{variable: ""})


def test_an_empty_entry_of_the_library_path_is_the_working_directory(home, root):
    assert is_refused(home, directory=root, LD_LIBRARY_PATH="/usr/none:")
    assert not is_refused(home, "--root", root, LD_LIBRARY_PATH="/usr/none:")


def test_a_relative_place_without_a_working_directory_is_one_sentence(home, root, tmp_path):
    """No relative path leads anywhere where the working directory was removed."""
    gone = tmp_path / "gone"
    gone.mkdir()
    command = ["/bin/sh", "-c", f'rmdir {shlex.quote(str(gone))} && exec "$@"', "sh", *SERVER]
    code, errors = checked(home, "--root", root, command=command, directory=gone, LD_LIBRARY_PATH="/usr/none:")
    assert (code, "Traceback" in errors) == (ExitCode.NOT_FOUND, False), errors
    assert errors.startswith("secftpd: A path that code is loaded from can't be examined: "), errors
    gone.mkdir()
    assert checked(home, "--root", root, command=command, directory=gone) == (0, "")  # all of its places are absolute


def test_site_packages_of_the_user_s_that_are_not_there_yet_count(home):
    """The base interpreter looks for them, a virtual environment does not."""
    path = f"{TOP}:{os.path.dirname(os.path.dirname(msgspec.__file__))}"
    command = [getattr(sys, "_base_executable", sys.executable), "-P", "-m", "secftp.server"]
    (home / "files").mkdir()
    assert is_refused(home, command=command, PYTHONPATH=path)
    assert not is_refused(home, "--root", "files", command=command, PYTHONPATH=path)
    assert not is_refused(home, command=command, PYTHONPATH=path, PYTHONNOUSERSITE="1")


# --- write access -----------------------------------------------------------------------------------------------------


def keys(home, **entries):
    """A file of named keys: for each its directory and its rights."""
    text = "".join(
        f'[{name}]\nkey-file = "key"\nfolder = "{directory}"\nrights = {rights}\n'
        for name, (directory, rights) in entries.items()
    )
    (home / "keys.toml").write_text(text)
    (home / "keys.toml").chmod(0o600)
    return home / "keys.toml"


def named(home, root, path, **entries):
    """Whether a server with these named keys, and no other, is refused."""
    environ = environment(home, PYTHONPATH=str(path))
    command = [*SERVER, "0", "--root", root, "--check-config", "--keys", keys(home, **entries)]
    done = subprocess.run(command, env=environ, cwd=home, capture_output=True, timeout=DEADLINE, check=False)
    assert (done.returncode, REFUSED in done.stderr.decode()) in ((2, True), (0, False)), done.stderr
    return done.returncode == ExitCode.USAGE


def test_the_directory_of_each_key_counts_that_may_write(home, root):
    (root / "lib" / "deep").mkdir(parents=True)
    (root / "files").mkdir()
    box, reading = '"drop-box"', '"read-only"'
    assert named(home, root, root / "lib", box=("lib", box))
    assert named(home, root, root / "lib" / "deep", box=("lib", box))
    assert named(home, root, root / "lib", box=("", box))
    assert named(home, root, root, box=("", box))
    assert named(home, root, root / "lib", a=("files", box), box=("lib", '["write"]'), z=("files", reading))
    assert not named(home, root, root / "lib", box=("files", box), reader=("lib", reading))
    assert not named(home, root, root / "lib", reader=("", reading), remover=("lib", '["delete", "list"]'))


def test_anonymous_clients_count_if_they_may_write(home, root):
    for arguments, refused in (["--anonymous"], False), (["--anonymous-write"], True):
        command = [*SERVER, "0", "--root", root, "--check-config", *arguments]
        environ = environment(home, PYTHONPATH=str(root))
        done = subprocess.run(command, env=environ, cwd=home, capture_output=True, timeout=DEADLINE, check=False)
        assert (done.returncode, REFUSED in done.stderr.decode()) == ((2, True) if refused else (0, False))


def test_keys_that_are_read_again_are_judged_again(home, root):
    """One that may write where code comes from is not taken, and the keys from before stay."""
    (root / "lib").mkdir()
    path = keys(home, reader=("lib", '"read-only"'))
    with server_process(home, "0", "--root", root, "--keys", path, PYTHONPATH=str(root / "lib")) as server:
        assert server.port
        keys(home, reader=("lib", '"full"'))
        server.signal(signal.SIGHUP)
        server.log.wait_for("The keys were not changed: Clients may write to .*lib")


def test_a_named_key_s_directory_that_is_the_working_directory_keeps_its_names(home, root):
    (root / "files").mkdir()
    path = keys(home, box=("files", '"drop-box"'))
    command = [sys.executable, "-m", "secftp.server", "0", "--host", HOST, "--root", root, "--keys", path]
    process = subprocess.Popen(command, env=environment(home), cwd=root / "files", stdout=subprocess.PIPE, text=True)
    try:
        port = None
        for line in process.stdout:
            if "on port" in line:
                port = int(line.split()[-1])
                break
        url = f"secftp://box@{HOST}:{port}/"
        for name, code in (("types.py", ExitCode.REFUSED), ("notes.txt", 0)):
            put = [
                sys.executable,
                "-P",
                "-m",
                "secftp.client",
                "put",
                "--key-file",
                home / "key",
                home / "key",
                url + name,
            ]
            done = subprocess.run(put, env=environment(home), capture_output=True, timeout=DEADLINE, check=False)
            assert done.returncode == code, done.stderr
    finally:
        process.terminate()
        process.stdout.close()
        assert process.wait(DEADLINE) == 0
    assert listing(root) == ["files", "files/notes.txt"]


# --- a server in a program --------------------------------------------------------------------------------------------


def test_a_server_in_a_program_is_refused_likewise(root, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(root / "lib")])
    with pytest.raises(UsageError, match=REFUSED):
        secftp.Server(root, key=KEY).start()
    with pytest.raises(UsageError, match=REFUSED):
        secftp.Server(root, anonymous_write=True).start()
    for options in ({"key": KEY, "read_only": True}, {"anonymous": True}, {"anonymous_write": True, "read_only": True}):
        with secftp.Server(root, **options) as server:
            assert server.port


def test_a_module_that_came_by_another_way_than_sys_path_counts(root, monkeypatch):
    """As those of an editable installation do, which a finder of its own finds."""
    module = types.ModuleType("found_elsewhere")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for file, refused in ((root / "deep" / "module.py", True), (root.parent / "module.py", False), ("<none>", False)):
        module.__file__ = str(file)
        if refused:
            with pytest.raises(UsageError, match=r"module\.py: they could"):
                secftp.Server(root, key=KEY).start()
        else:
            secftp.Server(root, key=KEY).start().stop()


def test_dots_of_an_entry_are_followed_as_the_system_does(root, tmp_path, monkeypatch):
    """Behind a symlink they lead up from where that leads to; a name looked up in the root is a client's to replace."""
    (root / "to-deep").symlink_to(tmp_path / "elsewhere" / "deep")
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "hop").symlink_to(root / "to-deep")
    for entry, refused in ((f"{tmp_path}/hop/../lib", True), (f"{tmp_path}/elsewhere/../lib", False)):
        monkeypatch.setattr(sys, "path", [*sys.path, entry])
        if refused:
            with pytest.raises(UsageError, match=REFUSED):
                secftp.Server(root, key=KEY).start()
            monkeypatch.setattr(sys, "path", sys.path[:-1])
        else:
            secftp.Server(root, key=KEY).start().stop()


def test_the_working_directory_of_a_program_is_on_its_sys_path(root, tmp_path):
    """`python -c`, a notebook, a script in the directory that it serves."""
    text = "import secftp\nwith secftp.Server('.') as server: print('served')\n"
    (root / "script.py").write_text(text)
    for arguments in (["-c", text], ["script.py"]):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=root, env=environment(tmp_path), capture_output=True, check=False
        )
        assert (b"UsageError" in done.stderr, b"served" in done.stdout) == (True, False), done.stderr
    (root / "below").mkdir()
    text = text.replace("'.'", "'below'")
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=root, env=environment(tmp_path), capture_output=True, check=False
    )
    assert done.stdout == b"served\n", done.stderr
