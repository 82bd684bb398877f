import pytest

from palo.train.pulse import Pulse
from palo.train.stall_cause import explained, find_stall


def pulse(rank, phase="forward", step=45, collectives=900, phase_s=130.0):
    return Pulse(
        rank=rank, node=f"n{rank}", process=rank, beat=9, phase=phase, step=step,
        phase_s=phase_s, collectives=collectives,
    )  # fmt: skip


def told(*pulses, silent=()):
    return explained(find_stall(pulses, dict.fromkeys(silent, 125.0)))


@pytest.mark.parametrize(
    ("pulses", "held_by"),
    [
        ([pulse(0), pulse(1, collectives=899)], [1]),
        ([pulse(0, step=46), pulse(1, phase="data")], [1]),  # as many, but a part of a step behind
        ([pulse(0, "checkpoint", 45, 898), pulse(1, "forward", 46), pulse(2, "sums", 46)], [0]),
        ([pulse(0), pulse(1), pulse(2)], [0, 1, 2]),
        ([pulse(2, collectives=1), pulse(1), pulse(0, collectives=1)], [0, 2]),
    ],
)
def test_who_has_begun_the_fewest_collective_operations_holds_the_others_up(pulses, held_by):
    stall = find_stall(pulses, {})
    assert [one.rank for one in stall.held_by] == held_by
    assert {one.rank for one in stall.waiting} == {one.rank for one in pulses} - set(held_by)


def test_a_silent_worker_comes_before_all_others():
    stall = find_stall([pulse(0, collectives=1), pulse(1)], {1: 30.0})
    assert [one.rank for one in stall.held_by] == [1]


def test_lines_name_workers_as_people_do():
    assert told(pulse(0), pulse(1, "data", 44, 899)) == (
        "worker 1 on node n1 has been waiting for data after step 44 for 2 min 10 s; worker 0 "
        "waits for it"
    )
    assert (
        told(pulse(0))
        == "worker 0 on node n0 has been in the forward pass of step 45 for 2 min 10 s"
    )
    many = [pulse(rank) for rank in range(3, 12)]
    assert told(pulse(0, collectives=1), *many).endswith("; 9 other workers wait for it")
    held = [pulse(rank, collectives=1) for rank in range(3)]
    assert told(*held, pulse(3)).endswith("; so have workers 1 and 2; worker 3 waits for them")
    assert told(*held) == (
        "all 3 workers have been in the forward pass of step 45 for 2 min 10 s, none behind the "
        "others"
    )


def test_workers_that_are_all_silent_say_more_of_the_network():
    assert told(pulse(0), pulse(1), silent=(0, 1)) == (
        "none of 2 workers has given a sign of life for 2 min 5 s: the network may be away"
    )
    assert "has given no sign of life for 2 min 5 s" in told(pulse(0), silent=(0,))
