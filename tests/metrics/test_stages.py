"""The stages as a list that grows."""

from kitecli.metrics.stages import STAGES


def test_each_stage_has_a_name_of_its_own():
    assert len({stage.name for stage in STAGES}) == len(STAGES)
    assert all(stage.name.replace("_", "").isalpha() and stage.name.islower() for stage in STAGES)


def test_each_says_what_it_counts():
    assert {stage.each for stage in STAGES} <= {"tick", "message", "ping", "look", "call"}
    assert all(stage.what for stage in STAGES)
