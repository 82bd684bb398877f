"""Workers whose group has lost a node aren't waited for without end."""

from palo.train.start_watch import StartWatch


class Groups:
    def __init__(self, *found):
        self.found, self.ended = set(found), []

    def without_node(self):
        return self.found - set(self.ended)

    def end(self, group):
        self.ended.append(group)


def test_a_group_that_gets_no_other_node_is_given_up_once():
    groups, said = Groups("a"), []
    watch = StartWatch(groups, lambda: False, said.append)
    for now in (0.0, 5.0, 9.9):
        watch.look(now)
    assert not groups.ended
    for now in (10.0, 30.0, 60.0):
        watch.look(now)
    assert groups.ended == ["a"]
    assert len(said) == 1
    assert "a node was lost" in said[0]


def test_a_group_that_gets_another_node_goes_on():
    groups = Groups("a")
    watch = StartWatch(groups, lambda: False, lambda _: None)
    watch.look(0.0)
    groups.found = set()
    watch.look(5.0)
    groups.found = {"a"}
    watch.look(12.0)  # it has lost that one too, just now
    assert not groups.ended


def test_workers_that_are_at_work_and_attempts_that_are_over_arent_looked_after():
    """Ray Train notices a lost worker itself then."""
    groups = Groups("a")
    with StartWatch(groups, lambda: True, lambda _: None) as watch:
        pass
    watch.look(0.0)
    watch.look(99.0)
    assert not groups.ended
