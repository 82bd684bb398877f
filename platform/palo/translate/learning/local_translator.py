"""A causal model of ours as a translator: before it is taught, and after."""

from collections.abc import Sequence
from pathlib import Path

from palo.checkpoint.finished import StageResult, part_fingerprints
from palo.checkpoint.importing import open_parts
from palo.checkpoint.load import TrainedModel
from palo.checkpoint.parts import ModelParts
from palo.errors import DataError
from palo.inference.engine import EngineSettings
from palo.inference.request import Request, Sampling
from palo.inference.scheduler import Scheduler
from palo.model.assemble import assemble
from palo.text.encoding import encode_prompt, stop_ids
from palo.text.messages import Conversation, Turn
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer
from palo.translate.learning.training_set import TranslationExample, short_prompt


def untaught(parts: ModelParts, template: str) -> TrainedModel:
    """Returns the model as it is before anything was learnt.

    Args:
        parts: The pretrained parts.
        template: Name of the conversation template.
    """
    parts = open_parts(parts)
    parts.require()
    model = assemble(
        parts.tower, parts.language_model, parts.projector_type, image_size=parts.image_size
    )
    stage = StageResult(
        folder=Path(),
        parts=parts,
        fingerprints=part_fingerprints(parts),
        template=template,
        preprocessing=None,
        has_adapter=False,
        has_language_model=False,
    )
    return TrainedModel(model.eval(), load_tokenizer(parts.tokenizer), TEMPLATES[template], stage)


def translate_examples(
    trained: TrainedModel,
    examples: Sequence[TranslationExample],
    *,
    max_new_tokens: int = 128,
    batch_size: int = 16,
) -> list[str]:
    """Translates the sources of examples in this process, decoding greedily.

    Args:
        trained: The model.
        examples: What to translate.
        max_new_tokens: Most tokens of a translation.
        batch_size: Texts that are translated at once.

    Returns:
        The translations, in the same order.

    Raises:
        DataError: If there are none, or a text is too long for the model.
    """
    asked = [(example.source, example.language) for example in examples]
    return translate_texts(trained, asked, max_new_tokens=max_new_tokens, batch_size=batch_size)


def translate_texts(
    trained: TrainedModel,
    asked: Sequence[tuple[str, str]],
    *,
    max_new_tokens: int,
    batch_size: int,
) -> list[str]:
    """Translates texts in this process, decoding greedily.

    Args:
        trained: The model.
        asked: Each text with the ISO 639-1 code of its target language.
        max_new_tokens: Most tokens of a translation.
        batch_size: Texts that are translated at once.

    Returns:
        The translations, in the same order.

    Raises:
        DataError: If there are none, or a text is too long for the model.
    """
    if not asked:
        raise DataError("there is nothing to translate")
    prompts = [
        encode_prompt(
            Conversation((Turn("user", short_prompt(text, language)),)),
            trained.template,
            trained.tokenizer,
        )
        for text, language in asked
    ]
    sizes = EngineSettings(
        num_slots=min(batch_size, len(prompts)),
        max_context=max(map(len, prompts)) + max_new_tokens,
    )
    sampling = Sampling(
        max_tokens=max_new_tokens, stop_ids=stop_ids(trained.template, trained.tokenizer)
    )
    ids: list[list[int]] = [[] for _ in prompts]
    requests = [
        Request(prompt_ids=prompt, image_ids=(), features={}, sampling=sampling)
        for prompt in prompts
    ]
    for place, output in Scheduler(trained.model, trained.tokenizer, sizes).run(requests):
        ids[place] += [token.id for token in output.tokens]
    return [trained.tokenizer.decode(own).strip() for own in ids]
