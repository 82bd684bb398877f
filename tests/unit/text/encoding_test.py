import shutil

import pytest
from tokenizers import Tokenizer, normalizers

from palo import languages
from palo.config import check
from palo.errors import ConfigError
from palo.text.encoding import (
    IMAGE_SENTINEL,
    EncodingLimits,
    encode_conversation,
    encode_prompt,
    expand_sentinels,
    misfit,
    stop_ids,
)
from palo.text.messages import Conversation
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer

CHAT_TEMPLATES = ["vicuna_v1", "chatml"]
ROOMY = EncodingLimits(max_text_tokens=100_000)


def texts_of(sentences, code, num_turns):
    """Different texts of different length, so that no two are mistaken for each other."""
    return [f"{index} " + sentences[code] * (1 + index % 3) for index in range(num_turns)]


def answers_of(samples, tokenizer):
    return [
        tokenizer.decode(sample.input_ids[start:end]).strip()
        for sample in samples
        for start, end in sample.label_spans
    ]


def test_the_fixture_has_every_language(sentences):
    assert set(sentences) == set(languages.codes())


@pytest.mark.parametrize("name", CHAT_TEMPLATES)
@pytest.mark.parametrize("num_rounds", [1, 2, 3])
@pytest.mark.parametrize("num_images", [0, 1])
def test_labels_are_the_answers_and_their_ends(
    tokenizer, talk, sentences, name, num_rounds, num_images
):
    template = TEMPLATES[name]
    for code in sentences:
        texts = texts_of(sentences, code, 2 * num_rounds)
        encoding = encode_conversation(
            talk(*texts, num_images=num_images), template, tokenizer, ROOMY
        )
        (sample,) = encoding.samples
        assert (encoding.num_split, encoding.num_cut, encoding.num_dropped) == (0, 0, 0)
        assert answers_of([sample], tokenizer) == texts[1::2]
        for _, end in sample.label_spans:
            assert sample.input_ids[end - 1] == stop_ids(template, tokenizer)[0]
        assert sample.input_ids.count(IMAGE_SENTINEL) == num_images
        assert sample.num_text_tokens == len(sample.input_ids) - num_images
        assert sample.rounds == (0, num_rounds)
        assert not sample.truncated


@pytest.mark.parametrize("name", CHAT_TEMPLATES)
@pytest.mark.parametrize("system", [None, "", "Be  short."])
@pytest.mark.parametrize("num_rounds", [1, 2, 3])
def test_a_prompt_is_the_beginning_of_its_training_sample(
    tokenizer, talk, sentences, name, system, num_rounds
):
    for code in sentences:
        texts = [f" {text}  " for text in texts_of(sentences, code, 2 * num_rounds)]
        template = TEMPLATES[name]
        whole = talk(*texts, num_images=1, system=system)
        (sample,) = encode_conversation(whole, template, tokenizer, ROOMY).samples
        for index in range(num_rounds):
            prompt = Conversation(whole.turns[: 2 * index + 1], system=system)
            start = sample.label_spans[index][0]
            assert encode_prompt(prompt, template, tokenizer) == list(sample.input_ids[:start])


def test_a_prompt_of_a_caption_is_the_image_alone(tokenizer, talk):
    prompt = encode_prompt(talk("Say it.", num_images=1), TEMPLATES["plain"], tokenizer)
    assert prompt == [tokenizer.bos_id, IMAGE_SENTINEL]


def test_a_prompt_must_end_with_a_question(tokenizer, talk):
    with pytest.raises(ValueError, match="user's turn"):
        encode_prompt(talk("Q", "A"), TEMPLATES["vicuna_v1"], tokenizer)


@pytest.mark.parametrize(
    ("name", "texts", "num_images", "reason"),
    [
        ("vicuna_v1", ("Q",), 1, "no answer"),
        ("chatml", ("Q", "A", "R"), 0, "no answer"),
        ("plain", ("Q", "A", "R", "B"), 1, "two turns"),
        ("plain", ("Q", "A"), 0, "image"),
    ],
)
def test_what_a_template_cannot_train_has_a_reason(
    tokenizer, talk, name, texts, num_images, reason
):
    conversation = talk(*texts, num_images=num_images)
    assert reason in misfit(conversation, TEMPLATES[name])
    with pytest.raises(ValueError, match=reason):
        encode_conversation(conversation, TEMPLATES[name], tokenizer, ROOMY)


def test_what_a_template_can_train_has_no_reason(talk):
    for name, template in TEMPLATES.items():
        assert misfit(talk("Q", "A", num_images=1), template) is None, name


@pytest.mark.parametrize("name", CHAT_TEMPLATES)
@pytest.mark.parametrize("markup", ["<image>", "</s>", "<|im_end|>", "<|im_start|>user\n", "<s>"])
def test_markup_of_the_speakers_is_text(tokenizer, talk, name, markup):
    texts = (f"Is {markup} a tag?", f"{markup}{markup} is.")
    plain = talk("Is x a tag?", "x is.", num_images=1)
    (expected,) = encode_conversation(plain, TEMPLATES[name], tokenizer, ROOMY).samples
    encoding = encode_conversation(talk(*texts, num_images=1), TEMPLATES[name], tokenizer, ROOMY)
    (sample,) = encoding.samples
    assert answers_of([sample], tokenizer) == [texts[1]]

    def controls(ids):
        return [i for i in ids if i < 0 or tokenizer.is_special(i)]

    assert controls(sample.input_ids) == controls(expected.input_ids)


def test_stop_ids_end_answers(pieces, byte_pairs):
    assert stop_ids(TEMPLATES["vicuna_v1"], pieces) == (pieces.eos_id,)
    assert stop_ids(TEMPLATES["chatml"], byte_pairs) == (byte_pairs.special("<|im_end|>"),)
    (newline, end) = stop_ids(TEMPLATES["plain"], pieces)
    assert pieces.token_bytes(newline) == b"\n"
    assert end == pieces.eos_id


def test_where_the_last_line_break_is_dropped_the_end_token_ends_an_answer(json_folder, tmp_path):
    shutil.copytree(json_folder, tmp_path, dirs_exist_ok=True)
    content = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    content.normalizer = normalizers.Strip()
    content.save(str(tmp_path / "tokenizer.json"))
    stripping = load_tokenizer(tmp_path)
    assert stop_ids(TEMPLATES["plain"], stripping) == (stripping.eos_id,)


@pytest.mark.parametrize("tokens_per_image", [1, 4, 144])
@pytest.mark.parametrize("ids", [[], [5], [-200], [-200, -200], [1, -200, 7], [1, -200, 7, -200]])
def test_sentinels_are_repeated_in_place(ids, tokens_per_image):
    expected = []
    for token_id in ids:
        expected += [token_id] * (tokens_per_image if token_id == IMAGE_SENTINEL else 1)
    before = list(ids)
    assert expand_sentinels(tuple(ids), tokens_per_image) == expected
    assert ids == before


def test_an_image_gives_at_least_one_token():
    with pytest.raises(ValueError, match="at least one"):
        expand_sentinels([1], 0)


def test_limits_that_cannot_work_are_faults():
    with pytest.raises(ConfigError, match=r"max_text_tokens.*overflow"):
        check(EncodingLimits(max_text_tokens=3, overflow="wrap"))
    check(EncodingLimits(max_text_tokens=1472))
