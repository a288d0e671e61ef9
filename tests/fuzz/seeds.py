"""Generator of the seeds of every target: `python -m tests.fuzz.seeds`. Its output is deterministic."""

from __future__ import annotations

import hashlib
from pathlib import Path

from secftp.crypto import Suite
from secftp.intervals import Intervals
from secftp.protocol import Direction
from secftp.storage.upload_map import PartMap, encode_map
from tests.fuzz.peers import END
from tests.model import zstd
from tests.protocol.test_codec import EXAMPLES, RUN
from tests.seamed.product import STORY, Seams

CORPUS = Path(__file__).parent / "corpus"


def keep(target: str, *inputs: bytes) -> None:
    directory = CORPUS / target
    directory.mkdir(parents=True, exist_ok=True)
    for data in inputs:
        (directory / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)


def handshakes() -> None:
    """The recordings of tests/seamed/product.py, whose draws the native targets make, too."""
    seams = Seams()
    import pytest

    from secftp.crypto import binding

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binding, "lib", seams.lib)
        patch.setattr(binding, "ffi", seams.ffi)
        for suite in Suite:
            for mode in (0, 1):
                recording = seams.record(suite, STORY, STORY[:1], mode)
                keep("hello", recording.client_hello)
                keep(
                    "py-hello", b"\0" + recording.client_hello, b"\7" + recording.client_hello + recording.client_finish
                )
                keep("py-reply", bytes([suite, 0]) + recording.server_hello, bytes([suite, 9]) + recording.server_hello)
                if mode:
                    keep("reply", bytes([suite]) + recording.server_hello)
                    keep("finish", bytes([suite]) + recording.client_finish)
    keep("py-hello", b"\0GET / HTTP/1.1\r\n", b"\1SECFTP\2", b"\0SECFTP\1\3\1" + bytes(116))
    for status in range(6):
        keep("py-reply", b"\1\0SECFTP\1" + bytes([status]) + bytes(4))


def proxies() -> None:
    """PROXY headers: those of the tests, and what follows one."""
    from tests.protocol.test_proxy_header import BAD, GOOD

    keep("py-proxy", *(header for header, _ in GOOD), *BAD, GOOD[0][0] + b"SECFTP\1")


def frames() -> None:
    """Plaintexts with their padding, as frames.c reads them: good ones, and ones that break a rule each."""
    plain = {
        "empty": (0).to_bytes(4) + b"\3\0\0\0",
        "payload": (5).to_bytes(4) + b"\3\0\0\0hello",
        "zeros": (2).to_bytes(4) + b"\3\0\0\0hi\0\0\0",
        "end": (0).to_bytes(4) + b"\4\1\0\0",
        "too much": (9).to_bytes(4) + b"\3\0\0\0hello",
        "flags": (0).to_bytes(4) + b"\3\2\0\0",
        "reserved": (0).to_bytes(4) + b"\3\0\1\0",
        "not zeros": (2).to_bytes(4) + b"\3\0\0\0hi\0\1\0",
        "long": (300).to_bytes(4) + b"\3\0\0\0" + bytes(range(256)) + bytes(44),
    }
    padded = {name: text + bytes([16 - len(text) % 16]) * (16 - len(text) % 16) for name, text in plain.items()}
    good = ("empty", "payload", "zeros", "long", "end")
    for suite in Suite:
        table = padded if suite else plain
        for step in (0, 1, 13):
            stream = b"".join(len(table[name]).to_bytes(2) + table[name] for name in good)
            for damage in (0, 1, 5, 9, 2, 3):
                keep("frames", bytes([suite, damage, step]) + stream)
            for text in table.values():
                keep("frames", bytes([suite, 0, step]) + len(text).to_bytes(2) + text)
        keep("frames", bytes([suite, 3, 0]) + (7).to_bytes(2) + bytes(7))
    keep("frames", bytes([1, 0, 0]) + (16).to_bytes(2) + b"\x10" * 16, bytes([1, 0, 0]) + (16).to_bytes(2) + bytes(16))


def messages() -> None:
    conversation = dict.fromkeys(Direction, b"")
    for _message, direction, number, flags, payload in EXAMPLES:
        bits = flags | (2 if direction is Direction.TO_SERVER else 0)
        keep("py-message", bytes([number, bits]) + payload)
        if len(payload) < 256:
            conversation[direction] += bytes([number, bits, len(payload)]) + payload
            keep("py-server", bytes([1, number & 0x3F, len(payload)]) + payload)
            keep("py-client", bytes([1, number & 0x3F, len(payload)]) + payload)
    keep("py-conversation", *conversation.values(), b"".join(conversation.values()))
    keep("py-conversation", conversation[Direction.TO_CLIENT][:90] + conversation[Direction.TO_SERVER])


def compressed() -> None:
    """Good frames of every kind of block, and some that break a rule each."""
    text = b"".join(b"line %d\n" % number for number in range(400))
    magic = b"\x28\xb5\x2f\xfd"
    frames = {
        "run": (1000, RUN),
        "raw": (3, magic + b"\x20\x03" + b"\x19\x00\x00" + b"abc"),
        "compressed": (len(text), zstd.compress(text, 3)),
        "compressed more": (len(text), zstd.compress(text, 19)),
        "two blocks": (4, magic + b"\x20\x04" + b"\x10\x00\x00ab" + b"\x11\x00\x00cd"),
        "empty last block": (2, magic + b"\x20\x02" + b"\x10\x00\x00ab" + b"\x01\x00\x00"),
        "other size": (999, RUN),
        "more behind it": (1000, RUN + b"!"),
        "window": (1000, magic + b"\x40\x88" + RUN[5:]),
        "dictionary": (1000, magic + b"\x61\x07" + RUN[5:]),
        "skipped": (4, b"\x50\x2a\x4d\x18\x04\0\0\0skip"),
    }
    for size, frame in frames.values():
        keep("py-compressed", size.to_bytes(3) + frame)
    keep("py-server", bytes([0, 0x42, 1]) + b"a" + bytes([0x07, 4 + len(RUN)]) + (1000).to_bytes(4) + RUN)
    keep("py-client", bytes([9, 0x42, 1]) + b"a" + bytes([0x07, 4 + len(RUN)]) + (1000).to_bytes(4) + RUN)


