import random

from palo.scenes.scene import MAX_THINGS, Scene, Thing, sample_scene, sample_scene_of


def scenes(num: int) -> list[Scene]:
    rng = random.Random(3)
    return [sample_scene(rng) for _ in range(num)]


def test_equal_seeds_give_equal_scenes():
    assert scenes(50) == scenes(50)


def test_things_have_their_own_cells_and_looks():
    for scene in scenes(300):
        assert 1 <= len(scene.things) <= MAX_THINGS
        assert len({thing.cell for thing in scene.things}) == len(scene.things)
        assert len({(t.shape, t.colour) for t in scene.things}) == len(scene.things)
        assert list(scene.things) == sorted(scene.things, key=lambda thing: thing.cell)


def test_a_place_has_a_row_and_a_column():
    thing = Thing(cell=5, shape="star", colour="red")
    assert (thing.place, thing.row, thing.column) == ("right", 1, 2)


def test_the_split_follows_the_content():
    share = sum(scene.held_out for scene in scenes(4000)) / 4000
    assert 0.09 < share < 0.16
    rng = random.Random(5)
    assert all(sample_scene_of(rng, held_out=True).held_out for _ in range(20))
    assert not any(sample_scene_of(rng, held_out=False).held_out for _ in range(20))
