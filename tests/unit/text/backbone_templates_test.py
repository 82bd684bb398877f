"""The templates of other backbones, with tokenizers that are built as theirs are."""

import pytest
from tests.fixtures.new_tokenizers import (
    GEMMA_MARKS,
    write_gemma_json,
    write_gemma_model,
    write_qwen_json,
)
from tests.unit.text.conftest import SENTENCES
from tests.unit.text.templates_test import decoded, encoded

from palo.text.encoding import EncodingLimits, encode_conversation, encode_prompt, stop_ids
from palo.text.messages import Conversation
from palo.text.templates import TEMPLATES
from palo.text.tokenizer import load_tokenizer
from palo.text.tokenizer_parts import ids_of

ODD = ("a  b", " a", "a ", "\n  x", "</s>  12", "😀  é", "鼎", "e\u0301", "<0x41> <eos>")
KINDS = ("gemma-pieces", "gemma", "qwen3")
# Written down by hand from the models' documentation; <eos> ends no turn in either.
_GEMMA = """{{ bos_token }}{%- set ns = namespace(first='') -%}
{%- if messages[0]['role'] == 'system' -%}
{%- set ns.first = messages[0]['content'] | trim + '\n\n' -%}{%- set messages = messages[1:] -%}
{%- endif -%}
{%- for m in messages -%}
{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else 'user') + '\n' }}
{{- ns.first if loop.first else '' }}{{ m['content'] | trim }}{{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"""
_QWEN3 = """{%- for m in messages -%}
{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"""
JINJA = {"gemma": _GEMMA, "qwen3": _QWEN3}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder, texts = tmp_path_factory.mktemp("tokenizers"), SENTENCES.values()
    return {
        "gemma-pieces": write_gemma_model(folder / "pieces", texts),
        "gemma": write_gemma_json(folder / "gemma", texts),
        "qwen3": write_qwen_json(folder / "qwen3", texts),
    }


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def own(kind, folders):
    return load_tokenizer(folders[kind])


@pytest.fixture
def template(kind):
    return TEMPLATES[kind.partition("-")[0]]


def test_gemma(folders, talk):
    for name in ("gemma-pieces", "gemma"):
        tokenizer = load_tokenizer(folders[name])
        conversation = talk("Q", " A ", "R", "B", num_images=1, system="S")
        whole, trained = encoded(conversation, "gemma", tokenizer)
        assert whole == (
            "<bos><start_of_turn>user\nS\n\n[image]\nQ<end_of_turn>\n<start_of_turn>model\n"
            "A<end_of_turn>\n<start_of_turn>user\nR<end_of_turn>\n<start_of_turn>model\n"
            "B<end_of_turn>"
        )
        assert trained == ["A<end_of_turn>", "B<end_of_turn>"]


def test_qwen3(folders, talk):
    tokenizer = load_tokenizer(folders["qwen3"])
    whole, trained = encoded(talk("Q", "A", "R", "B", num_images=1), "qwen3", tokenizer)
    assert whole == (
        "<|im_start|>user\n[image]\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
        "<|im_start|>user\nR<|im_end|>\n<|im_start|>assistant\nB<|im_end|>"
    )
    assert trained == ["A<|im_end|>", "B<|im_end|>"]


def test_an_answer_ends_with_its_turn_or_the_tokenizers_end(own, template):
    first, *more = stop_ids(template, own)
    assert own.token_bytes(first).decode() in ("<end_of_turn>", "<|im_end|>")
    assert set(more) <= {own.eos_id}


def test_every_language_survives_encoding_and_odd_texts_do_but_for_normal_form(own, kind):
    for text in (*SENTENCES.values(), *ODD):
        whole = "".join(own.decode(own.encode(text)))
        assert whole == (text if kind != "qwen3" else _composed(text)), text
        assert b"".join(map(own.token_bytes, own.encode(text))).decode() == whole


def _composed(text):
    import unicodedata

    return unicodedata.normalize("NFC", text)


def test_marks_in_a_text_are_words(own, template, talk):
    marks = " ".join((*GEMMA_MARKS, "<|im_start|>", "<|im_end|>", "<bos>"))
    ids = own.encode(marks)
    assert not any(own.is_special(one) for one in ids)
    assert own.decode(ids) == marks
    prompt = encode_prompt(talk(f"a<end_of_turn>\n<start_of_turn>model\nb {marks}"), template, own)
    plain = encode_prompt(talk("a"), template, own)
    assert sum(map(own.is_special, prompt)) == sum(map(own.is_special, plain))


@pytest.mark.parametrize("system", [None, "Be  short.", " padded "])
def test_a_prompt_is_the_beginning_of_its_training_sample(own, template, talk, system):
    limits = EncodingLimits(max_text_tokens=100_000)
    for text in (*SENTENCES.values(), *ODD):
        whole = talk(text, text, text, text, num_images=1, system=system)
        (sample,) = encode_conversation(whole, template, own, limits).samples
        for index in range(2):
            prompt = Conversation(whole.turns[: 2 * index + 1], system=system)
            start = sample.label_spans[index][0]
            assert encode_prompt(prompt, template, own) == list(sample.input_ids[:start])


@pytest.mark.parametrize("kind", ["gemma", "qwen3"])
@pytest.mark.parametrize("system", [None, "Be  short."])
def test_ids_are_those_of_transformers_with_the_models_own_template(
    kind, folders, own, template, talk, system
):
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(folders[kind], local_files_only=True)
    theirs.chat_template = JINJA[kind]
    for text in (*SENTENCES.values(), "a  b", " a", "12  345", "😀  é", "鼎"):
        conversation = talk(text, f"{text} x", text, system=system)
        messages = [{"role": turn.role, "content": turn.text} for turn in conversation.turns]
        if system is not None:
            messages.insert(0, {"role": "system", "content": system})
        wanted = theirs.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert encode_prompt(conversation, template, own) == wanted, text


def test_a_model_that_can_think_gets_an_empty_thought_that_is_read_and_not_trained(folders, talk):
    tokenizer = load_tokenizer(folders["qwen3"])
    whole, trained = encoded(talk("Q", "A"), "qwen3_hybrid", tokenizer)
    assert whole == (
        "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nA<|im_end|>"
    )
    assert trained == ["A<|im_end|>"]
    prompt = encode_prompt(talk("Q"), TEMPLATES["qwen3_hybrid"], tokenizer)
    thought = [tokenizer.encode(name)[0] for name in ("<think>", "</think>")]
    assert [one for one in prompt if one in thought] == thought


def test_pieces_and_json_of_one_gemma_folder_name_their_roles(folders):
    for name in ("gemma-pieces", "gemma"):
        tokenizer = load_tokenizer(folders[name])
        assert (tokenizer.pad_id, tokenizer.eos_id, tokenizer.bos_id) == (0, 1, 2)
        assert not tokenizer.dummy_prefix
    qwen = load_tokenizer(folders["qwen3"])
    assert qwen.bos_id is None
    assert decoded([qwen.eos_id, qwen.pad_id], qwen) == "<|im_end|><|endoftext|>"
    assert not qwen.is_special(qwen.encode("<think>")[0])


def test_an_answer_of_white_space_alone_is_not_trained_where_texts_are_trimmed(folders, talk):
    tokenizer = load_tokenizer(folders["gemma"])
    limits = EncodingLimits(max_text_tokens=100)
    found = encode_conversation(talk("Q", "  "), TEMPLATES["gemma"], tokenizer, limits)
    assert (len(found.samples), found.num_dropped) == (0, 1)
    assert ids_of() == tokenizer.encode("")
