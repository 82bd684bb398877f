from dataclasses import dataclass

from palo.inference.planning import plan_step


@dataclass(eq=False)
class Fake:
    name: str
    num_prompt_left: int = 0
    block: bytes | None = None

    @property
    def is_decoding(self):
        return self.num_prompt_left == 0

    def next_block(self, block_tokens):
        return self.block


def planned(*running, chunk=16, shares=True):
    return [(p.sequence.name, p.length) for p in plan_step(running, chunk, 4, shares=shares)]


def test_every_answer_goes_on_whatever_the_prompts_take():
    assert planned(Fake("long", 100), Fake("a"), Fake("b")) == [("a", 1), ("b", 1), ("long", 16)]


def test_the_oldest_prompt_comes_first_and_others_get_the_rest():
    assert planned(Fake("a", 7), Fake("b", 30), Fake("c", 1)) == [("a", 7), ("b", 8), ("c", 1)]


def test_a_prompt_stops_at_the_end_of_a_block():
    assert planned(Fake("a", 14), Fake("b", 9), Fake("c", 2)) == [("a", 14)]
    assert planned(Fake("a", 14), Fake("b", 2)) == [("a", 14), ("b", 2)]


def test_two_at_the_same_block_do_not_both_compute_it():
    pair = Fake("a", 8, b"x"), Fake("b", 8, b"x"), Fake("c", 8, b"y")
    assert planned(*pair) == [("a", 8), ("c", 8)]
    assert planned(*pair, shares=False) == [("a", 8), ("b", 8)]


def test_prompts_without_a_whole_block_are_no_copies_of_one_another():
    assert planned(Fake("a", 3), Fake("b", 3)) == [("a", 3), ("b", 3)]


def test_nothing_to_do():
    assert planned() == []
