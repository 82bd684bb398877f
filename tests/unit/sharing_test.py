import json
import platform
import shutil
from types import SimpleNamespace

import pytest
import ray
from ray.exceptions import RayError

from palo import sharing
from palo.errors import ResourceError, StorageError
from palo.sharing import check_folder, check_here, check_nodes, mark_folders


@pytest.fixture(params=["disk", "s3"])
def folder(request, tmp_path):
    if request.param == "disk":
        return tmp_path / "store"
    return request.getfixturevalue("bucket") / "palo"


def test_a_mark_stays_whoever_asks(folder):
    first = mark_folders([folder])
    assert mark_folders([folder]) == first
    assert list(first) == [str(folder)]
    check_folder(folder, first[str(folder)])


def test_two_that_mark_at_once_agree(folder, monkeypatch):
    def late(path, mark):
        create(path, "the other's")
        create(path, mark)

    create = sharing._create
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(sharing, "_create", late)
    assert mark_folders([folder]) == {str(folder): "the other's"}


def test_a_machine_that_sees_another_folder_says_which_one_and_what_to_do(tmp_path):
    (marks,) = mark_folders([tmp_path / "store"]).values()
    shutil.rmtree(tmp_path / "store")
    with pytest.raises(StorageError, match=r"doesn't see the folder .*store.*there is none.*s3://"):
        check_folder(tmp_path / "store", marks, wait_s=0.0)
    mark_folders([tmp_path / "store"])
    with pytest.raises(StorageError, match="another one of that name"):
        check_folder(tmp_path / "store", marks, wait_s=0.0)


def test_a_folder_that_can_be_read_only_is_no_place_for_a_run(tmp_path, monkeypatch):
    marks = mark_folders([tmp_path])

    def refuse(path):
        raise StorageError("can't write to the folder", seen=path, fix="Change it.")

    monkeypatch.setattr(sharing.storage, "ensure_folder", refuse)
    with pytest.raises(StorageError, match="can't write"):
        check_folder(tmp_path, marks[str(tmp_path)])


def test_a_worker_looks_once_and_only_where_its_job_has_shared_folders(folder, monkeypatch):
    monkeypatch.delenv(sharing.MARKS, raising=False)
    check_here()
    marks = mark_folders([folder])
    monkeypatch.setenv(sharing.MARKS, json.dumps(marks))
    check_here()
    looked = []
    monkeypatch.setattr(sharing, "check_folder", lambda *found: looked.append(found))
    check_here()
    assert not looked
    monkeypatch.setenv(sharing.MARKS, json.dumps({str(folder): "another"}))
    check_here()
    assert looked == [(folder, "another")]


_A, _B = "a" * 56, "b" * 56  # ids as Ray has them


class _Nodes:
    """Plays Ray for `check_nodes`: three nodes, of which the first is the driver's own."""

    def __init__(self, monkeypatch, answers):
        self.answers = answers
        self.up = {"own", *answers}
        self.asked = []
        context = SimpleNamespace(get_node_id=lambda: "own")
        monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
        monkeypatch.setattr(ray, "nodes", self.nodes)
        monkeypatch.setattr(ray, "remote", lambda **options: lambda function: self)
        monkeypatch.setattr(ray, "wait", self.wait)
        monkeypatch.setattr(ray, "get", self.get)

    def nodes(self):
        names = ["own", *self.answers]
        return [
            {"NodeID": name, "Alive": name in self.up, "NodeManagerHostname": f"host-{name[0]}"}
            for name in names
        ]

    def options(self, scheduling_strategy):
        self.asked.append(scheduling_strategy.node_id)
        return SimpleNamespace(remote=lambda marks: self.asked[-1])

    def wait(self, answers, num_returns, timeout):
        ready = [one for one in answers if self.answers[one] != "late"]
        return ready, [one for one in answers if one not in ready]

    def get(self, node):
        answer = self.answers[node]
        if isinstance(answer, RayError):
            raise answer
        return answer


def test_every_node_but_the_drivers_own_is_asked(monkeypatch):
    nodes = _Nodes(monkeypatch, {_A: None, _B: None})
    check_nodes({"/shared": "mark"})
    assert sorted(nodes.asked) == [_A, _B]
    nodes.asked.clear()
    check_nodes({})
    assert not nodes.asked


def test_what_a_node_says_ends_the_job(monkeypatch):
    _Nodes(monkeypatch, {_A: None, _B: StorageError("it sees nothing", seen="b", fix="Do.")})
    with pytest.raises(StorageError, match="it sees nothing: b"):
        check_nodes({"/shared": "mark"})


def test_a_node_that_does_not_answer_is_named_and_one_that_went_away_is_left(monkeypatch):
    _Nodes(monkeypatch, {_A: None, _B: "late"})
    with pytest.raises(ResourceError, match="can't look at the shared folders: host-b"):
        check_nodes({"/shared": "mark"})
    broken = {_A: RayError("no module named palo")}
    _Nodes(monkeypatch, broken)
    with pytest.raises(ResourceError, match="host-a: no module named palo"):
        check_nodes({"/shared": "mark"})
    monkeypatch.setattr(ray, "nodes", _going_away(broken))
    check_nodes({"/shared": "mark"})


def _going_away(answers):
    """Returns what says first that nodes are up, and later that they aren't."""
    looks = iter([True])

    def nodes():
        is_up = next(looks, False)
        return [{"NodeID": name, "Alive": is_up, "NodeManagerHostname": name} for name in answers]

    return nodes


def test_the_look_of_a_node_names_it(folder):
    marks = mark_folders([folder])
    assert sharing._look(marks) is None
    refused = StorageError("may not read", seen="x", fix="Ask.")
    told = sharing._of_node(refused)
    assert told.fact == f"on the node {platform.node()}: may not read"
    assert sharing._of_node(told) is told
