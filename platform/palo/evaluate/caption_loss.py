"""The loss of captions with the right and with a wrong image: how much a model uses the image.

A model that ignores the image has the same loss with both.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from palo import storage
from palo.errors import DataError
from palo.evaluate.benches.rows import bad_line, image_of
from palo.evaluate.generation import image_features
from palo.images.image_folder import ImageFolder
from palo.metrics.intervals import percentile_interval, resampling_weights
from palo.text.encoding import (
    EncodingLimits,
    encode_conversation,
    encode_prompt,
    expand_sentinels,
)
from palo.text.messages import Conversation, Turn

if TYPE_CHECKING:
    from palo.images.preprocessing import Preprocessing
    from palo.model import PaloForConditionalGeneration
    from palo.text.templates import Template
    from palo.text.tokenizer import TextTokenizer


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptionLoss:
    """Mean next-token loss of captions in nats, over all their tokens.

    Attributes:
        right_image: With the caption's own image.
        wrong_image: With other images, the mean over `num_wrong` of them for each caption.
        difference: `wrong_image` - `right_image`.
        difference_low: Low end of its 95 % interval, by a paired bootstrap over images.
        difference_high: High end of that interval.
        num_wrong: Wrong images for each caption.
        num_images: Images.
        num_captions: Captions.
        num_tokens: Tokens that were predicted, the one that ends a caption included.
    """

    right_image: float
    wrong_image: float
    difference: float
    difference_low: float
    difference_high: float
    num_wrong: int
    num_images: int
    num_captions: int
    num_tokens: int


def caption_loss(
    model: "PaloForConditionalGeneration",
    tokenizer: "TextTokenizer",
    template: "Template",
    preprocessing: "Preprocessing",
    captions: Sequence[tuple[Path, str]],
    *,
    question: str = "",
    num_wrong: int = 4,
    seed: int = 0,
) -> CaptionLoss:
    """Measures the loss of captions with their own and with another image.

    Args:
        model: The model, in evaluation mode; it may be untrained.
        tokenizer: Its tokenizer.
        template: Layout of the conversation.
        preprocessing: What happens to an image first.
        captions: Image files, at least two different ones, each with a caption.
        question: What the user asks, where the template has a place for it.
        num_wrong: Wrong images for each caption, fewer where there are fewer. More make the
            difference less a matter of which image chance chose.
        seed: Seed of the wrong images and of the bootstrap.

    Raises:
        DataError: If there are fewer than two images.
        ImageError: If an image can't be used.
    """
    by_image: dict[Path, list[str]] = {}
    for image, caption in captions:
        by_image.setdefault(image, []).append(caption)
    if len(by_image) < 2:
        raise DataError(
            "a wrong image needs at least two images", seen=len(by_image), fix="Give more."
        )
    user = Turn("user", question, 1)
    prompt = expand_sentinels(
        encode_prompt(Conversation((user,)), template, tokenizer), model.config.tokens_per_image
    )
    features = image_features(model, preprocessing, list(by_image))
    sums = np.zeros((len(by_image), 3))  # right nats, wrong nats, tokens
    wrong = other_places(len(by_image), num_wrong, seed)
    for row, texts in enumerate(by_image.values()):
        answers = [_answer_ids(user, text, template, tokenizer) for text in texts]
        sums[row] = (
            answers_nats(model, prompt, features[row], answers),
            np.mean([answers_nats(model, prompt, features[w], answers) for w in wrong[row]]),
            sum(map(len, answers)),
        )
    right_nats, wrong_nats, tokens = sums.sum(axis=0)
    resampled = resampling_weights(len(by_image), seed) @ sums
    low, high = percentile_interval((resampled[:, 1] - resampled[:, 0]) / resampled[:, 2])
    return CaptionLoss(
        right_image=right_nats / tokens,
        wrong_image=wrong_nats / tokens,
        difference=(wrong_nats - right_nats) / tokens,
        difference_low=low,
        difference_high=high,
        num_wrong=len(wrong[0]),
        num_images=len(by_image),
        num_captions=len(captions),
        num_tokens=int(tokens),
    )


def other_places(length: int, count: int, seed: int) -> list[list[int]]:
    """Returns for each place the ones that follow it in a shuffled circle.

    Every place is therefore as often another's as any other.

    Args:
        length: Places, at least 2.
        count: How many others, at most; there are `length` - 1.
        seed: Seed of the order.
    """
    order = list(range(length))
    random.Random(seed).shuffle(order)  # noqa: S311 - no secret
    steps = range(1, min(count, length - 1) + 1)
    following = {
        place: [order[(at + step) % length] for step in steps] for at, place in enumerate(order)
    }
    return [following[place] for place in range(length)]


def _answer_ids(
    user: Turn, text: str, template: "Template", tokenizer: "TextTokenizer"
) -> list[int]:
    conversation = Conversation((user, Turn("assistant", text)))
    limits = EncodingLimits(max_text_tokens=1 << 20)
    samples = encode_conversation(conversation, template, tokenizer, limits).samples
    if not samples:
        raise DataError("a caption has no words", seen=repr(text), fix="Take it out.")
    ((start, end),) = samples[0].label_spans
    return list(samples[0].input_ids[start:end])


@torch.inference_mode()
def answers_nats(
    model: "PaloForConditionalGeneration",
    prompt: Sequence[int],
    features: Tensor,
    answers: Sequence[Sequence[int]],
) -> float:
    """Returns the summed next-token loss of several answers to one prompt about one image.

    The prompt with the image runs once, however many answers there are.

    Args:
        model: The model.
        prompt: Token ids, the sentinel at each place of the image.
        features: (P, D) floats of the image.
        answers: Token ids of each answer, none of them empty.

    Returns:
        Nats, summed over all tokens of all answers.
    """
    device = model.device
    start = model(
        input_ids=torch.tensor([prompt], device=device),
        features=features[None],
        use_cache=True,
        logits_to_keep=1,
    )
    start.past_key_values.batch_repeat_interleave(len(answers))
    ids, mask = (tensor.to(device) for tensor in padded(answers))
    following = model(
        input_ids=ids,
        attention_mask=torch.cat([mask.new_ones(len(answers), len(prompt)), mask], dim=1),
        past_key_values=start.past_key_values,
        use_cache=True,
    )
    # The prompt's last position predicts the first token, and each token the one after it.
    first = start.logits[:, -1:].expand(len(answers), -1, -1)
    logits = torch.cat([first, following.logits[:, :-1]], dim=1).float()
    nats = torch.nn.functional.cross_entropy(logits[mask.bool()], ids[mask.bool()], reduction="sum")
    return float(nats)


def padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Fills rows on the right up to the length of the longest.

    Padding is known by its position alone: its id may be that of a real token.

    Args:
        rows: B rows of token ids.

    Returns:
        (B, L) int64 ids, and (B, L) int64 mask with 1 for tokens and 0 for padding.
    """
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return ids, mask


