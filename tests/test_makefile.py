"""Makefile and its scripts: syntax, `make help` names every target, and missing tools are reported."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
SCRIPTS = ["tools/setup.sh", "tools/check_c.sh", "tools/pythons.sh", "tools/test_pythons.sh", ".ci/run"]
GOALS = [
    "help",
    "demo",
    "test",
    "test-data",
    "test-machines",
    "test-line",
    "test-pythons",
    "check",
    "sanitize",
    "fuzz",
    "mutants",
    "faults",
    "soak",
    "release-check",
    "bench",
    "bench-core",
    "bench-handshakes",
    "bench-load",
    "bench-clients",
    "bench-line",
    "bench-aio",
    "bench-fsspec",
    "bench-objects",
    "bench-million",
    "report",
    "peers",
    "docs",
    "build",
    "clean",
]
TOOLS = ["bash", "cat", "cksum", "dirname", "id", "ls", "rm", "sed", "sort", "tr"]


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_parse_and_may_be_run(script):
    result = run("bash", "-n", str(TOP / script))
    assert (result.returncode, result.stderr) == (0, "")
    assert os.access(TOP / script, os.X_OK)


@pytest.mark.skipif(shutil.which("make") is None, reason="this machine has no make, which is what is tested here")
def test_make_alone_lists_every_goal():
    result = run("make", "-C", str(TOP), "--no-print-directory", env={**os.environ, "MAKEFLAGS": "", "MAKELEVEL": "0"})
    assert result.returncode == 0
    assert [line.split()[1] for line in result.stdout.splitlines()] == GOALS


def test_every_goal_of_the_makefile_is_phony():
    text = (TOP / "Makefile").read_text()
    declared = " ".join(re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)).split()
    assert set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE)) == set(declared)


# --- missing tools --------------------------------------------------------------------------------------------------


@pytest.fixture
def machine(tmp_path):
    """A checkout of its own, and a directory that is the whole PATH: the basic tools and what `command` adds."""
    checkout, commands = tmp_path / "checkout", tmp_path / "bin"
    (checkout / "tools").mkdir(parents=True)
    (checkout / "csrc").mkdir()
    shutil.copy(TOP / "tools" / "setup.sh", checkout / "tools")
    commands.mkdir()
    for tool in TOOLS:
        (commands / tool).symlink_to(shutil.which(tool))
    return Machine(checkout, commands)


class Machine:
    def __init__(self, checkout, commands):
        self.checkout = checkout
        self.commands = commands
        self.command("uname", "echo Linux")

    def command(self, name, body):
        """A command of this machine: a shell script."""
        path = self.commands / name
        path.unlink(missing_ok=True)  # it may be a link to the machine's own, which would be written through
        path.write_text(f"#!{self.commands}/bash\n{body}\n")
        path.chmod(0o755)

    def sources(self):
        """What the core is built from, and a core."""
        for name in ("pyproject.toml", "setup.py", "build_ffi.py", "secftp/_version.py", "csrc/a.c", "csrc/a.h"):
            (self.checkout / name).parent.mkdir(exist_ok=True)
            (self.checkout / name).write_text(name)
        (self.checkout / "secftp" / "_core.abi3.so").touch()

    def set_up(self, *extras):
        return run(
            str(self.commands / "bash"),
            str(self.checkout / "tools" / "setup.sh"),
            *extras,
            env={"PATH": str(self.commands)},
            stdin=subprocess.DEVNULL,
        )


def one_line(result):
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def test_without_python_one_line_says_what_to_install(machine):
    machine.command("cc", "exit 0")
    line = one_line(machine.set_up())
    assert "missing: Python 3.11 or newer." in line
    assert "apt-get install python3.11 python3.11-venv python3.11-dev" in line


def test_an_old_python_is_no_python(machine):
    machine.command("cc", "exit 0")
    machine.command("python3", "exit 1")
    assert "Python 3.11 or newer" in one_line(machine.set_up())


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("", ["a C compiler", "apt-get install", "gcc libc6-dev", "libssl-dev"]),
        ("dnf", ["a C compiler", "dnf install gcc openssl-devel"]),
        ("apk", ["a C compiler", "apk add gcc musl-dev openssl-dev"]),
    ],
)
def test_without_a_compiler_one_line_says_what_to_install_here(machine, tool, words):
    machine.command("python3", "exit 0")
    machine.command("cc", "exit 1")
    if tool:
        machine.command(tool, "exit 1")
    line = one_line(machine.set_up())
    assert all(word in line for word in words)


def test_on_macos_it_is_homebrew(machine):
    machine.command("uname", "echo Darwin")
    machine.command("python3", "exit 0")
    machine.command("cc", "exit 1")
    line = one_line(machine.set_up())
    assert "xcode-select --install && brew install openssl@3" in line


def test_without_openssl_only_its_headers_are_asked_for(machine):
    machine.command("python3", "exit 0")
    machine.command("cc", "! grep -q openssl")
    (machine.commands / "grep").symlink_to(shutil.which("grep"))
    line = one_line(machine.set_up())
    assert "missing: the headers of OpenSSL 3.0 or newer." in line
    assert line.rstrip().endswith("apt-get install libssl-dev")


def test_apt_installs_what_is_missing_and_the_set_up_goes_on(machine):
    log = machine.checkout / "log"
    machine.command("id", "echo 0")
    (machine.commands / "grep").symlink_to(shutil.which("grep"))
    (machine.commands / "env").symlink_to(shutil.which("env"))
    machine.command("cc", f"test -e {log}.installed || ! grep -q openssl")
    machine.command("apt-get", f'echo "$@" >>{log}; case "$*" in *install*) : >{log}.installed ;; esac')
    # Python is the one thing that is real enough to be called last: `-m venv` is where this test ends.
    machine.command("python3", 'case "$*" in "-m venv"*) echo "venv reached" >&2; exit 1 ;; esac')
    result = machine.set_up()
    assert result.returncode == 1
    assert "venv reached" in result.stderr
    assert log.read_text().splitlines() == [
        "-qq update",
        "-qq install -y --no-install-recommends libssl-dev",
    ]


def test_without_root_and_without_a_terminal_nothing_is_installed(machine):
    machine.command("id", "echo 1000")
    machine.command("cc", "exit 1")
    machine.command("python3", "exit 0")
    machine.command("sudo", "exit 1")
    machine.command("apt-get", "echo apt-get must not run >&2; exit 1")
    result = machine.set_up()
    assert result.returncode == 1
    assert "must not run" not in result.stderr
    assert result.stderr.splitlines()[-1].startswith("set-up: missing: a C compiler")


def test_a_tool_that_is_missing_is_installed_or_asked_for(machine):
    machine.command("cc", "exit 0")
    machine.command("python3", "exit 0")
    assert one_line(machine.set_up("--tool", "valgrind", "--tool", "cat")).endswith("sudo apt-get install valgrind")
    log = machine.checkout / "log"
    machine.command("id", "echo 0")
    (machine.commands / "env").symlink_to(shutil.which("env"))
    machine.command("apt-get", f'echo "$@" >>{log}; exit 1')
    result = machine.set_up("--tool", "valgrind")
    assert result.returncode == 1
    assert log.read_text().splitlines()[-1].endswith(" valgrind")
    assert "missing: valgrind." in result.stderr.splitlines()[-1]


def test_what_is_ready_is_left_alone(machine):
    python = machine.checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    machine.sources()
    log = machine.checkout / "log"
    machine.command("python3", "exit 0")
    machine.command("cc", "exit 0")
    shutil.copy(machine.commands / "python3", python)
    python.write_text(f'#!{machine.commands}/bash\ncase "$*" in *pip*install*) echo "$@" >>{log} ;; esac\n')

    def built():
        result = machine.set_up("test")
        assert result.returncode == 0, result.stderr
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line.split()[-1] for line in lines]

    assert built() == [".[test]"]
    assert built() == []
    (machine.checkout / "csrc" / "a.h").write_text("changed")
    assert built() == [".[test]"]
    assert built() == []
    assert machine.set_up("check").returncode == 0
    assert log.read_text().split()[-1] == ".[check,test]"
    log.unlink()
    assert built() == []
    (machine.checkout / "secftp" / "_core.abi3.so").unlink()
    assert built() == [".[check,test]"]


def test_another_environment_has_its_own_extras(machine):
    machine.sources()
    log, others = machine.checkout / "log", machine.checkout / "build" / "data" / "default"
    for command in ("python3", "cc"):
        machine.command(command, "exit 0")
    for environment in (machine.checkout / ".venv", others):
        python = environment / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!{machine.commands}/bash\ncase "$*" in *pip*install*) echo "$0 $@" >>{log} ;; esac\n')
        python.chmod(0o755)

    def built(*arguments):
        log.write_text("")
        assert machine.set_up(*arguments).returncode == 0
        return [(words[0], words[-1]) for words in map(str.split, log.read_text().splitlines())]

    assert built("test") == [(".venv/bin/python", ".[test]")]
    assert built("--venv", "build/data/default", "data") == [("build/data/default/bin/python", ".[data]")]
    assert built("test") == []
    assert built("--venv", "build/data/default", "data") == []


# --- installed files --------------------------------------------------------------------------------------------------


def test_every_package_is_in_the_wheel():
    """They are named one by one, and a checkout works without being named."""
    with open(TOP / "pyproject.toml", "rb") as file:
        named = tomllib.load(file)["tool"]["setuptools"]["packages"]
    there = [".".join(path.parent.relative_to(TOP).parts) for path in (TOP / "secftp").rglob("__init__.py")]
    assert named == sorted(there)
