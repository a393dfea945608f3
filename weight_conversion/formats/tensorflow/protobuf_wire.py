"""The protobuf wire format, as far as checkpoints use it.

https://protobuf.dev/programming-guides/encoding: a message is a sequence of fields; a field is the
varint ``number << 3 | wire type`` and a value: a varint (type 0), 8 bytes (1), a varint length and
as many bytes (2), or 4 bytes (5). Groups (3, 4) are not used by any message here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from weight_conversion.formats.malformed import MalformedError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_WIDTH = {FIXED64: 8, FIXED32: 4}

Value = int | bytes
Schema = Mapping[int, tuple[str, int]]


def varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned varint of at most 64 bits.

    Args:
        data: where it stands.
        at: its first byte.

    Returns:
        The number, and where the next byte is.

    Raises:
        MalformedError: it runs over the end, or over 64 bits.
    """
    first = data[at] if at < len(data) else 0x80
    if first < 0x80:  # most of them
        return first, at + 1
    value = 0
    for i, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            if value >> 64:
                break
            return value, at + i + 1
    raise MalformedError("a varint of at most 64 bits", data[at : at + 10])


def signed(value: int) -> int:
    """A varint of the types int32 and int64: two's complement in 64 bits."""
    return value - (1 << 64) if value >> 63 else value


def fields(data: bytes) -> Iterator[tuple[int, int, Value]]:
    """Number, wire type and value of each field of a message, in order.

    Raises:
        MalformedError: a value beyond the end of the message, or a wire type that is not known.
    """
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, at = varint(data, at)
            yield number, wire, value
            continue
        if wire == BYTES:
            size, at = varint(data, at)
        elif wire in _WIDTH:
            size = _WIDTH[wire]
        else:
            raise MalformedError("a protobuf field of wire type 0, 1, 2 or 5", wire)
        if size > len(data) - at:
            expected = f"at most {len(data) - at} bytes in protobuf field {number}"
            raise MalformedError(expected, size)
        part = data[at : at + size]
        at += size
        yield number, wire, part if wire == BYTES else int.from_bytes(part, "little")


def message(data: bytes, schema: Schema) -> dict[str, list[Value]]:
    """The fields of a message by name; those that the schema does not know are left out.

    Args:
        data: the message.
        schema: name and wire type of each field number.

    Raises:
        MalformedError: as of :func:`fields`, or a field of another wire type than it has.
    """
    found: dict[str, list[Value]] = {}
    for number, wire, value in fields(data):
        if number not in schema:
            continue
        name, expected = schema[number]
        if wire != expected:
            raise MalformedError(f"wire type {expected} of the field {name}", wire)
        found.setdefault(name, []).append(value)
    return found


def number(found: Mapping[str, list[Value]], name: str) -> int:
    """The last value of a field of numbers, signed; 0 where it is not there."""
    value = found.get(name, [0])[-1]
    return signed(value) if isinstance(value, int) else 0


def parts(found: Mapping[str, list[Value]], name: str) -> list[bytes]:
    """All values of a field of strings, bytes or messages."""
    return [value for value in found.get(name, ()) if isinstance(value, bytes)]


def text(found: Mapping[str, list[Value]], name: str) -> str:
    """The last value of a field of text; empty where it is not there.

    Raises:
        MalformedError: it is not UTF-8.
    """
    return utf8((parts(found, name) or [b""])[-1], name)


def utf8(data: bytes, what: str) -> str:
    """Bytes as text.

    Raises:
        MalformedError: they are not UTF-8.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise MalformedError(f"{what} in UTF-8", data) from None