def read_photos(path: Path, image_folder: Path) -> list[tuple[Path, str]]:
    """Reads photos and captions; each line is an object with `image` and `caption`.

    Args:
        path: The JSON lines.
        image_folder: Folder that the lines' `image` is relative to.

    Returns:
        Image files, each with one caption.

    Raises:
        StorageError: If the file can't be read or is not JSON lines.
        DataError: If a line is wrong or an image is missing; the line's number is in the message.
    """
    photos = []
    images = ImageFolder(image_folder)
    for number, row in storage.read_json_lines(path):
        try:
            name, caption = row["image"], row["caption"]
        except (KeyError, TypeError) as error:
            seen = str(row)[:60]
            raise bad_line(path, number, "is no object with image and caption", seen) from error
        if not isinstance(name, str):
            raise bad_line(path, number, "names no image", repr(name)[:60])
        image = image_of(images, name, path, number)
        if not isinstance(caption, str) or not caption.strip():
            raise bad_line(path, number, "has no caption", repr(caption))
        if not image.is_file():
            raise bad_line(path, number, "names a missing image", image)
        photos.append((image, caption))
    if not photos:
        raise DataError("there are no photos", seen=path, fix="Name a file with JSON lines.")
    return photos


def caption_loss_table(losses: Mapping[str, CaptionLoss]) -> str:
    """Returns a table of losses in nats a token, one row for each state of the model.

    Args:
        losses: Losses on the same photos, by the model's state: "before", "after".
    """
    lines = [f"{'':8} {'right photo':>12} {'wrong photo':>12} {'wrong - right':>14}  95 % interval"]
    for state, loss in losses.items():
        interval = f"[{loss.difference_low:+.3f}, {loss.difference_high:+.3f}]"
        lines.append(
            f"{state:8} {loss.right_image:12.3f} {loss.wrong_image:12.3f} "
            f"{loss.difference:+14.3f}  {interval}"
        )
    last = list(losses.values())[-1]
    lines.append(
        f"Mean loss of {last.num_captions} captions of {last.num_images} held-out photos, in nats "
        f"a token ({last.num_tokens:,} tokens), with the right photo and with {last.num_wrong} "
        "wrong ones in turn."
    )
    return "\n".join(lines)
