"""The compiled bars under AddressSanitizer and UndefinedBehaviorSanitizer: no step outside, nothing undefined."""

from __future__ import annotations

import os
import struct
import subprocess
from collections.abc import Iterable
from functools import singledispatch
from pathlib import Path
from random import SystemRandom

import pytest

from kitecli.bars.timeline import EMPTY
from kitecli.market.modes import MODES
from tests.conformance.native import COMPILER, HEADERS, headers, needs_compiler
from tests.fuzz.bar_steps import Conditions, Expect, Gap, Ingest, Place, Step, Sweep, bar_steps
from tests.fuzz.frames import frames
from tests.fuzz.test_bars_agreement import Written
from tests.fuzz.test_sanitized import FLAGS
from tests.ring.implementations import REFERENCE

pytestmark = needs_compiler

SOURCE = Path(__file__).with_name("sanitized_bars.c")
PARTS = ("rings and counters", "states", "hot", "cold", "bars", "links")
PAGE_BYTES = 4096


def built(folder: Path, include: Path, *sanitizers: str) -> Path:
    program = folder / "sanitized_bars"
    command = [str(COMPILER), *FLAGS, *sanitizers, f"-I{include}", str(SOURCE), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "cannot find" in done.stderr:
        pytest.skip("the compiler's sanitizers aren't installed")
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "the compiler warns"
    return program


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("sanitized"), HEADERS, "-fsanitize=address,undefined")


def fed(program: Path, seed: int, corpus: Iterable[Step]) -> bytes:
    header = Written(seed, REFERENCE.frame_pass).bars.buffer[:PAGE_BYTES]
    data = header + _timelines(seed) + b"".join(map(encoded, corpus))
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    ran = subprocess.run([str(program)], input=data, capture_output=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout


def _timelines(seed: int) -> bytes:
    lines = Conditions.of(seed).timelines or (EMPTY,)
    each = [struct.pack("<I", one.kinds.size) + one.starts_ms.tobytes() + one.kinds.tobytes() for one in lines]
    return struct.pack("<I", len(lines)) + b"".join(each)


@singledispatch
def encoded(step: Step) -> bytes:
    """As sanitized_bars.c reads it."""
    raise TypeError(step)


@encoded.register
def _(step: Ingest) -> bytes:
    return struct.pack("<2Iq", 0, len(step.frame), step.recv_ns) + step.frame


@encoded.register
def _(step: Expect) -> bytes:
    return b"".join(struct.pack("<3I", 1, token, MODES.index(mode) + 1) for token, mode in step.modes.items())


@encoded.register
def _(step: Place) -> bytes:
    return b"".join(struct.pack("<3I", 2, token, place) for token, place in step.timelines_of.items())


@encoded.register
def _(step: Gap) -> bytes:
    return b"".join(struct.pack("<2I", 3, token) for token in step.tokens)


@encoded.register
def _(step: Sweep) -> bytes:
    return struct.pack("<Iqq", 4, step.now_ns // 1_000_000, step.limit)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_outside_and_the_same_memory(sanitized: Path, seed: int):
    reference, corpus = Written(seed, REFERENCE.frame_pass), list(bar_steps(seed, 300))
    for step in corpus:
        reference.take(step)
    memory = reference.memory()
    assert fed(sanitized, seed, corpus) == b"".join(memory[part] for part in PARTS)


@pytest.mark.parametrize("seed", range(3))
def test_noise_does_no_harm(sanitized: Path, seed: int):
    """Prices, volumes, stamps and our own clock wholly at random; the reference's sums would overflow."""
    draw = SystemRandom()
    fed(sanitized, seed, [Ingest(one, draw.randrange(-(1 << 63), 1 << 63)) for one in frames(seed, 500)])


@pytest.mark.soak
def test_two_hundred_thousand_frames_under_sanitizers(sanitized: Path):
    for _ in range(20):
        seed = SystemRandom().randrange(1 << 40)
        print(f"seed {seed}")
        fed(sanitized, seed, bar_steps(seed, 10_000))


def test_a_step_outside_would_be_seen(tmp_path: Path):
    """The guard of the guard: the same program over rings that are one bar too long is stopped."""
    for name, text in headers().items():
        lenient = text.replace("(uint64_t)sequence & (bars->capacity - 1)", "(uint64_t)sequence % (bars->capacity + 1)")
        (tmp_path / name).write_text(lenient)
    program = built(tmp_path, tmp_path, "-fsanitize=address")
    with pytest.raises(AssertionError, match="AddressSanitizer"):
        for seed in range(4):
            fed(program, seed, bar_steps(seed, 400))
