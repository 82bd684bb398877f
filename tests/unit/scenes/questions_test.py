import random
from collections import Counter

from palo.scenes.questions import KINDS, BalancedChoice, SceneFacts, all_facts
from palo.scenes.scene import Scene, Thing, sample_scene


def scene(*things: tuple[int, str, str]) -> Scene:
    return Scene(things=tuple(Thing(cell=c, shape=s, colour=k) for c, s, k in things))


def test_a_shape_that_occurs_twice_has_no_one_colour():
    facts = list(all_facts(scene((0, "star", "red"), (1, "star", "blue"), (2, "moon", "blue"))))
    assert [f.shape for f in facts if f.kind == "colour"] == ["moon"]
    assert [f.colour for f in facts if f.kind == "shape"] == ["red"]
    assert SceneFacts(kind="count_shape", shape="star", count=2) in facts
    assert SceneFacts(kind="count_colour", colour="blue", count=2) in facts
    assert SceneFacts(kind="count_all", count=3) in facts


def sides(shown: Scene) -> set[tuple[str, str, str]]:
    return {(f.anchor_shape, f.side, f.shape) for f in all_facts(shown) if f.kind == "beside"}


def test_beside_needs_one_thing_on_that_side_in_the_same_row_or_column():
    assert sides(scene((0, "star", "red"), (2, "moon", "blue"))) == {
        ("star", "right", "moon"),
        ("moon", "left", "star"),
    }
    assert sides(scene((0, "star", "red"), (5, "moon", "blue"))) == set()
    crowded = scene((0, "star", "red"), (2, "moon", "blue"), (5, "heart", "green"))
    assert ("star", "right", "moon") not in sides(crowded)
    assert ("moon", "below", "heart") in sides(crowded)


def test_every_question_has_one_answer():
    rng = random.Random(1)
    for _ in range(300):
        given: dict[tuple[object, ...], set[SceneFacts]] = {}
        for f in all_facts(sample_scene(rng)):
            match f.kind:
                case "colour" | "count_shape":
                    key = (f.kind, f.shape)
                case "shape" | "count_colour":
                    key = (f.kind, f.colour)
                case "at":
                    key = (f.kind, f.place)
                case "place":
                    key = (f.kind, f.shape, f.colour)
                case "beside":
                    key = (f.kind, f.side, f.anchor_shape, f.anchor_colour)
                case _:
                    key = (f.kind,)
            given.setdefault(key, set()).add(f)
        assert all(len(answers) == 1 for answers in given.values())


def test_answers_of_a_kind_are_even():
    rng, choice = random.Random(2), BalancedChoice()
    given: Counter[tuple[str, ...]] = Counter()
    for _ in range(2000):
        facts = list(all_facts(sample_scene(rng)))
        chosen = choice.choose(facts, 2)
        assert len(set(chosen)) == 2
        given.update((fact.kind, *fact.answer) for fact in chosen)
    for kind in KINDS:
        counts = [n for (k, *_), n in given.items() if k == kind]
        assert max(counts) / sum(counts) < 1.5 / len(counts)


def test_a_scene_gives_no_more_questions_than_it_has():
    facts = list(all_facts(scene((4, "star", "red"))))
    assert len(BalancedChoice().choose(facts, 99)) == len(facts)


def test_a_kind_with_a_larger_share_is_asked_more_often():
    rng, choice = random.Random(3), BalancedChoice(dict.fromkeys(KINDS, 0.1) | {"shape": 1.0})
    given: Counter[str] = Counter()
    for _ in range(300):
        facts = list(all_facts(sample_scene(rng)))
        given.update(fact.kind for fact in choice.choose(facts, 1))
    assert given["shape"] > 3 * max(n for kind, n in given.items() if kind != "shape")
