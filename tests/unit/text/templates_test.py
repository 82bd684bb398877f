import pytest

from palo.errors import MismatchError
from palo.text.encoding import EncodingLimits, encode_conversation, encode_prompt
from palo.text.templates import TEMPLATES, Control, Slot, Template

LIMITS = EncodingLimits(max_text_tokens=1000)


def decoded(ids, tokenizer):
    """The text of ids with control tokens and images by name."""
    names = [b"[image]" if i == -200 else tokenizer.token_bytes(i) for i in ids]
    return b"".join(names).decode()


def encoded(conversation, name, tokenizer):
    (sample,) = encode_conversation(conversation, TEMPLATES[name], tokenizer, LIMITS).samples
    trained = [sample.input_ids[start:end] for start, end in sample.label_spans]
    return decoded(sample.input_ids, tokenizer), [decoded(ids, tokenizer) for ids in trained]


def test_names_are_keys():
    known = {"vicuna_v1", "plain", "chatml", "qwen3", "qwen3_hybrid", "gemma"}
    assert set(TEMPLATES) == known
    assert all(template.name == name for name, template in TEMPLATES.items())


def test_vicuna(pieces, talk):
    whole, trained = encoded(talk("Q", "A", "R", "B", num_images=1), "vicuna_v1", pieces)
    system = TEMPLATES["vicuna_v1"].system_text
    assert whole == f"<s> {system} USER: [image] \nQ ASSISTANT: A</s> USER: R ASSISTANT: B</s>"
    assert trained == [" A</s>", " B</s>"]


def test_vicuna_writes_the_spaces_that_byte_pairs_lack(byte_pairs, talk):
    whole, trained = encoded(talk("Q", "A", "R", "B", num_images=1), "vicuna_v1", byte_pairs)
    system = TEMPLATES["vicuna_v1"].system_text
    assert whole == (
        f"<|im_start|>{system} USER: [image]\nQ ASSISTANT: A<|im_end|> USER: R ASSISTANT:"
        " B<|im_end|>"
    )
    assert trained == [" A<|im_end|>", " B<|im_end|>"]


def test_plain(tokenizer, talk):
    whole, trained = encoded(talk("Say it.", "A boat.", num_images=1), "plain", tokenizer)
    prefix = " " if tokenizer.dummy_prefix else ""
    first = decoded([tokenizer.bos_id], tokenizer)
    assert whole == f"{first}[image]{prefix}A boat.\n"
    assert trained == [f"{prefix}A boat.\n"]


def test_chatml(byte_pairs, talk):
    conversation = talk("Q", "A", "R", "B", num_images=1, system="S")
    whole, trained = encoded(conversation, "chatml", byte_pairs)
    assert whole == (
        "<|im_start|>system\nS<|im_end|>\n"
        "<|im_start|>user\n[image]\nQ<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n"
        "<|im_start|>user\nR<|im_end|>\n<|im_start|>assistant\nB<|im_end|>"
    )
    assert trained == ["A<|im_end|>", "B<|im_end|>"]


def test_chatml_of_a_sentencepiece_tokenizer_with_its_control_tokens(pieces, talk):
    whole, trained = encoded(talk("Q", "A", system=""), "chatml", pieces)
    assert whole == "<|im_start|> user\nQ<|im_end|> \n<|im_start|> assistant\n A<|im_end|>"
    assert trained == [" A<|im_end|>"]


def test_a_tokenizer_without_the_control_tokens_is_refused(pieces, talk):
    template = Template(name="x", question=(Slot.QUESTION, Control("<|turn|>")), answer=())
    with pytest.raises(MismatchError, match=r"<\|turn\|>"):
        encode_prompt(talk("Q"), template, pieces)


def test_a_new_template_is_one_entry(tokenizer, talk, monkeypatch):
    template = Template(
        name="short",
        question=("Q: ", Slot.QUESTION, "\nA:"),
        answer=(Slot.SPACE, Slot.ANSWER, Slot.EOS),
        after_image="",
    )
    monkeypatch.setitem(TEMPLATES, "short", template)
    whole, trained = encoded(talk("what", "a boat"), "short", tokenizer)
    end = decoded([tokenizer.eos_id], tokenizer)
    prefix = " " if tokenizer.dummy_prefix else ""
    assert whole == f"{prefix}Q: what\nA: a boat{end}"
    assert trained == [f" a boat{end}"]
