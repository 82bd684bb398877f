"""Encoding conversations to ids and label spans.

For the LLaMA tokenizer the ids equal LLaVA-1.5's legacy tokenization, and the labels are what LLaVA
trains: the answers and the token that ends them. Labels come by construction: every segment is
encoded by itself and is either read or trained.
"""

from collections.abc import Sequence

from palo.text.fitting import EncodedSample, Encoding, EncodingLimits, split, truncate
from palo.text.messages import Conversation
from palo.text.segments import IMAGE_SENTINEL, segment_encoder
from palo.text.templates import Template
from palo.text.tokenizer import TextTokenizer

__all__ = [
    "IMAGE_SENTINEL",
    "EncodedSample",
    "Encoding",
    "EncodingLimits",
    "encode_conversation",
    "encode_prompt",
    "expand_sentinels",
    "misfit",
    "stop_ids",
]


def misfit(conversation: Conversation, template: Template) -> str | None:
    """Returns why a conversation can't be trained on with a template; None if it can.

    Args:
        conversation: Any conversation.
        template: Layout.
    """
    if not conversation.is_answered:
        return "the last question has no answer"
    if template.caption and len(conversation.turns) != 2:
        return "a caption needs exactly two turns"
    if template.caption and not conversation.num_images:
        return "a caption needs an image"
    return None


def encode_conversation(
    conversation: Conversation,
    template: Template,
    tokenizer: TextTokenizer,
    limits: EncodingLimits,
) -> Encoding:
    """Encodes a conversation for training.

    Args:
        conversation: Ends with the assistant's turn.
        template: Layout.
        tokenizer: Source of ids.
        limits: Length, and what happens beyond it.

    Returns:
        Its samples, none of them without labels, and the counts of what was split, cut, dropped.

    Raises:
        ValueError: If `misfit` has a reason.
    """
    reason = misfit(conversation, template)
    if reason is not None:
        raise ValueError(f"template {template.name} can't train this conversation: {reason}")
    encoder = segment_encoder(template, tokenizer)
    if limits.overflow == "truncate":
        return truncate(conversation, encoder, limits.max_text_tokens)
    return split(conversation, encoder, limits.max_text_tokens)


def encode_prompt(
    conversation: Conversation, template: Template, tokenizer: TextTokenizer
) -> list[int]:
    """Encodes a conversation for inference: what training puts before the answer, id by id.

    Args:
        conversation: Ends with the user's turn.
        template: Layout.
        tokenizer: Source of ids.

    Returns:
        Ids with one sentinel per image, up to where the assistant begins.

    Raises:
        ValueError: If the assistant has the last word.
    """
    if conversation.is_answered:
        raise ValueError("a prompt must end with the user's turn")
    encoder = segment_encoder(template, tokenizer)
    ids = encoder.head(conversation.system)[:]
    for user, assistant in conversation.rounds():
        ids += encoder.question(user.text, user.num_images)
        ids += encoder.answer(assistant.text)
        ids += encoder.between
    last = conversation.turns[-1]
    return (ids + encoder.question(last.text, last.num_images)).tolist()


def stop_ids(template: Template, tokenizer: TextTokenizer) -> tuple[int, ...]:
    """Returns the ids that end an answer: the template's last one and the tokenizer's end.

    Args:
        template: Layout.
        tokenizer: Source of ids.
    """
    # Empty where the template ends with a text that the tokenizer drops, as some do a line break.
    last = segment_encoder(template, tokenizer).answer("")[-1:]
    return tuple(dict.fromkeys((*last, tokenizer.eos_id)))


def expand_sentinels(ids: Sequence[int], tokens_per_image: int) -> list[int]:
    """Repeats each image sentinel as often as the projector gives tokens.

    Args:
        ids: Token ids with one sentinel per image.
        tokens_per_image: At least 1.

    Raises:
        ValueError: If `tokens_per_image` is less than 1.
    """
    if tokens_per_image < 1:
        raise ValueError(f"an image gives at least one token, got {tokens_per_image}")
    expanded = list(ids)
    if tokens_per_image > 1:
        for index in reversed([i for i, token in enumerate(expanded) if token == IMAGE_SENTINEL]):
            expanded[index:index] = [IMAGE_SENTINEL] * (tokens_per_image - 1)
    return expanded
