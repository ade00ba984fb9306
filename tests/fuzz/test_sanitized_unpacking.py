"""pack.h under AddressSanitizer and UndefinedBehaviorSanitizer, fed what never was packed."""

from __future__ import annotations

import os
import random
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kitecli.store import packing
from kitecli.store.unpacking import unpack_columns_in_python
from tests.conformance.native import COMPILER, HEADERS, needs_compiler
from tests.fuzz.test_sanitized import FLAGS
from tests.store.test_unpacking import stretch

pytestmark = needs_compiler

Case = tuple[bytes, bytes, int, int, int]


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("sanitized") / "unpacking"
    source = Path(__file__).with_name("sanitized_unpacking.c")
    include = (f"-I{HEADERS}", f"-I{HEADERS.parent / 'store'}")
    command = [str(COMPILER), *FLAGS, "-fsanitize=address,undefined", *include, str(source), "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode and "cannot find" in built.stderr:
        pytest.skip("the compiler's sanitizers aren't installed")
    assert built.returncode == 0, built.stderr
    assert not built.stderr, "the compiler warns"
    return program


def parts(packed: bytes) -> Case:
    """The columns, what is kept as it is, bytes before the first record, records, bytes."""
    _, size = packing.HEAD.unpack_from(packed)
    records, lead, zipped = packing.PARTS.unpack_from(packed, packing.HEAD.size)
    at = packing.HEAD.size + packing.PARTS.size
    return packed[at + zipped :], zlib.decompress(packed[at : at + zipped]), lead, records, size


def broken(whole: Case, draw: random.Random) -> Case:
    """Bits flipped, cut short, or told otherwise than it is."""
    content, verbatim, *numbers = whole
    raw = bytearray(content)
    for _ in range(draw.randrange(4)):
        raw[draw.randrange(len(raw))] = draw.choice([0, 1, 31, 32, 33, 127, 128, 255, draw.randrange(256)])
    if draw.random() < 0.3:
        del raw[draw.randrange(len(raw)) :]
    if draw.random() < 0.2:
        verbatim = verbatim[: draw.randrange(len(verbatim) + 1)]
    if draw.random() < 0.2:
        numbers[draw.randrange(3)] = draw.choice([0, 1, draw.randrange(100_000)])
    lead, records, size = numbers
    return bytes(raw), verbatim, lead, records, size


def fed(program: Path, cases: list[Case]) -> Iterator[bytes | None]:
    """What becomes of each."""
    data = b"".join(
        struct.pack("<5I", len(content), len(verbatim), lead, records, size) + content + verbatim
        for content, verbatim, lead, records, size in cases
    )
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    ran = subprocess.run([str(program)], input=data, capture_output=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr.decode()
    at = 0
    for *_, size in cases:
        done = ran.stdout[at]
        at += 1
        yield ran.stdout[at : at + size] if done else None
        at += size if done else 0
    assert at == len(ran.stdout)


def test_what_was_packed_comes_back(sanitized: Path):
    whole = [stretch(seed) for seed in range(6)]
    assert list(fed(sanitized, [parts(packed) for _, packed in whole])) == [data for data, _ in whole]


def test_no_step_outside_whatever_it_is_fed(sanitized: Path):
    draw = random.Random(7)
    whole = [parts(stretch(seed, 40)[1]) for seed in range(8)]
    cases = [broken(draw.choice(whole), draw) for _ in range(1_500)]
    found = list(fed(sanitized, cases))
    done = [(case, data) for case, data in zip(cases, found, strict=True) if data is not None]
    assert 50 < len(done) < len(cases)
    for case, data in done[:150]:
        content, verbatim, lead, records, size = case
        assert unpack_columns_in_python(memoryview(content), verbatim, lead, records, size) == data
