"""`secftp ls` as the hands of a user of ls expect it: orders, columns, colours, hidden names, heads, sizes."""

from __future__ import annotations

import itertools
import json
import os
import random
import time

import pytest

from secftp.client import listing as listing_verb
from secftp.client import sorting
from secftp.client.colours import Colours, choose
from secftp.client.columns import in_columns, terminal_columns
from secftp.client.commands.ls import parse
from secftp.client.listing_text import quoted_path
from secftp.client.sizes import blocks, human_size
from secftp.client.sorting import ordered
from secftp.errors import ExitCode, TooLarge, UsageError
from secftp.protocol import Kind, Listed
from secftp.text import width
from tests.client.test_cli_du_df_cat import against, sick
from tests.client.test_cli_names import fill
from tests.support.command_line import place, run, started, terminal
from tests.support.serving import DEADLINE

__all__ = ["against"]
T = 1_700_000_000


def make(root, **files):
    """Files with a size and an age each."""
    for name, (size, age) in files.items():
        (root / name).write_bytes(bytes(size))
        os.utime(root / name, (T - age, T - age))


# --- orders -----------------------------------------------------------------------------------------------------------


def test_orders(secftp, root):
    make(root, b=(10, 3), a=(30, 2), c=(20, 1), d=(20, 1))
    for options, names in {
        (): "abcd", ("-r",): "dcba", ("-t",): "cdab", ("-tr",): "badc", ("-S",): "acdb", ("-Sr",): "bdca",
        ("-S", "-t"): "cdab", ("-t", "-S"): "acdb",
    }.items():  # fmt: skip
        secftp("ls", *options, "//").succeed(b"".join(name.encode() + b"\n" for name in names))
    assert sorted(secftp("ls", "-U", "//").output.split()) == [b"a", b"b", b"c", b"d"]
    rows = map(json.loads, secftp("ls", "-t", "--json", "//").output.splitlines())
    assert [row["path"] for row in rows] == list("cdab")


def test_numbers_in_names(secftp, root):
    fill(root, "img9", "img10", "img1.5", "a", "img", "10", "9", "img010")
    secftp("ls", "-v", "//").succeed(b"9\n10\na\nimg\nimg1.5\nimg9\nimg010\nimg10\n")
    fill(root, ".hidden")
    assert b".hidden" in secftp("ls", "-f", "//").output
    assert secftp("ls", "-pF", "//").output == secftp("ls", "//").output


def test_names_are_compared_by_their_bytes(secftp, root):
    fill(root, "b", "B", "a", "é", "10", "9")
    secftp("ls", "//").succeed("10\n9\nB\na\nb\né\n".encode())


def entries(count, seed=1):
    shuffled = random.Random(seed)
    return [
        Listed((b"%x" % number,), Kind.FILE, shuffled.randrange(9), shuffled.randrange(9)) for number in range(count)
    ]


@pytest.mark.parametrize("order", [sorting.BY_TIME, sorting.BY_SIZE, sorting.BY_NAME])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 1000])
def test_what_does_not_fit_is_sorted_in_parts(monkeypatch, order, reverse, count):
    monkeypatch.setattr(sorting, "RUN_ENTRIES", 100)
    given = entries(count)
    found = list(ordered(iter(given), order, 10_000, reverse=reverse))
    assert found == sorted(given, key=sorting.KEYS[order], reverse=reverse)


def test_an_order_that_was_asked_for_is_kept_or_is_a_failure(monkeypatch):
    """By name a listing without an end is printed as it comes; newest first it can't be."""
    endless = (Listed((b"%x" % number,), Kind.FILE) for number in itertools.count())
    assert len(list(itertools.islice(ordered(endless, sorting.BY_NAME, 100, reverse=False), 1000))) == 1000
    monkeypatch.setattr(sorting, "BUDGET_BYTES", 200_000)
    monkeypatch.setattr(sorting, "RUN_ENTRIES", 1000)
    with pytest.raises(TooLarge):
        next(ordered(endless, sorting.BY_TIME, 100, reverse=False))


