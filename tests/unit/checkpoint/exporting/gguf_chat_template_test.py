"""What llama.cpp renders of a conversation, against the conversation templates themselves."""

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from palo.checkpoint.exporting.gguf_chat_template import gguf_chat_template
from palo.text.templates import TEMPLATES

_SYSTEM = TEMPLATES["vicuna_v1"].system_text


def _render(name, messages, *, dummy_prefix=True, eos="</s>"):
    text = gguf_chat_template(TEMPLATES[name], eos, dummy_prefix=dummy_prefix)
    return ImmutableSandboxedEnvironment().from_string(text).render(messages=messages)


def _said(*texts, system=None):
    """Messages of a user and an assistant in turn."""
    first = [] if system is None else [{"role": "system", "content": system}]
    roles = ("user", "assistant")
    return first + [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


@pytest.mark.parametrize("mark", ["<__media__>", "<__media_zjPjT6uW5Um0YYRC__>"])
@pytest.mark.parametrize("asked", ["{}what?", "what?{}", " wh{}at? "])
def test_an_image_comes_first_wherever_it_was_sent(mark, asked):
    found = _render("vicuna_v1", _said(asked.format(mark)))
    assert found == f"{_SYSTEM} USER: {mark}\nwhat? ASSISTANT:"


def test_words_without_an_image_stay_as_they_are():
    found = _render("vicuna_v1", _said("  a <__media_ b\n"))
    assert found == f"{_SYSTEM} USER:   a <__media_ b\n ASSISTANT:"


def test_an_image_alone_has_no_line_after_it():
    assert _render("vicuna_v1", _said("<__media__>")).endswith("USER: <__media__> ASSISTANT:")


def test_rounds_follow_one_another_as_in_training():
    found = _render("vicuna_v1", _said("a", "b", "c", "d", "e"))
    assert found == f"{_SYSTEM} USER: a ASSISTANT: b</s>USER: c ASSISTANT: d</s>USER: e ASSISTANT:"


def test_spaces_that_the_tokenizer_does_not_put_are_written():
    found = _render("vicuna_v1", _said("a", "b", "c"), dummy_prefix=False)
    assert found == f"{_SYSTEM} USER: a ASSISTANT: b</s> USER: c ASSISTANT:"


def test_a_system_text_takes_the_place_of_the_templates():
    assert _render("vicuna_v1", _said("a", system="Be brief.")) == "Be brief. USER: a ASSISTANT:"
    assert _render("vicuna_v1", _said("a", system="")) == "USER: a ASSISTANT:"


def test_chatml_is_rendered_with_its_control_tokens():
    found = _render("chatml", _said("<__media__>a", "b", "c", system="S"), eos="<|im_end|>")
    assert found == (
        "<|im_start|>system\nS<|im_end|>\n"
        "<|im_start|>user\n<__media__>\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
        "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n"
    )
