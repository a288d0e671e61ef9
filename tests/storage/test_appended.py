"""Lines that are appended to a file: whole ones, also after a crash, on a full disk and by several processes."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from secftp.errors import FileError, Forbidden, IsADirectory, NoSpace, NotFound, Side
from secftp.storage import appended
from secftp.storage.appended import AppendedLines

WHAT = "The list"


def test_lines_are_appended(tmp_path):
    path = str(tmp_path / "list")
    for text in (b"one\n", b"two\n"):
        with AppendedLines(path, WHAT) as lines:
            lines.append(text)
            with open(path, "rb") as file:
                assert file.read().endswith(text), "written before the next one"
    assert (tmp_path / "list").read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.parametrize(
    ("before", "after"), [(b"", b""), (b"whole\n", b"whole\n"), (b'{"pa', b'{"pa\n'), (b"\n", b"\n")]
)
def test_a_line_without_its_end_gets_one(tmp_path, before, after):
    path = tmp_path / "list"
    path.write_bytes(before)
    with AppendedLines(str(path), WHAT) as lines:
        lines.append(b"next\n")
    assert path.read_bytes() == after + b"next\n"


def test_two_that_append_at_once_mix_nothing(tmp_path):
    path = str(tmp_path / "list")
    with AppendedLines(path, WHAT) as one, AppendedLines(path, WHAT) as other:
        for number in range(50):
            one.append(b"%d\n" % number)
            other.append(b"%d\n" % number)
    assert (tmp_path / "list").read_bytes() == b"".join(b"%d\n%d\n" % (n, n) for n in range(50))


@pytest.mark.parametrize(
    ("name", "kind"), [("missing/list", NotFound), ("", NotFound), (".", IsADirectory), ("fifo", FileError)]
)
def test_what_can_not_be_opened(tmp_path, name, kind):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(kind, match=WHAT) as caught:
        AppendedLines(str(tmp_path / name) if name else "", WHAT)
    assert caught.value.side is Side.LOCAL


def test_a_full_disk_leaves_no_part_of_a_line(tmp_path, monkeypatch):
    path = tmp_path / "list"

    class Full:
        room = 10

        def __getattr__(self, name):
            return getattr(os, name)

        def write(self, fd, data):
            if not self.room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            taken, self.room = data[: self.room], max(0, self.room - len(data))
            return os.write(fd, taken)

    monkeypatch.setattr(appended, "os", full := Full())
    with AppendedLines(str(path), WHAT) as lines:
        lines.append(b"first\n")
        with pytest.raises(NoSpace, match="no space left on device") as caught:
            lines.append(b"the second\n")
        assert path.read_bytes() == b"first\n"
        full.room = 100  # there is some again
        with pytest.raises(NoSpace) as again:
            lines.append(b"third\n")
        assert again.value is caught.value
    assert path.read_bytes() == b"first\n", "nothing is missing in the middle"


def test_a_device_that_is_full():
    with AppendedLines("/dev/full", WHAT) as lines, pytest.raises(NoSpace):
        lines.append(b"x\n")


def test_a_part_of_a_line_behind_which_is_another_stays(tmp_path, monkeypatch):
    path = tmp_path / "list"

    class Full:
        def __getattr__(self, name):
            return getattr(os, name)

        def write(self, fd, data):
            if len(data) < 5:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written = os.write(fd, data[:-4])
            with open(path, "ab") as other:
                other.write(b"of another\n")
            return written

    monkeypatch.setattr(appended, "os", Full())
    with AppendedLines(str(path), WHAT) as lines, pytest.raises(NoSpace):
        lines.append(b"first\n")
    assert path.read_bytes() == b"fiof another\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_one_that_may_not_be_written(tmp_path):
    path = tmp_path / "list"
    path.touch(0o400)
    with pytest.raises(Forbidden):
        AppendedLines(str(path), WHAT)


def test_a_pipe(tmp_path):
    os.mkfifo(path := tmp_path / "fifo")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with AppendedLines(str(path), WHAT) as lines:
            lines.append(b"x\n")
            assert os.read(reader, 100) == b"x\n"
    finally:
        os.close(reader)


def test_the_file_itself(tmp_path):
    path = tmp_path / "list"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "list").write_bytes(b"")
    with AppendedLines(str(path), WHAT) as lines:
        os.link(path, tmp_path / "sub" / "linked")
        os.symlink("..", tmp_path / "sub" / "up")
        top = str(tmp_path)
        assert lines.is_at(top, (b"list",))
        assert lines.is_at(str(path), ())
        assert lines.is_at(top, (b"sub", b"up", b"list"))
        for other in ((b"sub", b"list"), (b"sub", b"nothing", b"list"), (b"sub", b"linked"), (b"sub",)):
            assert not lines.is_at(top, other)
