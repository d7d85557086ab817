"""The winner of many reporters is killed while he tells: real processes, a real database, a real signal."""

from __future__ import annotations

import pytest

from load.killed import LEASE, TELLERS, kill_the_winner, told_then

REPORTERS = 4


@pytest.mark.parametrize("who", TELLERS)
@pytest.mark.usefixtures("configs")  # it deletes the Variables afterwards
def test_what_a_killed_winner_was_telling_is_told_and_counts_the_others(who, tmp_path):
    assert kill_the_winner(tmp_path, who, REPORTERS) == []

    assert told_then(tmp_path, who, TELLERS[who], REPORTERS, ahead=LEASE) == []
