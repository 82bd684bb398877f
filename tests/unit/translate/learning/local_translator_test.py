"""A causal model of ours as a translator."""

import pytest

from palo.errors import DataError
from palo.translate.learning.local_translator import translate_examples, untaught
from palo.translate.learning.training_set import TranslationExample


def test_each_text_is_translated_in_its_order(trained, translation):
    examples = [
        TranslationExample(translated=translation(number, code), turn=turn, wanted="…")
        for number, code in enumerate(("ar", "ur"))
        for turn in (0, 1)
    ]
    settings = {"max_new_tokens": 6}
    made = translate_examples(trained, examples, batch_size=3, **settings)
    alone = [translate_examples(trained, [one], **settings)[0] for one in examples]
    assert made == alone
    assert len(set(made)) > 1
    # The same parts without an adapter answer the same.
    bare = untaught(trained.stage.parts, trained.stage.template)
    assert translate_examples(bare, examples, **settings) == made


def test_nothing_to_translate_is_told(trained):
    with pytest.raises(DataError, match="nothing to translate"):
        translate_examples(trained, [])