def test_without_an_order_nothing_is_kept():
    endless = (Listed((b"%x" % number,), Kind.FILE) for number in itertools.count())
    assert next(ordered(endless, sorting.UNSORTED, 100, reverse=True)).path == (b"0",)
    assert next(endless).path == (b"1",)


# --- which names ------------------------------------------------------------------------------------------------------


def test_hidden_names(secftp, root):
    fill(root, ".hidden/x", ".file", "file", "folder/.below", "folder/y")
    secftp("ls", "//").succeed(b"file\nfolder/\n")
    for all_of_them in ("-a", "-A", "--all"):
        secftp("ls", all_of_them, "//").succeed(b".file\n.hidden/\nfile\nfolder/\n")
    secftp("ls", "-R", "//").succeed(b"file\nfolder/\nfolder/y\n")
    secftp("ls", "-CR", "//").succeed(b"/:\nfile  folder/\n\nfolder:\ny\n")
    secftp("ls", "//.hidden").succeed(b"x\n")
    rows = map(json.loads, secftp("ls", "-R", "--json", "//").output.splitlines())
    assert {row["path"] for row in rows} == {
        ".file",
        ".hidden",
        ".hidden/x",
        "file",
        "folder",
        "folder/.below",
        "folder/y",
    }


def test_directories_themselves(secftp, root):
    fill(root, "a/x", "b")
    secftp("ls", "-d", "//a", "//b", "//").succeed(b"/\na/\nb\n")
    secftp("ls", "-dR", "//a").succeed(b"a/\n")
    (row,) = map(json.loads, secftp("ls", "-d", "--json", "//a/").output.splitlines())
    assert (row["path"], row["kind"]) == ("a", "folder")
    secftp("ls", "-d", "//b/").expect(ExitCode.NOT_FOUND, "it is a file")


def test_files_precede_directories_and_each_directory_has_a_head(secftp, root):
    fill(root, "b/x", "a/y", "z", "m")
    found = secftp("ls", "//b", "//z", "//none", "//a", "//m")
    assert (found.code, found.output) == (ExitCode.FAILED, b"m\nz\n\na:\ny\n\nb:\nx\n")
    secftp("ls", "-R", "//b", "//a").succeed(b"a:\ny\n\nb:\nx\n")
    secftp("ls", "-U", "//b", "//a").succeed(b"b:\nx\n\na:\ny\n")


def test_objects_of_several_are_in_the_order_of_the_operands(secftp, root):
    fill(root, "b/x", "b/c/", "a/y", "z", "m")
    for options in ([], ["-R"], ["-RC"]):
        found = secftp("ls", "--json", *options, "//b", "//z", "//none", "//a", "//m")
        assert found.code == ExitCode.FAILED
        assert [json.loads(line)["path"] for line in found.output.splitlines()] == ["c", "x", "z", "y", "m"]


def test_wildcards(secftp, root):
    fill(root, "a/x", "ab", "c")
    secftp("ls", "//a*").succeed(b"ab\n\na:\nx\n")
    secftp("ls", "-d", "//a*").succeed(b"a/\nab\n")


def test_a_tree_has_heads_in_columns_and_paths_in_a_pipe(secftp, root):
    fill(root, "b/c/x", "b/d/", "a", "b/y")
    secftp("ls", "-R", "//").succeed(b"a\nb/\nb/c/\nb/c/x\nb/d/\nb/y\n")
    secftp("ls", "-RC", "//").succeed(b"/:\na  b/\n\nb:\nc/  d/  y\n\nb/c:\nx\n\nb/d:\n")
    secftp("ls", "-RCr", "//b").succeed(b"b:\ny  d/  c/\n\nb/d:\n\nb/c:\nx\n")
    secftp("ls", "-RC", "//b", "//a").succeed(b"a\n\nb:\nc/  d/  y\n\nb/c:\nx\n\nb/d:\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every directory")
def test_a_directory_that_can_not_be_entered_has_no_head(secftp, root):
    fill(root, "closed/x", "open/y")
    os.chmod(root / "closed", 0)
    try:
        found = secftp("ls", "-RC", "//")
    finally:
        os.chmod(root / "closed", 0o700)
    assert (found.code, found.output) == (ExitCode.FAILED, b"/:\nclosed/  open/\n\nopen:\ny\n")
    assert "closed" in found.errors


