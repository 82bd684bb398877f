"""Stages with adapters on one base, and requests to replicas."""

import hashlib

import pytest
import torch

from palo.inference.request import Sampling
from palo.serve.protocol.generate import GenerateRequest, RequestImage
from palo.text.messages import Conversation, Turn


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny models gain nothing from a second thread, and lose much where cores are busy."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def adapted_stages(finished_stage, tmp_path_factory):
    """Folders of two stages that trained LoRA on the parts of `finished_stage`, by name."""
    from palo.checkpoint.finished import describe_stage, write_stage
    from palo.config import to_dict
    from palo.model.assemble import assemble
    from palo.model.lora import LoraSettings, attach_lora

    stage = describe_stage(finished_stage)
    lora = LoraSettings(rank=4, alpha=8, dropout=0.0)
    folders = {}
    for number, name in enumerate(("first", "second")):
        model = assemble(stage.parts.tower, stage.parts.language_model)
        wrapped = attach_lora(model, lora)
        torch.manual_seed(number)
        weights = {
            f"projector.{key}": torch.randn_like(value) * 0.5
            for key, value in model.projector.state_dict().items()
        }
        for key, value in wrapped.named_parameters():
            if ".lora_" in key:
                path = key.removeprefix("base_model.model.")
                weights[path] = torch.randn_like(value) * 0.3
        folders[name] = tmp_path_factory.mktemp("adapted") / "finetune"
        write_stage(
            folders[name],
            weights,
            parts=stage.parts,
            lora=lora,
            template=stage.template,
            preprocessing=to_dict(stage.preprocessing),
            lineage={},
        )
    return folders


@pytest.fixture
def ask():
    """Makes requests to a replica."""

    def make(text="a red circle", *files, model="palo", num_choices=1, turns=(), **sampling):
        images = []
        for place, data in enumerate(files):
            data = data if isinstance(data, bytes) else data.read_bytes()
            image_id = hashlib.sha256(data).hexdigest()
            images.append(RequestImage(image_id=image_id, data=data, param=f"image {place}"))
        return GenerateRequest(
            request_id="r1",
            model=model,
            conversation=Conversation((*turns, Turn("user", text, len(images)))),
            images=tuple(images),
            sampling=Sampling(**{"max_tokens": 8} | sampling),
            num_choices=num_choices,
        )

    return make
