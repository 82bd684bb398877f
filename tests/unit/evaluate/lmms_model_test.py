"""The adapter for lmms-eval, against the interface that lmms-eval documents; with it, where it is.

Source: lmms-eval, docs/guides/model_guide.md.
"""

import abc
import gc
import importlib
import sys
import weakref
from collections import defaultdict
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import pytest
from PIL import Image

from palo.errors import ConfigError, DataError
from palo.evaluate.generation import AnswerSettings, generate_texts
from palo.evaluate.lmms_manifest import model_manifest

MODULE = "palo.evaluate.lmms_model"


@pytest.fixture
def adapter(monkeypatch):
    """Our module, imported beside a stand-in for lmms-eval."""

    class Lmms(abc.ABC):
        is_simple = True

        def __init__(self):
            self.task_dict = {}

        def clean(self):
            self.cleaned = True

        @abc.abstractmethod
        def loglikelihood(self, requests): ...

        @abc.abstractmethod
        def generate_until(self, requests): ...

        @abc.abstractmethod
        def generate_until_multi_round(self, requests): ...

    registered = {}

    def register_model(*names):
        def decorate(cls):
            registered.update(dict.fromkeys(names, cls))
            return cls

        return decorate

    contents = {
        "lmms_eval": {},
        "lmms_eval.api": {},
        "lmms_eval.api.model": {"lmms": Lmms},
        "lmms_eval.api.registry": {"register_model": register_model},
        "lmms_eval.models": {},
        "lmms_eval.models.registry_v2": {"ModelManifest": SimpleNamespace},
    }
    for name, values in contents.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    module = importlib.import_module(MODULE)
    assert registered == {"palo": module.Palo}
    yield module
    sys.modules.pop(MODULE, None)


@pytest.fixture
def model(adapter, finished_stage, asked):
    found = adapter.Palo(pretrained=str(finished_stage), batch_size="4", device="cuda:0")
    found.task_dict = defaultdict(lambda: {"test": asked})
    return found


def asking(number, question, visuals, **settings):
    def to_visual(document):
        assert document.question_id == f"q{number}"
        return visuals

    args = (question, {"max_new_tokens": 8, **settings}, to_visual, number, "task", "test")
    return SimpleNamespace(args=args)


def test_answers_are_those_of_the_model_in_the_order_asked(model, trained, asked):
    requests = [
        asking(n, f"<image>\n{asked[n].question}", [Image.open(asked[n].image)]) for n in range(5)
    ]
    expected = generate_texts(trained, asked[:5], AnswerSettings(max_new_tokens=8))
    assert model.generate_until(requests) == [answer.strip() for answer in expected]


def test_words_without_an_image_are_answered_and_stop_texts_end_answers(model, trained, asked):
    blind = AnswerSettings(max_new_tokens=8, withhold_image=True)
    question = replace(asked[0], question=asked[0].question.strip())
    (whole,) = generate_texts(trained, [question], blind)
    stop = whole.strip()[2:4]
    (answer,) = model.generate_until([asking(0, asked[0].question, [], until=[stop])])
    assert answer == whole.partition(stop)[0].strip()


def test_the_end_that_lmms_eval_adds_to_tasks_cuts_no_paragraphs(
    adapter, model, asked, monkeypatch
):
    monkeypatch.setattr(adapter, "generate_texts", lambda *_: ["One.\n\nTwo.\nQ: Three?"])
    question = asked[0].question
    assert model.generate_until([asking(0, question, [], until=["\n\n"])]) == [
        "One.\n\nTwo.\nQ: Three?"
    ]
    assert model.generate_until([asking(0, question, [], until=["\n\n", "Q:"])]) == ["One.\n\nTwo."]


def test_its_memory_is_free_once_lmms_eval_has_the_answers(model):
    weights = weakref.ref(model._trained.model)
    model.clean()
    gc.collect()
    assert weights() is None
    assert model.cleaned


def test_several_processes_are_refused_before_a_model_is_loaded(adapter, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="one process"):
        adapter.Palo(pretrained="nowhere")


def test_what_it_can_not_do_is_told(model, asked):
    image = Image.open(asked[0].image)
    with pytest.raises(DataError, match="something else than one image"):
        model.generate_until([asking(0, "x", [image, image])])
    with pytest.raises(DataError, match="1 of str"):
        model.generate_until([asking(0, "x", ["film.mp4"])])
    with pytest.raises(ConfigError, match="answers are greedy"):
        model.generate_until([asking(0, "x", [], do_sample=True, temperature=0.7)])
    with pytest.raises(ConfigError, match="no likelihoods"):
        model.loglikelihood([])
    with pytest.raises(ConfigError, match="no dialogues"):
        model.generate_until_multi_round([])


def test_the_registry_finds_it_by_the_package_s_entry_point(adapter, request):
    manifest = model_manifest()
    assert manifest.model_id == "palo"
    module, _, name = manifest.simple_class_path.rpartition(".")
    assert getattr(importlib.import_module(module), name) is adapter.Palo
    project = (request.config.rootpath / "pyproject.toml").read_text("utf-8")
    assert f'palo = "{model_manifest.__module__}:model_manifest"' in project


def test_lmms_eval_itself_takes_it():
    pytest.importorskip("lmms_eval", reason="lmms-eval is not installed: pip install lmms-eval")
    module = importlib.import_module(MODULE)
    from lmms_eval.api.model import lmms

    assert issubclass(module.Palo, lmms)
    assert model_manifest().model_id == "palo"