def test_what_can_not_be_listed_is_told_and_has_no_head(against):
    found = against(sick, "ls", "-RC", "//")
    whole = b"/:\nbad/  f  good/\n\nbad:\nclosed/  open/  y\n\nbad/open:\nz\n\ngood:\nx\n"
    assert (found.code, found.output) == (ExitCode.FAILED, whole)
    assert "bad/closed: permission denied" in found.errors
    found = against(sick, "ls", "-C", "//bad/closed", "//good")
    assert (found.code, found.output) == (ExitCode.FAILED, b"good:\nx\n")


def test_blocks_of_a_long_listing_are_all_printed(secftp, root, monkeypatch):
    fill(root, *map(str, range(30)))
    monkeypatch.setattr(listing_verb, "_COLUMN_BLOCK", 7)
    monkeypatch.setattr(listing_verb, "_BLOCK", 4)
    for options in ([], ["-C"], ["-l"], ["--json"], ["-U"]):
        assert len(secftp("ls", *options, "//").output.split()) >= 30


# --- sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "binary", "decimal"),
    [
        (0, "0", "0"), (1, "1", "1"), (999, "999", "999"), (1000, "1000", "1.0k"), (1023, "1023", "1.1k"),
        (1024, "1.0K", "1.1k"), (1025, "1.1K", "1.1k"), (10137, "9.9K", "11k"), (10138, "10K", "11k"),
        (10240, "10K", "11k"), (10241, "11K", "11k"), (1023 * 1024, "1023K", "1.1M"),
        (1023 * 1024 + 1, "1.0M", "1.1M"), (1 << 20, "1.0M", "1.1M"), (999_000, "976K", "999k"),
        (999_001, "976K", "1.0M"), (5 << 30, "5.0G", "5.4G"), ((1 << 63) - 1, "8.0E", "9.3E"),
    ],
)  # fmt: skip
def test_sizes_are_those_of_coreutils(size, binary, decimal):
    assert (human_size(size), human_size(size, 1000)) == (binary, decimal)


def test_blocks_are_rounded_up():
    assert [blocks(size, 1024) for size in (0, 1, 1024, 1025)] == ["0", "1", "1", "2"]


def test_long_listings_with_sizes_for_people(secftp, root):
    make(root, a=(5, 0), b=(123_456, 0))
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(T))
    os.chmod(root / "a", 0o640)
    os.chmod(root / "b", 0o640)
    secftp("ls", "-lh", "//").succeed(f"-rw-r-----    5 {when} a\n-rw-r----- 121K {when} b\n".encode())
    secftp("ls", "-l", "--si", "//").succeed(f"-rw-r-----    5 {when} a\n-rw-r----- 124k {when} b\n".encode())
    assert b"usage: secftp ls" in secftp("ls", "--help").output


# --- columns ----------------------------------------------------------------------------------------------------------


def laid_out(names, columns):
    return list(in_columns(names, names, columns))


def test_columns_are_filled_from_top_to_bottom():
    names = [f"{number:02}" for number in range(10)]
    assert laid_out(names, 80) == ["  ".join(names)]
    assert laid_out(names, 10) == ["00  04  08", "01  05  09", "02  06", "03  07"]
    assert laid_out(names, 9) == ["00  05", "01  06", "02  07", "03  08", "04  09"]
    assert laid_out(names, 1) == names
    assert laid_out([], 80) == []
    assert laid_out(["a name that is too long", "b"], 10) == ["a name that is too long", "b"]


def test_columns_count_what_a_terminal_shows():
    names = ["日本語", "e\u0301", "abc", "x"]  # six columns, one, three, one
    assert list(map(width, names)) == [6, 1, 3, 1]
    assert laid_out(names, 11) == ["日本語  abc", "e\u0301       x"]


def test_no_line_is_wider_than_the_terminal_and_no_name_is_lost():
    shuffled = random.Random(7)
    for _ in range(300):
        names = [chr(97 + number % 26) * shuffled.randrange(1, 30) for number in range(shuffled.randrange(1, 60))]
        columns = shuffled.randrange(30, 200)
        lines = laid_out(names, columns)
        assert max(map(len, lines)) <= columns
        assert sorted(" ".join(lines).split()) == sorted(names)


