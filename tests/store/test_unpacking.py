"""The compiled unpacking is the reference's, byte by byte, and neither falls over what never was packed."""

from __future__ import annotations

import random

import pytest

from kitecli.errors import DataError
from kitecli.store import log, packing
from kitecli.store.framing import Framer
from kitecli.store.layout import FRAME
from kitecli.store.unpacking import unpack_columns_in_python
from tests.fuzz.frames import steps
from tests.store.implementations import SEED, START, beginning

both = pytest.mark.skipif(not log.COMPILED, reason="needs the compiled log")


def stretch(seed, count=120):
    """Messages sound and damaged, and stamps that go back; packed in columns."""
    framer, draw = Framer(SEED, START), random.Random(seed)
    messages = [each for each in steps(seed, count) if isinstance(each, bytes)]
    data = b"".join(framer.record(FRAME, draw.randrange(3), draw.getrandbits(62), each) for each in messages)
    packed = packing.pack(data, 0, beginning(), SEED)
    assert packed[0] == packing.COLUMNS
    return data, packed


def unpacked(packed, unpack):
    """What comes out, or None where it is refused."""
    packing.unpack_columns, real = unpack, packing.unpack_columns
    try:
        return packing.unpack(packed)
    except DataError:
        return None
    finally:
        packing.unpack_columns = real


@pytest.mark.parametrize("seed", range(20))
def test_the_reference_undoes_what_was_packed(seed):
    data, packed = stretch(seed)
    assert unpacked(packed, unpack_columns_in_python) == data


@both
@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_compiled_one_makes_of_damage_the_reference_does(seed):
    _, packed = stretch(seed % 5, 60)
    draw = random.Random(seed)
    for _ in range(25):
        broken = bytearray(packed)
        for _ in range(draw.randrange(1, 4)):
            broken[draw.randrange(5, len(broken))] ^= 1 << draw.randrange(8)
        broken = bytes(broken[: draw.choice([len(broken), draw.randrange(17, len(broken))])])
        compiled = unpacked(broken, log.unpack_columns)
        reference = unpacked(broken, unpack_columns_in_python)
        assert compiled is None or compiled == reference


@both
def test_garbage_is_refused_by_the_compiled_one():
    draw = random.Random(1)
    for _ in range(3_000):
        size, records, lead = draw.randrange(2_000), draw.randrange(60), draw.randrange(40)
        content = draw.randbytes(draw.randrange(600)) if draw.random() < 0.5 else bytes(draw.randrange(600))
        try:
            found = log.unpack_columns(content, draw.randbytes(draw.randrange(100)), lead, records, size)
        except ValueError:
            continue
        assert len(found) == size
