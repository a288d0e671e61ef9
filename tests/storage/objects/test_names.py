"""Keys, metadata and URLs: what they are made of, and what is refused."""

from __future__ import annotations

import pytest

from secftp.errors import NameRefused, Reason, UsageError
from secftp.protocol import Algorithm
from secftp.storage.objects import is_object_url, open_objects
from secftp.storage.objects.keys import Key, Keys, is_reserved, reserved
from secftp.storage.objects.metadata import Metadata, decode


@pytest.mark.parametrize(
    "name", ["ä", "a%b", "a+b", "sp ace", "q?x#y", "~", "\x85", "e\u0301", "*", "\\", "\N{GRINNING FACE}"]
)
def test_a_name_is_in_the_key_as_it_is(name):
    assert Keys().of((b"d", name.encode())) == Key(f"d/{name}", (b"d", name.encode()))


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ((b"\xff",), Reason.NAME_ENCODING),
        ((b"a", b"b\xc3"), Reason.NAME_ENCODING),
        ((b"a\tb",), Reason.NAME_ENCODING),
        ((b"a\x7f",), Reason.NAME_ENCODING),
        ((b".secftp-x",), Reason.RESERVED_NAME),
        ((b"a", b".secftp-directory"), Reason.RESERVED_NAME),
        ((b".secftp-digest", b"x"), Reason.RESERVED_NAME),
        ((b"n" * 250,) * 5, Reason.NAME_TOO_LONG),
        ((b"..",), None),
        ((b".",), None),
        ((b"",), Reason.NAME_TOO_LONG),
        ((b"a/b",), None),
    ],
)
def test_what_is_no_name_of_an_object_is_refused(path, reason):
    keys = Keys((b"top",))
    for make in (keys.of, keys.below, keys.marker):
        with pytest.raises(NameRefused) as raised:
            make(path)
        assert raised.value.reason is reason
        assert "top" not in str(raised.value)


def test_a_key_and_the_marker_of_a_directory_fit_into_a_key_whatever_is_in_front():
    for taken, prefix in ((0, ()), (100, ()), (100, (b"p" * 200,))):
        keys = Keys(prefix, taken)
        path = (b"n" * 250,) * 2
        room = 1024 - taken - len(keys.marker(path).text.encode())
        longest = (*path, b"m" * (min(room, 255) - 1))
        assert taken + len(keys.marker(longest).text.encode()) <= 1024
    with pytest.raises(NameRefused):
        Keys((), 1024 - 50).of((b"n" * 40,))
    for taken in (0, 100):
        keys = Keys((), taken)
        with pytest.raises(NameRefused):
            keys.of((*path, b"m" * 255, b"m" * 255))


def test_keys_beneath_a_directory_are_those_of_the_store_above():
    keys = Keys((b"a",)).beneath((b"b", b"c"))
    assert keys.of((b"d",)).text == "a/b/c/d"
    assert keys.below(()) == "a/b/c/"
    assert keys.marker(()).text == "a/b/c/.secftp-directory"
    assert Keys().below(()) == ""
    assert reserved("tmp", "x").text == ".secftp-tmp/x"
    assert is_reserved(".secftp-tmp")
    assert not is_reserved("secftp")


def test_metadata_are_decoded_as_they_were_encoded():
    for found in (
        Metadata(),
        Metadata(-1, 0o7777, (Algorithm.XXH128, bytes(range(16))), 0, "0123456789abcdef" * 2),
        Metadata(2**63 - 1, 0, (Algorithm.SHA256, bytes(32)), 2**63 - 1),
    ):
        encoded = found.encoded()
        assert decode(encoded) == found
        assert all(name.isalpha() and name.islower() for name in encoded)
        assert all(value.isascii() and value.isprintable() for value in encoded.values())


@pytest.mark.parametrize(
    "found",
    [
        {"secftpmtime": "x"}, {"secftpmtime": "9" * 30}, {"secftpmtime": "1.5"}, {"secftpmtime": "\u0661"},
        {"secftpmtime": str(2**63)}, {"secftpmode": "999"}, {"secftpmode": "-1"}, {"secftpmode": "77777"},
        {"secftpdigest": "xxh128:00"}, {"secftpdigest": "none:" + "00" * 16}, {"secftpdigest": "xxh128:" + "0" * 33},
        {"secftpsize": ""}, {"secftpupload": "x" * 32}, {"secftpupload": "0" * 31}, {"other": "1"},
    ],
)  # fmt: skip
def test_what_others_have_written_there_counts_as_nothing(found):
    assert decode(found) == Metadata()


@pytest.mark.parametrize(
    "url", ["s3://b", "s3a://b/p", "gs://b/p/q", "az://c", "azure://c", "abfs://c@a.example/p", "S3://b"]
)
def test_urls_of_object_stores_are_recognised(url):
    assert is_object_url(url)


@pytest.mark.parametrize("text", ["/srv", "s3:/b", "s3", "./s3://b", "https://b", "secftp://h", "", "s3//b"])
def test_anything_else_is_none(text):
    assert not is_object_url(text)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://key:secret@bucket/p", "no user and no password"),
        ("s3://key@bucket/p", "no user and no password"),
        ("abfs://c:secret@a.example/p", "no user and no password"),
        ("az://c/p?sig=secret", "no query"),
        ("s3://b/p#secret", "no query"),
        ("s3://", "names a bucket"),
        ("s3://b:80/secret", "no port"),
        ("s3://b/secret/../p", "an empty name"),
        ("s3://b/secret/%2e%2E/p", "an empty name"),
        ("s3://b/secret/.%2e", "an empty name"),
        ("s3://b/secret%2F..%2Fp", "an empty name"),
        ("s3://b/%2e/secret", "an empty name"),
        ("s3://b/secret//", "an empty name"),
        ("s3://b/secret/.\t./p", "control character"),
        ("s3://b\n/secret", "control character"),
        ("s3://b/secret%00", "control character"),
        ("s3://b/.secftp-digest/secret", "those of secftp itself"),
        ("s3://b/p/%2esecftp-tmp", "those of secftp itself"),
        ("s3:///secret", "names a bucket"),
        ("abfs://@a.example/secret", "names a bucket"),
        ("https://secret/", "no object store"),
    ],
)
def test_a_url_with_too_much_or_too_little_is_refused_without_being_shown(url, words):
    with pytest.raises(UsageError, match=words) as raised:
        open_objects(url)
    assert raised.value.hint
    assert "secret" not in str(raised.value) + raised.value.hint