@pytest.mark.parametrize(("text", "columns"), [("120", 120), ("", 80), ("0", 80), ("x", 80), ("-4", 80), ("9" * 9, 80)])
def test_the_width_of_what_is_no_terminal(text, columns):
    with open(os.devnull) as nothing:
        assert terminal_columns(nothing.fileno(), {"COLUMNS": text}) == columns
        assert terminal_columns(nothing.fileno(), {}) == 80


def test_how_options_go_together():
    def look(*options):
        return parse([*options, "secftp://host/"])

    assert (look("-1").one, look("-C").columns, look().color) == (True, True, "auto")
    assert (look("--color").color, look("--color=never").color) == ("always", "never")
    assert look("-lrtS").order == "size"
    assert parse(["--color", "secftp://host/a"]).urls[0].path == (b"a",), "it takes no word"
    for wrong in ("--color=some", "--colour", "-h4"):
        with pytest.raises(UsageError):
            look(wrong)


def test_columns_and_lines(secftp, root):
    fill(root, "a", "b")
    secftp("ls", "-C", "//").succeed(b"a  b\n")
    secftp("ls", "-C1", "//").succeed(b"a\nb\n")
    assert secftp("ls", "-lC", "//").output.count(b"\n") == 2


# --- names on a terminal ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"plain-name_1.txt", "plain-name_1.txt"), (b"a b", "'a b'"), (b"it's", '"it\'s"'), (b"$x", "'$x'"),
        (b"it's $x", r"$'it\'s $x'"), (b"new\nline", r"$'new\nline'"), (b"\x1b[2J", r"$'\x1b[2J'"),
        (b"\xff\xfe", r"$'\xff\xfe'"), (b"back\\slash", r"$'back\\slash'"), ("é日".encode(), "é日"), (b"#a", "'#a'"),
        (b"a#", "a#"), (b"~", "'~'"), (b"=x", "'=x'"), (b"*", "'*'"), ("a\u202eb".encode(), r"$'a\u202eb'"),
        (b"a=b,c+d@e%", "a=b,c+d@e%"),
    ],
)  # fmt: skip
def test_names_are_quoted_for_a_shell(name, shown):
    assert quoted_path((name,)) == shown


def test_what_the_terminal_can_not_show_is_escaped_and_counted():
    """As everything that is printed; columns have to know before."""
    assert quoted_path(("é".encode(),), "ascii") == r"$'\u00e9'"
    assert quoted_path(("é".encode(),), "latin-1") == "é"


def test_a_shell_reads_what_is_shown(tmp_path):
    import subprocess

    names = [b"a b", b"it's", b'it\'s $x `id` "q"', b"new\nline\ttab", b"\x1b[2J", b"\xff\xfe'", b"back\\slash", b"~"]
    words = " ".join(quoted_path((name,)) for name in names)
    shell = subprocess.run(["bash", "-c", f"printf '%s\\0' {words}"], stdout=subprocess.PIPE, check=True)
    assert shell.stdout.split(b"\0")[:-1] == names


# --- colours ----------------------------------------------------------------------------------------------------------


def painted(text, name, kind=Kind.FILE, mode=0o644):
    shown = Colours(text).paint("NAME", name, kind, mode)
    assert shown in ("NAME", f"\x1b[{shown[2:].partition('m')[0]}mNAME\x1b[0m")
    return "" if shown == "NAME" else shown[2:].partition("m")[0]


def test_colours_of_ls_without_ls_colors():
    assert painted("", b"d", Kind.DIRECTORY, 0o755) == "01;34"
    assert painted("", b"d", Kind.DIRECTORY, 0o1777) == "30;42"
    assert painted("", b"d", Kind.DIRECTORY, 0o777) == "34;42"
    assert painted("", b"d", Kind.DIRECTORY, 0o1755) == "37;44"
    assert painted("", b"f") == ""
    assert painted("", b"f", mode=0o755) == painted("", b"f", mode=0o001) == "01;32"
    assert painted("", b"f", mode=0o4755) == "37;41"
    assert painted("", b"f", mode=0o2755) == "30;43"


