"""Prompts that are rendered with a written chat template have the ids of palo.text."""

import pytest
from tests.fixtures.finished import write_tokenizer
from tests.unit.checkpoint.exporting.tokenizer_files_test import write_json_tokenizer
from transformers import AutoTokenizer

from palo import languages
from palo.checkpoint.exporting.chat_template import chat_template
from palo.checkpoint.exporting.loading import messages_of
from palo.checkpoint.exporting.tokenizer_files import write_tokenizer_files
from palo.recipes.nano import BASE
from palo.text.encoding import encode_prompt
from palo.text.messages import Conversation, Turn
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer

SPACINGS = ("{}", "  {} ", "\n{}\n\n{}", "{}  {}", "", "   ", "\u3000{}\u00a0")
SYSTEMS = (None, "", "Be brief.")


def written(name, folder, tokenizer_folder):
    tokenizer, template = load_tokenizer(tokenizer_folder), TEMPLATES[name]
    image_id = write_tokenizer_files(tokenizer, folder, 2048).image_id
    (folder / "chat_template.jinja").write_text(chat_template(template, tokenizer))
    other = AutoTokenizer.from_pretrained(folder, local_files_only=True)

    def ids_of(conversation):
        text = other.apply_chat_template(messages_of(conversation), tokenize=False)
        own = encode_prompt(conversation, template, tokenizer)
        return other(text).input_ids, [image_id if token < 0 else token for token in own]

    return ids_of, other


def conversations(most_rounds):
    for index, language in enumerate(languages.every()):
        for num_rounds in range(1, most_rounds + 1):
            for num_images in range(3):
                spacing = SPACINGS[(index + num_rounds + num_images) % len(SPACINGS)]
                text = spacing.format(*[language.caption_wish] * 2)
                turns = [
                    Turn("assistant" if n % 2 else "user", text, num_images * (n == 0))
                    for n in range(2 * num_rounds - 1)
                ]
                for system in SYSTEMS:
                    yield Conversation(tuple(turns), system)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("vicuna_v1", "nano"),
        ("plain", "nano"),
        ("vicuna_v1", "json"),
        ("plain", "json"),
        ("chatml", "json"),
    ],
)
def test_ids_are_ours_in_every_language(name, kind, tmp_path):
    write_json_tokenizer(tmp_path / "json")
    folder = BASE / "tokenizer" if kind == "nano" else tmp_path / "json"
    ids_of, _ = written(name, tmp_path, folder)
    asked = list(conversations(1 if TEMPLATES[name].caption else 3))
    assert len(asked) >= 90
    for conversation in asked:
        theirs, own = ids_of(conversation)
        assert theirs == own, conversation


def test_llavas_own_layout_of_three_rounds(tmp_path):
    write_tokenizer(tmp_path / "own")
    _, other = written("vicuna_v1", tmp_path, tmp_path / "own")
    turns = [
        Turn("user", "q", 1),
        Turn("assistant", "a"),
        Turn("user", "r"),
        Turn("assistant", "b"),
    ]
    text = other.apply_chat_template(
        messages_of(Conversation((*turns, Turn("user", "s")))), tokenize=False
    )
    assert text == (
        "<s>A chat between a curious user and an artificial intelligence assistant. The assistant "
        "gives helpful, detailed, and polite answers to the user's questions. "
        "USER: <image>\nq ASSISTANT: a</s>USER: r ASSISTANT: b</s>USER: s ASSISTANT:"
    )


def test_texts_as_messages_are_taken_too(tmp_path):
    write_tokenizer(tmp_path / "own")
    _, other = written("vicuna_v1", tmp_path, tmp_path / "own")
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "it's 'so'"},
    ]
    text = other.apply_chat_template(messages, tokenize=False)
    assert text == "<s>Be brief. USER: it's 'so' ASSISTANT:"


def test_an_image_behind_the_words_goes_to_their_front(tmp_path):
    write_tokenizer(tmp_path / "own")
    _, other = written("vicuna_v1", tmp_path, tmp_path / "own")
    parts = [{"type": "text", "text": "q"}, {"type": "image"}, {"type": "text", "text": "r"}]
    text = other.apply_chat_template([{"role": "user", "content": parts}], tokenize=False)
    assert text.endswith("USER: <image>\nq\nr ASSISTANT:")


def test_roles_that_do_not_alternate_are_refused(tmp_path):
    write_tokenizer(tmp_path / "own")
    _, other = written("vicuna_v1", tmp_path, tmp_path / "own")
    messages = [{"role": "user", "content": "a"}] * 2
    with pytest.raises(Exception, match="must alternate"):
        other.apply_chat_template(messages, tokenize=False)
