from __future__ import annotations

from kitecli.ring.policy import POLICIES, Policy


def test_a_policy_s_number_on_the_seat_s_page_stays_its_own():
    """Readers of an older installation have written it there."""
    assert POLICIES == (Policy.EVERY, Policy.LATEST, Policy.DROP_OLDEST)


def test_policies_are_written_as_people_would():
    assert [Policy(name) for name in ("every", "latest", "drop-oldest")] == list(Policy)
