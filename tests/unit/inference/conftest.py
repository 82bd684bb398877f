"""A tiny model, requests for it, and what transformers answers to each of them alone."""

import copy
import itertools
import threading
from dataclasses import replace

import pytest
import torch
from tests.fixtures.words import Words

from palo.inference.adapters import load_adapter
from palo.inference.engine import EngineSettings
from palo.inference.request import Request, Sampling
from palo.inference.scheduler import Scheduler

SENTINEL = -200
WAIT_S = 60
SMALL = EngineSettings(num_slots=3, max_context=160, prefill_chunk=16, block_tokens=8)


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny models gain nothing from a second thread, and lose much where cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def images():
    """Features of two images by id, 16 patches each."""
    torch.manual_seed(5)
    return {name: torch.randn(16, 32) * 3 for name in ("cat", "dog")}


@pytest.fixture
def make_batcher(tiny_model):
    """Makes batchers on the tiny model."""

    def make(settings=SMALL, adapters=None, tokenizer=None, **changes):
        return Scheduler(
            tiny_model(), tokenizer or Words(), replace(settings, **changes), adapters=adapters
        )

    return make


@pytest.fixture
def make_request(images):
    """Makes requests of words that a number decides; images stand in front of the words."""

    def make(number, length, *names, system=(), adapter=None, **sampling):
        generator = torch.Generator().manual_seed(number)
        words = torch.randint(2, Words.vocab_size, (length,), generator=generator).tolist()
        return Request(
            prompt_ids=[*system, *[SENTINEL] * len(names), *words],
            image_ids=names,
            features={name: images[name] for name in names},
            sampling=Sampling(**{"max_tokens": 6} | sampling),
            adapter=adapter,
        )

    return make


@pytest.fixture(scope="session")
def adapter_folders(tmp_path_factory):
    """Folders of two adapters for the tiny model, the second with a projector of its own."""
    from safetensors.torch import save_file

    from palo.model import PaloForConditionalGeneration
    from palo.model.lora import LoraSettings, attach_lora

    def make(config, number):
        torch.manual_seed(0)
        model = PaloForConditionalGeneration(config).eval()
        wrapped = attach_lora(model, LoraSettings(rank=4 + number, alpha=8, dropout=0.0))
        torch.manual_seed(100 + number)
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.data = torch.randn_like(parameter) * 0.3
        folder = tmp_path_factory.mktemp("adapter")
        if number == 0:
            wrapped.save_pretrained(folder)
            return folder
        projector = {k: torch.randn_like(v) for k, v in model.projector.state_dict().items()}
        save_file(projector, folder / "projector.safetensors")
        wrapped.save_pretrained(folder / "adapter")
        return folder

    return make


@pytest.fixture
def adapters(adapter_folders, tiny_model):
    """Folders and loaded adapters by name."""
    model = tiny_model()
    folders = {f"lora{n}": adapter_folders(copy.deepcopy(model.config), n) for n in range(2)}
    return folders, {name: load_adapter(folder, model) for name, folder in folders.items()}


@pytest.fixture(scope="session")
def known_answers():
    """Answers of transformers so far."""
    return {}


@pytest.fixture
def alone(tiny_model, known_answers):
    """Answers a request by transformers' `generate`, with nothing else in the batch.

    Returns the ids, and for each of them the logarithms of the shares of all ids.
    """

    def answer(request, folders=None):
        key = (
            *request.prompt_ids,
            *request.image_ids,
            request.adapter,
            request.sampling.max_tokens,
            request.sampling.stop_ids,
        )
        if key not in known_answers:
            known_answers[key] = generated(
                _adapted(tiny_model(), request.adapter, folders), request
            )
        return known_answers[key]

    return answer


def _adapted(model, name, folders):
    from palo.checkpoint.finished import read_projector
    from palo.checkpoint.load import merge_adapter

    if name is None:
        return model
    folder = folders[name]
    if (folder / "adapter").is_dir():
        model.projector.load_state_dict(read_projector(folder))
        folder = folder / "adapter"
    return merge_adapter(model, folder).eval()


def generated(model, request):
    """Returns the ids that `generate` gives, and the logarithms of all shares at each."""
    per_image = model.config.tokens_per_image
    ids = list(
        itertools.chain.from_iterable(
            [i] * (per_image if i == SENTINEL else 1) for i in request.prompt_ids
        )
    )
    features = [request.features[name] for name in request.image_ids]
    done = model.generate(
        torch.tensor([ids]),
        features=torch.stack(features) if features else None,
        max_new_tokens=request.sampling.max_tokens,
        do_sample=False,
        eos_token_id=list(request.sampling.stop_ids) or None,
        pad_token_id=0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    logprobs = [row[0].log_softmax(0) for row in done.logits]
    return done.sequences[0, len(ids) :].tolist(), logprobs


def turn(scheduler, requests, joins=None):
    """Turns a batcher until all is answered.

    Args:
        scheduler: The batcher.
        requests: What is wanted.
        joins: Before which step each request is added; all before the first by default.

    Returns:
        For each request its outputs.
    """
    joins = joins or [0] * len(requests)
    outputs = [[] for _ in requests]
    places = {}
    step = 0
    while scheduler.has_work or step <= max(joins):
        for place, request in enumerate(requests):
            if joins[place] == step:
                answer = scheduler.prepare(request)
                scheduler.add(answer)
                places[answer.number] = place
        for answer, output in scheduler.step():
            outputs[places[answer.number]].append(output)
        step += 1
    return outputs


def ids_of(outputs):
    """Returns the ids of a request's outputs."""
    return [token.id for output in outputs for token in output.tokens]


class Collector:
    """A listener that can be waited for."""

    def __init__(self):
        self.outputs = []
        self.first = threading.Event()
        self.done = threading.Event()

    def __call__(self, output):
        self.outputs.append(output)
        self.first.set()
        if output.finish:
            self.done.set()

    def finish(self):
        assert self.done.wait(WAIT_S)
        return self.outputs[-1].finish
