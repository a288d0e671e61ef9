"""`secftp completion`: the shells accept the scripts, and bash completes what it should."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from secftp.client.__main__ import main
from secftp.client.commands import COMMANDS
from secftp.client.completion import described, scripts
from secftp.client.options import CHECKSUMS, CIPHERS

DEADLINE = 20
BASH = shutil.which("bash")

# What bash does for `secftp ... <Tab>`: the words split as readline splits them, and COMPREPLY afterwards.
_ASK = """
eval "$SCRIPT"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_secftp
printf '%s\\n' "${COMPREPLY[@]}"
"""


def script(shell, capfd):
    assert main(["completion", shell]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_understands_it(shell, capfd, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    file = tmp_path / "script"
    file.write_text(script(shell, capfd))
    done = subprocess.run([shell, "-n", file], capture_output=True, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_all_verbs_and_options_are_in_it(shell, capfd):
    text = script(shell, capfd)
    for command in described.describe_commands():
        assert command.name in text
        for option in command.options:
            for name in option.names:
                assert (name if shell != "fish" else name.lstrip("-")) in text, name


@pytest.fixture
def complete(capfd):
    if BASH is None:
        pytest.skip("there is no bash")
    text = script("bash", capfd)

    def run(*words):
        done = subprocess.run(
            [BASH, "--norc", "-c", _ASK, "bash", "secftp", *words],
            env={"SCRIPT": text, "PATH": "/nowhere"},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.split()

    return run


def test_commands(complete):
    assert set(complete("")) == {*COMMANDS, "--help", "--version"}
    assert complete("ve") == ["verify"]
    assert complete("--v") == ["--version"]
    assert set(complete("-q", "")) == {*COMMANDS, "--help", "--version"}


def test_options_of_the_command(complete):
    assert "--recursive" in complete("rm", "-")
    assert "--recursive" not in complete("mkdir", "-")
    assert complete("put", "--resum") == ["--resume"]
    assert complete("-q", "put", "--dr") == ["--dry-run"]
    assert complete("put", "file", "--ret") == ["--retries"]


@pytest.mark.parametrize(
    ("option", "words"), [("--cipher", CIPHERS), ("--checksum", CHECKSUMS), ("--progress", ("auto", "json", "none"))]
)
def test_values(complete, option, words):
    assert complete("put", option, "") == list(words)
    assert complete("put", option, "=") == list(words)
    assert complete("put", option, "=", words[1][:-1]) == [words[1]]


def test_what_is_left_to_the_shell(complete):
    """Nothing is offered, so that bash completes names of files."""
    assert complete("put", "") == []
    assert complete("put", "--key-file", "") == []
    assert complete("put", "--limit-rate", "-") == []
    assert complete("put", "no") == []


def test_shells(complete):
    assert complete("completion", "") == ["bash", "zsh", "fish"]
    assert complete("completion", "f") == ["fish"]


def test_words_of_a_help_text_are_quoted():
    command = described.DescribedCommand(
        "x", "it's $(touch x) `y`", (described.DescribedOption(("-a",), None, "it's \\ $(z)"),)
    )
    assert "'it'\\''s $(touch x) `y`'".replace("'it", "'x:it", 1) in scripts.zsh([command])
    assert "'it\\'s $(touch x) `y`'" in scripts.fish([command])