def test_colours_of_ls_colors():
    text = "*.tar=01;31:*.TGZ=31:*.Z=1:*.z=2:*README=4:di=38;5;33:ex=00:fi=2:*~=90:*.tar=01;35"
    assert painted(text, b"a.tar") == "01;35", "the last one counts"
    assert painted(text, b"a.TAR") == "01;35", "in either case"
    assert painted(text, b"a.tgz") == "31"
    assert (painted(text, b"a.Z"), painted(text, b"a.z")) == ("1", "2")
    assert painted(text, b"README") == painted(text, b"xREADME") == "4"
    assert painted(text, b"tar") == "2"
    assert painted(text, b"x~") == "90"
    assert painted(text, b"a.tar", mode=0o755) == "", "executable comes before the end of the name"
    assert painted(text, b"d.tar", Kind.DIRECTORY, 0o755) == "38;5;33"
    assert painted("di=", b"d", Kind.DIRECTORY, 0o755) == ""


def test_nothing_but_colours_comes_from_ls_colors():
    for evil in ("di=0m\x1b]0;x\x07", "di=\x1b[2J", "di=31x", "di", "=31", "::", "*=", "di=1 "):
        assert painted(evil, b"d", Kind.DIRECTORY, 0o755) == "01;34"


@pytest.mark.parametrize(
    ("when", "environment", "is_terminal", "expected"),
    [
        ("auto", {"TERM": "xterm"}, True, True), ("auto", {"TERM": "xterm"}, False, False),
        ("auto", {"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ("auto", {"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ("auto", {"TERM": "dumb"}, True, False), ("auto", {}, True, False), ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"TERM": "xterm"}, True, False),
    ],
)  # fmt: skip
def test_when_there_are_colours(when, environment, is_terminal, expected):
    assert (choose(when, environment, is_terminal=is_terminal) is not None) == expected


def test_colours_in_a_pipe_when_asked_for(secftp, root, monkeypatch):
    monkeypatch.setenv("LS_COLORS", "di=36")
    monkeypatch.setenv("NO_COLOR", "1")
    fill(root, "d/", "f")
    secftp("ls", "--color", "//").succeed(b"\x1b[36md\x1b[0m/\nf\n")
    secftp("ls", "--color=auto", "//").succeed(b"d/\nf\n")


# --- on a terminal, and through a pipe --------------------------------------------------------------------------------


def test_on_a_terminal(secftp, root, tmp_path):
    fill(root, "d/", "a b", b"\x1b[2J", *map(str, range(30)))
    server = place(secftp.server)
    with terminal() as (slave, screen):
        arguments = ["ls", "--key-file", "key", f"secftp://{server}/"]
        changes = {"TERM": "xterm", "COLUMNS": "40"}
        with started(tmp_path, *arguments, stdout=slave, stderr=slave, keyed=False, changes=changes) as client:
            assert client.wait(DEADLINE) == 0
    shown = screen.text
    assert "\x1b[01;34md\x1b[0m/" in shown
    assert "'a b'" in shown
    assert "$'\\x1b[2J'" in shown
    assert "\x1b[2J" not in shown
    assert shown.count("\n") < 20


@pytest.mark.parametrize(
    "line",
    ["ls U", "ls --json U", "stat Uf", "sum Uf", "get Uf -", "get -q Uf -", "--help", "ls --help"],
)
def test_a_reader_that_went_away_is_no_reason_to_complain(secftp, root, tmp_path, line):
    fill(root, "f", contents=b"x" * 3_000_000)
    url = f"secftp://{place(secftp.server)}/"
    words = [url + word[1:] if word.startswith("U") else word for word in line.split()]
    key = ["--key-file", "key"] if "U" in line else []
    reader, writer = os.pipe()
    os.close(reader)
    try:
        found = run(tmp_path, words[0], *key, *words[1:], stdout=writer, keyed=False)
    finally:
        os.close(writer)
    assert (found.code, found.errors) == (ExitCode.BROKEN_PIPE, "")
