"""File of named keys: its syntax, and the refusal of the whole file if one entry is invalid."""

from __future__ import annotations

import pytest

from secftp.errors import KeyFormatError
from secftp.keys.named import PRESETS, read_keys
from tests.support.recorded_password import material, recorded

__all__ = ["recorded"]

SECRET = "correct horse battery staple"


@pytest.fixture
def keys(tmp_path):
    """A function that writes the file and reads it."""

    def read(text, mode=0o600):
        path = tmp_path / "keys.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        return read_keys(path)

    return read


def entry(rights='"read-only"', more=f'key = "{SECRET}"', name="name"):
    return f"[{name}]\n{more}\nrights = {rights}\n"


def test_all_that_an_entry_may_say(recorded, keys, tmp_path):
    (tmp_path / "beside.key").write_text("the other key\n")
    (tmp_path / "beside.key").chmod(0o600)
    found = keys(
        entry('["read", "write"]', f'key = "{SECRET}"\nfolder = "a/./b//"', '"name with blanks"')
        + entry('"drop-box"', 'key-file = "beside.key"', "other")
    )
    assert list(found) == ["name with blanks", "other"]
    first, second = found.values()
    assert (first.folder, first.rights) == ((b"a", b"b"), {"read", "write"})
    assert (second.folder, second.rights) == ((), {"write"})
    assert material(first.key) == ("text", SECRET.encode())
    assert material(second.key) == ("text", b"the other key")


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(keys, preset):
    assert keys(entry(f'"{preset}"'))["name"].rights == PRESETS[preset]


def test_a_name_may_be_as_long_as_the_hello_has_room(keys):
    assert list(keys(entry(name='"' + "ä" * 16 + '"'))) == ["ä" * 16]


BROKEN = {
    "empty": "",
    "no TOML": "[name",
    "not UTF-8": b'[name]\nkey = "\xff"\n',
    "no table": f'name = "{SECRET}"\n',
    "an array of tables": f'[[name]]\nkey = "{SECRET}"\n',
    "no key": '[name]\nrights = "full"\n',
    "two keys": entry(more=f'key = "{SECRET}"\nkey-file = "x"'),
    "a key that is a number": entry(more="key = 12345"),
    "an empty key": entry(more='key = ""'),
    "a mistyped key": entry(more='key = "00000-00000-00000-00000-00000-01"'),
    "a key file that is missing": entry(more='key-file = "none"'),
    "no rights": f'[name]\nkey = "{SECRET}"\n',
    "no rights at all": entry("[]"),
    "unknown rights": entry('["read", "rite"]'),
    "rights that are no texts": entry("[1]"),
    "rights that are lists": entry('[["read"]]'),
    "rights that are tables": entry("[{read = true}]"),
    "nested too deep": "deep = " + "[" * 100_000,
    "an unknown preset": entry('"everything"'),
    "an unknown field": entry(more=f'key = "{SECRET}"\n"{SECRET}" = 1'),
    "a directory above": entry(more=f'key = "{SECRET}"\nfolder = "a/../.."'),
    "an absolute directory": entry(more=f'key = "{SECRET}"\nfolder = "/etc"'),
    "a directory with a NUL": entry(more=f'key = "{SECRET}"\nfolder = "a\\u0000b"'),
    "a directory that is a list": entry(more=f'key = "{SECRET}"\nfolder = ["a"]'),
    "no name": entry(name='""'),
    "a name too long": entry(name="n" * 33),
    "a name with a NUL": entry(name='"a\\u0000"'),
    "a name twice": entry() + entry(),
    "longer than 1 MiB": entry() + "#" * (1 << 20),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_can_not_be_right_is_refused_and_nothing_of_it_shown(keys, case):
    with pytest.raises(KeyFormatError) as failure:
        keys(BROKEN[case])
    told = str(failure.value) + failure.value.hint
    assert not [word for word in SECRET.split() if word in told.replace("keys", "")], told
    assert str(failure.value).endswith(".")
    assert "\n" not in str(failure.value)
    chain = failure.value
    while chain is not None:
        assert SECRET not in repr(vars(chain)), "what was raised carries the file along"
        chain = chain.__context__


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666])
def test_a_file_that_others_may_read_or_write_is_refused(keys, mode):
    with pytest.raises(KeyFormatError, match="accessible to other users"):
        keys(entry(), mode)


def test_where_the_mistake_is_is_told(keys):
    with pytest.raises(KeyFormatError, match="at line 3"):
        keys(f'[name]\nkey = "{SECRET}"\nrights\n')
    with pytest.raises(KeyFormatError, match=r"\[name\]: rights are missing"):
        keys(f'[name]\nkey = "{SECRET}"\n')
