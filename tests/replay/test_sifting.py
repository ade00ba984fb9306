"""Some packets of a message."""

import numpy as np

from kitecli.protocol.decoder import decode_frame
from kitecli.replay.sifting import Sifted
from tests.replay.made import TOKENS, message


def test_only_the_wanted_packets_stay_in_their_order():
    sift = Sifted({TOKENS["TCS"], TOKENS["INFY"]})
    whole, some = decode_frame(message(1)), decode_frame(sift.message(memoryview(message(1))))
    kept = np.isin(whole.ticks["token"], [TOKENS["TCS"], TOKENS["INFY"]])
    assert (some.ticks == whole.ticks[kept]).all()
    assert (some.depth == whole.depth[kept]).all()
    assert not some.damage
    assert TOKENS["TCS"] in sift
    assert TOKENS["RELIANCE"] not in sift


def test_heartbeats_and_messages_of_others_still_tell_the_time():
    sift = Sifted({1})
    assert sift.message(memoryview(b"\0")) == b"\0"
    assert sift.message(memoryview(message(1))) == b"\0\0"


def test_several_at_once_lie_one_behind_the_other():
    sift, one = Sifted({TOKENS["TCS"]}), message(1)
    data, at, lengths = sift.messages(
        b"xx" + one + b"\0", np.array([2, 2 + len(one)]), np.array([len(one), 1], np.uint32)
    )
    assert at.tolist() == [0, int(lengths[0])]
    assert data[at[1] :] == b"\0"
    assert decode_frame(data[: lengths[0]]).ticks["token"].tolist() == [TOKENS["TCS"]]
