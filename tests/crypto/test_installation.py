"""Untrustworthy builds and libcrypto versions: the import fails with one sentence, and nothing above can run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from secftp.crypto import binding
from secftp.errors import InstallationError


class FakeLibrary:
    """A libcrypto of some version whose self-test ends in some way."""

    def __init__(self, status: int, number: int = 0x30000000) -> None:
        self.status, self.number, self.tested = status, number, 0

    def secftp_libcrypto_number(self) -> int:
        return self.number

    def secftp_self_test(self) -> int:
        self.tested += 1
        return self.status


def one_sentence(text: str) -> bool:
    return text.endswith(".") and ". " not in text and "\n" not in text


@pytest.mark.parametrize("status", [1, 2, 3, 4, 5, 6, 7, 8, -1])
def test_a_failed_self_test_is_a_broken_installation(status):
    library = FakeLibrary(status)
    with pytest.raises(InstallationError) as caught:
        binding.load_check(library)
    assert library.tested == 1
    assert one_sentence(str(caught.value))
    assert caught.value.hint


def test_self_test_failures_are_told_apart():
    told = set()
    for status in (3, 4, 5, 6):
        with pytest.raises(InstallationError) as caught:
            binding.load_check(FakeLibrary(status))
        told.add(str(caught.value))
    assert len(told) == 4


@pytest.mark.parametrize("number", [0, 0x1010117F, 0x2FFFFFFF])
def test_an_old_libcrypto_is_not_even_tested(number):
    library = FakeLibrary(0, number)
    with pytest.raises(InstallationError, match=r"OpenSSL 3\.0 or newer") as caught:
        binding.load_check(library)
    assert library.tested == 0
    assert caught.value.hint


def test_a_good_installation_is_taken():
    library = FakeLibrary(0)
    binding.load_check(library)
    assert library.tested == 1


def run_in(directory: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the package in `directory` and no other: -S ignores the hooks of an editable install."""
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    path = os.pathsep.join([str(directory), *libraries])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    check = f"import secftp; assert secftp.__file__.startswith({str(directory)!r}), secftp.__file__\n"
    command = [sys.executable, "-S", "-c", check + script]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


SHOW = """
try:
    import secftp.{module}
except secftp.InstallationError as error:
    print(error)
    print(error.hint)
"""


@pytest.mark.parametrize("module", ["crypto", "protocol.handshake", "transport"])
@pytest.mark.parametrize(("built", "says"), [(None, "not built"), (b"no library", "can't be loaded")])
def test_a_missing_or_broken_core_is_one_sentence(tmp_path, module, built, says):
    package = Path(binding.__file__).parent.parent
    shutil.copytree(package, tmp_path / "secftp", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    if built is not None:
        name = Path(binding._core.__file__).name
        (tmp_path / "secftp" / name).write_bytes(built)
    done = run_in(tmp_path, SHOW.format(module=module))
    assert (done.returncode, done.stderr) == (0, "")
    sentence, hint = done.stdout.splitlines()
    assert says in sentence
    assert one_sentence(sentence)
    assert hint


def test_a_core_that_fails_its_self_test_can_not_be_imported():
    """From the top: the import itself fails, and nothing above it can run."""
    script = """
import sys, types
from secftp import _core as real
import secftp
class Lib:
    def __getattr__(self, name):
        return (lambda: real.lib.SECFTP_WRONG_ANSWER) if name == "secftp_self_test" else getattr(real.lib, name)
fake = types.ModuleType("secftp._core")
fake.ffi, fake.lib = real.ffi, Lib()
sys.modules["secftp._core"] = secftp._core = fake
try:
    import secftp.protocol.handshake
except secftp.InstallationError as error:
    print(error)
"""
    done = run_in(Path(binding.__file__).parent.parent.parent, script)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "The self-test of the core failed: a result differs from the standard's.\n"
