"""Files that promise more than they hold, for the tests of everything that reads one."""

from __future__ import annotations

import functools
import io
import json
import struct
import time
import tracemalloc
import warnings
import zipfile
import zlib

import pytest

from jaxattack.types import InputError

SECONDS, MEMORY = 5.0, 100 << 20


def refused(name, read):
    """That a file is refused in a sentence, soon and without taking memory."""
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(InputError) as caught:
            read()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = str(caught.value)
    assert said.isprintable(), (name, said)
    assert len(said) < 1000, name
    assert time.process_time() - started < SECONDS, name
    assert peak < MEMORY, name
    return said


def npy(shape, descr="'<f8'", data=b"", order=False, version=1, pad=0):
    """An .npy whose header says whatever it is told to."""
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}{' ' * pad}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text + data


def packed(members, method=zipfile.ZIP_STORED):
    """An archive of members, each a name and its bytes; names may repeat."""
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as archive:
        warnings.simplefilter("ignore")  # a name that repeats
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


def lying(name, size):
    """An archive whose directory says that a member of few bytes unpacks to many."""
    data = bytearray(packed([(f"{name}.npy", npy("(4,)", data=bytes(32)))]))
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(signature) + place
        data[at : at + 4] = struct.pack("<I", size)
    return bytes(data)


def directory(entries):
    """An archive with so many names and no data."""
    name = b"a" * 200
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name
    body = b"PK\x03\x04" + bytes(26) + entry * entries
    return (
        body
        + b"PK\x05\x06"
        + struct.pack("<HHHHIIH", 0, 0, entries % 65536, entries % 65536, len(entry) * entries, 30, 0)
    )


@functools.cache
def deflated(size):
    """Zeros of an array of so many numbers as a member holds them, their CRC-32 and the bytes they unpack to."""
    data = npy(f"({size},)", data=bytes(8 * size))
    packing = zlib.compressobj(wbits=-15)
    return packing.compress(data) + packing.flush(), zlib.crc32(data), len(data)


def bomb(name, size):
    """An archive of zeros, written by hand: they are packed once for all names."""
    data, check, unpacked = deflated(size)
    fields = struct.pack("<HHHHHIIIHH", 20, 0, zipfile.ZIP_DEFLATED, 0, 33, check, len(data), unpacked, len(name), 0)
    body = b"PK\x03\x04" + fields + name.encode() + data
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + fields + bytes(14) + name.encode()
    return body + entry + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(body), 0)


def archives(name: str) -> dict[str, bytes]:
    """Hostile .npz files that have an array of this name."""
    member = f"{name}.npy"

    def one(data: bytes) -> bytes:
        return packed([(member, data)])

    return {
        "a header of 10^12 numbers": one(npy("(1000000000000,)")),
        "a header of 10^600 numbers": one(npy(f"(1{'0' * 600},)")),
        "no numbers along an axis beside 10^15": one(npy("(0, 1000000000000000)")),
        "a negative side": one(npy("(-1, 8)", data=bytes(64))),
        "a side that is no number": one(npy("('a',)", data=bytes(64))),
        "a thousand axes": one(npy("(" + "1, " * 1000 + ")", data=bytes(8))),
        "ten thousand brackets": one(npy("(" * 9000)),
        "a header of 60,000 bytes": one(npy("(1,)", data=bytes(8), pad=60_000)),
        "a header of 4 GiB": one(b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(64)),
        "a version that is none": one(npy("(1,)", data=bytes(8)).replace(b"NUMPY\x01", b"NUMPY\x09")),
        "Python objects": one(npy("(1,)", "'|O'", b"cos\nsystem\n(S'true'\ntR.")),
        "records of fields": one(npy("(2,)", "[('a', '<f4'), ('b', '<i8')]", bytes(24))),
        "nested fields": one(npy("(1,)", "[('a', '<f4', (1000000, 1000000))]")),
        "raw bytes": one(npy("(1,)", "'|V64'", bytes(64))),
        "dates": one(npy("(8,)", "'<M8[s]'", bytes(64))),
        "half of its numbers": one(npy("(16,)", data=bytes(64))),
        "no array": one(b"x = 1"),
        "an empty member": one(b""),
        "two of one name": packed([(member, npy("(1,)", data=bytes(8)))] * 2),
        "twice with and without suffix": packed(
            [(member, npy("(1,)", data=bytes(8))), (name, npy("()", data=bytes(8)))]
        ),
        "a bomb of 200 MB": bomb(member, 25_000_000),
        "a member said to unpack to 4 GiB": lying(name, 0xFFFFFFF0),
        "a hundred thousand long names": directory(100_000),
        "names of control characters": packed(
            [("\x1b]0;owned\x07\n" * 9, b"")] + [(f"../../{i}\n", b"") for i in range(99)]
        ),
        "a packing that NumPy has not": packed([(member, npy("(1,)", data=bytes(8)))], zipfile.ZIP_LZMA),
        "an array alone": npy("(4,)", data=bytes(32)),
        "nothing": b"",
        "text": b"\x1b[31mhello\x00",
        "the end of an archive alone": b"PK\x05\x06" + bytes(18),
        "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os\x94\x8c\x06system\x94\x93\x94.",
    }


TEXTS: dict[str, bytes] = {
    "100,000 brackets": b"[" * 100_000,
    "100,000 objects": b'{"a":' * 100_000,
    "200 levels": b'{"a":' * 200 + b"1" + b"}" * 200,
    "a number of a million digits": b'{"format": 1' + b"0" * 1_000_000 + b"}",
    "a number of 300 digits": b'{"format": 1' + b"0" * 300 + b"}",
    "NaN": b'{"format": NaN}',
    "infinity": b'{"format": 1e999}',
    "half of a surrogate pair": b'{"format": "\\ud800"}',
    "no UTF-8": b'{"format": "\xff"}',
    "UTF-16": '{"format": 1}'.encode("utf-16"),
    "a list": b"[1]",
    "a number": b"3",
    "nothing": b"",
    "zeros": bytes(1000),
    "another format": b'{"format": [[[]]], "kind": {}, "signals": 3}',
}


def descriptions(good: dict) -> dict[str, bytes]:
    """Hostile descriptions: those of `TEXTS`, and a good one with each field of another type in turn."""
    swapped = {}
    for key in good:
        for label, value in {
            "null": None,
            "a list": [[1]],
            "large": 10**30,
            "text": "x\x1b]0;y",
            "object": {"a": 1},
        }.items():
            swapped[f"{key} is {label}"] = json.dumps(good | {key: value}).encode()
    return TEXTS | swapped
