"""pass.h under AddressSanitizer and UndefinedBehaviorSanitizer: no step outside its buffers, nothing undefined."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path
from random import SystemRandom

import pytest

from kitecli.market.modes import MODES
from kitecli.ring.layout import RingLayout
from kitecli.ring.memory import RingMemory
from kitecli.ring.parts import RingParts
from tests.conformance.native import COMPILER, HEADERS, headers, needs_compiler
from tests.fuzz.frames import steps
from tests.fuzz.test_agreement import Step, layout_of
from tests.ring.implementations import REFERENCE

pytestmark = needs_compiler

FLAGS = ("-g1", "-O0", "-Wall", "-Wextra", "-Wno-unused-function", "-fno-sanitize-recover=all", "-fno-strict-aliasing")
EXPECT = 0xFFFFFFFF
PARTS = ("intent", "cursor", "board_rows", "heartbeat_ns", "counters")
ROWS = ("ticks", "links", "depth", "meta", "board_ticks", "board_depth")


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of sanitized.c with both sanitizers in it."""
    program = tmp_path_factory.mktemp("sanitized") / "sanitized"
    source = Path(__file__).with_name("sanitized.c")
    command = [str(COMPILER), *FLAGS, "-fsanitize=address,undefined", f"-I{HEADERS}", str(source), "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode and "cannot find" in built.stderr:
        pytest.skip("the compiler's sanitizers aren't installed")
    assert built.returncode == 0, built.stderr
    assert not built.stderr, "the compiler warns"
    return program


def fed(program: Path, corpus: list[Step], layout: RingLayout) -> bytes:
    sizes = [str(size) for size in (layout.capacity, layout.depth_capacity, layout.board_capacity)]
    data = b"".join(map(encoded, corpus))
    # Looking for leaks needs the right to trace, which containers often lack; the program frees what it takes anyway.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    ran = subprocess.run([str(program), *sizes], input=data, capture_output=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout


def encoded(step: Step) -> bytes:
    """As sanitized.c reads it."""
    if isinstance(step, bytes):
        return struct.pack("<I", len(step)) + step
    return b"".join(struct.pack("<3I", EXPECT, token, MODES.index(mode) + 1) for token, mode in step.items())


def by_reference(corpus: list[Step], layout: RingLayout) -> bytes:
    memory = RingMemory.private(layout)
    writer, parts, number = REFERENCE.frame_pass(memory), RingParts.of(memory), 0
    for step in corpus:
        if isinstance(step, dict):
            writer.expect_snapshots(step)
            continue
        writer.ingest(step, 10**18 + number, number % 3)
        number += 1
    return b"".join(getattr(parts, name).tobytes() for name in PARTS + ROWS)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_outside_and_the_same_memory(sanitized: Path, seed: int):
    corpus, layout = list(steps(seed, 500)), layout_of(seed)
    assert fed(sanitized, corpus, layout) == by_reference(corpus, layout)


@pytest.mark.soak
def test_two_hundred_thousand_frames_under_sanitizers(sanitized: Path):
    for _ in range(20):
        seed = SystemRandom().randrange(1 << 40)
        print(f"seed {seed}")
        fed(sanitized, list(steps(seed, 10_000)), layout_of(seed))


def test_a_step_outside_would_be_seen(sanitized: Path, tmp_path: Path):
    """The guard of the guard: the same program over a pass that trusts a packet's length is stopped."""
    for name, source in headers().items():
        lenient = source.replace("walk->at + length > walk->size", "walk->at + length > walk->size + 100")
        (tmp_path / name).write_text(lenient)
    program, source_file = tmp_path / "sanitized", Path(__file__).with_name("sanitized.c")
    flags = [*FLAGS, "-fsanitize=address", f"-I{tmp_path}"]
    subprocess.run([str(COMPILER), *flags, str(source_file), "-o", str(program)], check=True)
    with pytest.raises(AssertionError, match="AddressSanitizer"):
        fed(program, list(steps(0, 500)), layout_of(0))
