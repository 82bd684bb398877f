import re

import pytest

from palo.text.encoding import EncodedSample, EncodingLimits, encode_conversation
from palo.text.preview import RESET, TRAINED, UNTRAINED, stretches
from palo.text.preview import preview as preview_of
from palo.text.templates import TEMPLATES
from palo.text.tokenizer_parts import ids_of

LIMITS = EncodingLimits(max_text_tokens=10_000)


def coloured(shown):
    """Pairs of colour and text, line by line; isolates taken away."""
    pattern = re.compile(r"(\x1b\[\d+m)(.*?)\x1b\[0m", re.DOTALL)
    assert pattern.sub("", shown).strip("\n") == ""
    return [(c, re.sub("[\u2066-\u2069]", "", text)) for c, text in pattern.findall(shown)]


def preview(sample, tokenizer):
    return preview_of(sample.input_ids, sample.label_spans, tokenizer)


def encoded(conversation, tokenizer, name="vicuna_v1"):
    return encode_conversation(conversation, TEMPLATES[name], tokenizer, LIMITS).samples[0]


def test_answers_are_coloured_and_the_rest_is_dim(tokenizer, talk, sentences):
    for text in sentences.values():
        sample = encoded(talk(text, text, "b", "c", num_images=1, system=""), tokenizer)
        shown = preview(sample, tokenizer)
        trained = [part for colour, part in coloured(shown) if colour == TRAINED]
        untrained = "".join(part for colour, part in coloured(shown) if colour == UNTRAINED)
        end = tokenizer.token_bytes(tokenizer.eos_id).decode()
        assert trained == [f" {text}{end}", f" c{end}"]
        assert text in untrained
        assert "[image]" in untrained
        assert "\ufffd" not in shown


def test_stretches_are_the_sample_in_order(tokenizer, talk, sentences):
    sample = encoded(talk(sentences["bn"], sentences["ja"], num_images=1), tokenizer)
    parts = list(stretches(sample.input_ids, sample.label_spans, tokenizer))
    assert [part.is_trained for part in parts] == [False, True]
    assert sum(part.num_tokens for part in parts) == len(sample.input_ids)
    assert parts[1].num_tokens == sum(end - start for start, end in sample.label_spans)
    assert sentences["ja"] in parts[1].text


def test_right_to_left_lines_are_isolated(tokenizer, talk, sentences):
    for code in ("ar", "ur"):
        shown = preview(encoded(talk("a", sentences[code]), tokenizer), tokenizer)
        assert shown.count("\u2068") == 1
        end = tokenizer.token_bytes(tokenizer.eos_id).decode()
        assert f"{sentences[code]}\u2066{end}\u2069\u2069" in shown
    assert "\u2068" not in preview(encoded(talk("a", sentences["ja"]), tokenizer), tokenizer)


def test_every_line_has_its_own_colour(tokenizer, talk):
    shown = preview(encoded(talk("a", "one\n\ntwo", system=""), tokenizer), tokenizer)
    end = tokenizer.token_bytes(tokenizer.eos_id).decode()
    assert shown.endswith(f"{TRAINED} one{RESET}\n\n{TRAINED}two{end}{RESET}")


def test_a_text_cannot_command_the_terminal(tokenizer, talk):
    shown = preview(encoded(talk("\x1b[2J\x07", "\x9b\r"), tokenizer), tokenizer)
    rest = re.sub(r"\x1b\[(32|2|0)m", "", shown)
    assert not set(rest) & {"\x1b", "\x07", "\x9b", "\r"}
    assert r"\x1b[2J\x07" in rest


@pytest.mark.parametrize("num_ids", [1, 2])
def test_part_of_a_character_shows_as_bytes(tokenizer, num_ids):
    ids = [i for i in tokenizer.encode("鼎") if tokenizer.token_bytes(i) != b" "][:num_ids]
    sample = EncodedSample(
        input_ids=ids_of(ids),
        label_spans=((0, num_ids),),
        num_text_tokens=num_ids,
        truncated=True,
        rounds=(0, 1),
    )
    expected = "".join(f"\\x{byte:02x}" for byte in "鼎".encode()[:num_ids])
    assert preview(sample, tokenizer) == f"{TRAINED}{expected}{RESET}"