def sessions() -> None:
    """Each legal request by itself and with what belongs to it; each legal answer."""
    for which in range(19):
        for suite in Suite:
            keep("py-server", bytes([suite, 0x40 + which, 0, 0x80, 3]) + b"abc" + bytes([0xA0, 2]) + b"xy")
        keep("py-server", bytes([2, 0x40 + which, 9]) + b"folder/ab" + bytes([END, 0, 0x41, 1, 3, 6, 0]))
        keep(
            "py-server",
            bytes([0, 0x42, 2]) + b"ab" + bytes([0x80, 1]) + b"x" + bytes([0x40 + which, 1, 0, 0xF0, 3]) + b"xyz",
        )
    for size in (1, 5, 200):
        keep("py-server", bytes([2, 0x52, size]) + bytes(size) + bytes([0x80, 0, 0xA8, 1]) + b"x")
        keep("py-server", bytes([2, 0x51, size]) + bytes(size) + bytes([0x80, 0, 0xA8, 1, 0x50, 1, 0]) + b"x")
    for which in range(0x40, 0xA0):
        keep("py-client", bytes([which % 18, which, 2]) + b"ab" + bytes([0xA0, 1]) + b"x" + bytes([0xB0, 2]) + b"xx")
    keep("py-client", bytes([0, 0x40, 0, 0xF0, 5]) + b"bytes")


def texts() -> None:
    keep("py-path", b"a", b"a\xffb", b"..", b".", b"a\xff..\xffb", b"a/b", b"\0", b".secftp-x", b"x" * 255, b"x" * 256)
    keep("py-path", b"\xff".join([b"a"] * 64), b"\xff".join([b"a"] * 65), b"\xff", b"")
    keep(
        "py-url",
        b"secftp://example.org/file",
        b"secftp://joe@[2001:db8::7]:8888/folder/",
        b"secftp://h/a%2Fb",
        b"secftp://h/%00",
        b"secftp://h/../x",
        b"secftp://k:ey@h/",
        b"SECFTP://h:0/",
        b"host:99999",
        b"[fe80::1%25eth0]:1",
        b"secftp://h/\xff\xfe%zz",
        "secftp://ü@host/ä//b/".encode(),
    )
    keep(
        "py-remote",
        b"nas:a/b",
        b"joe@[fe80::1%eth0]:./a/",
        b"nas:../x",
        b"C:x",
        b"host:9000/x",
        b"secftp://nas/a%20b",
        b"./a:b",
        b"nas:~",
        b"http://h",
        "ü:\xff".encode(),
    )
    keep(
        "py-hosts",
        b'[hosts.nas]\nurl = "secftp://nas/a"\nkey-command = ["a", "b"]\n[default]\nstreams = 4\n',
        b'hosts = {nas = {url = "secftp://h", timeout = 1.5, limit-rate = "2M", key-file = "~/k"}}',
        b'[hosts.nas]\nurl = "secftp://h/"\ncipher = "none"\nretries = 3\nname = "joe"\nkeyring = "me"\n',
        b'[hosts.nas]\nurl = "x"\nkey = "k"\nciper = 1\n',
        b"\xef\xbb\xbf[hosts]\n",
        b"[[hosts]]\n[x.y]\n",
    )
    generated = b"0M9XT-2AB7C-34DEF-56GHJ-78KMN-4R"
    keys = (b"correct horse", generated, generated.replace(b"-", b"").lower(), "schlüssel".encode(), b" \t ", b"\xff")
    given = (
        b"\xef\xbb\xbfk\r\n",
        b"k\r",
        b"\xef\xbb\xbf\n",
        b"k\n\n",
        "key".encode("utf-16"),
        "key".encode("utf-16-le"),
    )
    keep("py-keytext", *keys, *given)
    keep(
        "py-keyfile",
        *(key + b"\n" for key in keys),
        b"",
        b"secftp-key-1 " + b"A" * 43 + b"=\n",
        b"k\r\n",
        b"\xef\xbb\xbfk",
        *given,
    )
    keep("py-shown", b"plain", b"\x1b[31m", "\u202ename\u200b".encode(), b"\x9b\xff\\", "ä\u2028".encode())


def maps() -> None:
    for ranges in ([], [(0, 5)], [(3, 7), (9, 2**62)], [(2 * number, 2 * number + 1) for number in range(40)]):
        text = encode_map(PartMap(bytes(range(16)), 2**63 - 1, Intervals(ranges)), 7)
        keep("py-map", bytes([7]) + text, bytes([7 | 0x80]) + text[:-16])


if __name__ == "__main__":
    handshakes()
    proxies()
    frames()
    messages()
    compressed()
    sessions()
    texts()
    maps()
    for directory in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        print(f"{directory.name:18} {sum(1 for _ in directory.iterdir())}")
