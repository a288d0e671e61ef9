"""The bound on nesting, for the parts of a message that no structure describes.

A value of a known field is as deep as its type. What the type does not describe (unknown fields, and elements beyond
those that an array's structure has) is ignored, but bounded: a value in it may be nested `MAX_NESTING` levels deep.
Counting is done here, and not left to the interpreter's recursion limit, which differs between versions of Python.

Invariant: the result depends on the payload alone. The payload has been decoded before, so it is well-formed.

Source: the MessagePack specification, section "Formats"; docs/PROTOCOL.md, section 8.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from secftp.messages.bounds import MAX_NESTING
from secftp.messages.schema import Entries, Files, Limits, Listed, NewFile, SmallFile, Welcome, WriteMany


def _scalar_sizes() -> bytes:
    """Bytes that a value takes in all, by its first byte; 0 where that byte alone does not tell."""
    sizes = bytearray(256)
    for first in (*range(0x80), *range(0xE0, 0x100), 0xC0, 0xC1, 0xC2, 0xC3):  # fixint, nil, false, true
        sizes[first] = 1
    for first in range(0xA0, 0xC0):  # fixstr
        sizes[first] = 1 + (first & 0x1F)
    for first, size in enumerate((5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 3, 4, 6, 10, 18), start=0xCA):  # float to fixext 16
        sizes[first] = size
    return bytes(sizes)


_SCALARS: Final = _scalar_sizes()
# First byte to (width of the length, bytes between it and the content).
_SIZED: Final = {
    0xC4: (1, 0),  # bin
    0xC5: (2, 0),
    0xC6: (4, 0),
    0xC7: (1, 1),  # ext: its type byte
    0xC8: (2, 1),
    0xC9: (4, 1),
    0xD9: (1, 0),  # str
    0xDA: (2, 0),
    0xDB: (4, 0),
}
# First byte to (width of the count, values for each counted element): arrays, and maps with a key and a value each.
_COUNTED: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
_FIXARRAY: Final = 0x90
_FIXMAP_COUNT: Final = 0x0F


def nested_deeper_than(levels: int, value: memoryview) -> bool:
    """Tell whether a well-formed MessagePack value is nested deeper than `levels`; a scalar has none, `[]` has one."""
    position, remaining = 0, 1
    enclosing: list[int] = []  # how many values still follow in each enclosing container
    while True:
        while not remaining:
            if not enclosing:
                return False
            remaining = enclosing.pop()
        remaining -= 1
        first = value[position]
        if size := _SCALARS[first]:
            position += size
            continue
        if sized := _SIZED.get(first):
            width, extra = sized
            position += 1 + width + extra + int.from_bytes(value[position + 1 : position + 1 + width])
            continue
        if len(enclosing) == levels:
            return True
        enclosing.append(remaining)
        if counted := _COUNTED.get(first):
            width, each = counted
            remaining = int.from_bytes(value[position + 1 : position + 1 + width]) * each
            position += 1 + width
        else:
            remaining = (first & _FIXMAP_COUNT) * (1 if first >= _FIXARRAY else 2)
            position += 1


def _outline(struct: type[msgspec.Struct], *, array_like: bool) -> Any:
    """A structure of the same fields that accepts any value in them, and no further one."""
    fields = [(name, msgspec.Raw, msgspec.Raw()) for name in struct.__struct_fields__]
    return msgspec.defstruct(struct.__name__, fields, array_like=array_like, forbid_unknown_fields=True)


def _arrays_of(struct: type[msgspec.Struct]) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(list[_outline(struct, array_like=True)])  # type: ignore[misc]


# Fields whose values have structures of their own, which may hold more than this release knows.
_INNER: Final[dict[tuple[type[msgspec.Struct], str], msgspec.msgpack.Decoder[Any]]] = {
    (Entries, "entries"): _arrays_of(Listed),
    (Files, "files"): _arrays_of(SmallFile),
    (Welcome, "limits"): msgspec.msgpack.Decoder(_outline(Limits, array_like=False)),
    (WriteMany, "files"): _arrays_of(NewFile),
}


def is_too_deep(message: msgspec.Struct, fields: dict[str, msgspec.Raw]) -> bool:
    """Tell whether a value in a decoded message is nested deeper than `MAX_NESTING` levels.

    `fields` are the same message's fields as they came, the unknown ones included.
    """
    struct = type(message)
    known = struct.__struct_fields__
    return any(
        nested_deeper_than(MAX_NESTING, memoryview(raw))
        for name, raw in fields.items()
        if name not in known or ((struct, name) in _INNER and not _is_outlined(_INNER[struct, name], raw))
    )


def _is_outlined(outline: msgspec.msgpack.Decoder[Any], raw: msgspec.Raw) -> bool:
    """Tell whether a field's value holds nothing but what its structures know."""
    try:
        outline.decode(raw)
    except msgspec.ValidationError:
        return False
    return True
