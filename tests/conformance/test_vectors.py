"""Both decoders against messages written out by hand."""

from __future__ import annotations

import pytest

from tests.conformance.decoding import Decode, by_compiled, by_reference, disagreement
from tests.conformance.vectors import DAMAGED, SOUND, VECTORS, Vector


@pytest.mark.parametrize("decode", [by_reference, by_compiled])
@pytest.mark.parametrize("vector", SOUND, ids=lambda vector: vector.name)
def test_a_sound_message_is_decoded_as_the_tables_say(vector: Vector, decode: Decode):
    assert not disagreement(vector, decode(vector.message))


@pytest.mark.parametrize("decode", [by_reference, by_compiled])
@pytest.mark.parametrize("vector", DAMAGED, ids=lambda vector: vector.name)
def test_what_stands_before_the_damage_is_kept_and_the_damage_counted(vector: Vector, decode: Decode):
    assert not disagreement(vector, decode(vector.message))


def test_every_vector_has_a_name_of_its_own():
    assert len({vector.name for vector in VECTORS}) == len(VECTORS)
