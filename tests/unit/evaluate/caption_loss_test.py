from collections import Counter

import pytest
import torch

from palo.checkpoint.load import load_trained
from palo.errors import DataError
from palo.evaluate.caption_loss import answers_nats, caption_loss, other_places, padded
from palo.evaluate.generation import image_features, preprocessing_of
from palo.text.encoding import EncodingLimits, encode_conversation, expand_sentinels
from palo.text.messages import Conversation, Turn
from palo.text.templates import TEMPLATES

TEXTS = ("a red circle", "two blue squares", "один круг", "a", "一つの円", "दो")


@pytest.fixture
def captions(image_files):
    return [(image_files[number % 3], text) for number, text in enumerate(TEXTS)]


def loss_of(trained, captions, template="plain", **changes):
    return caption_loss(
        trained.model,
        trained.tokenizer,
        TEMPLATES[template],
        preprocessing_of(trained),
        captions,
        **changes,
    )


def nats_with_labels(trained, template, question, image, text):
    """The model's own loss over a whole padded row, times the number of labels."""
    turns = (Turn("user", question, 1), Turn("assistant", text))
    limits = EncodingLimits(max_text_tokens=200)
    (sample,) = encode_conversation(
        Conversation(turns), TEMPLATES[template], trained.tokenizer, limits
    ).samples
    ids = expand_sentinels(sample.input_ids, trained.model.config.tokens_per_image)
    ((start, end),) = sample.label_spans
    labels = torch.full((1, len(ids)), -100)
    labels[0, len(ids) - (end - start) :] = torch.tensor(sample.input_ids[start:end])
    features = image_features(trained.model, preprocessing_of(trained), [image])
    with torch.no_grad():
        output = trained.model(torch.tensor([ids]), features=features, labels=labels)
    return float(output.loss) * (end - start), end - start


@pytest.mark.parametrize(("template", "question"), [("plain", ""), ("vicuna_v1", "what is it?")])
def test_the_loss_is_that_of_whole_rows(trained, captions, template, question):
    found = loss_of(trained, captions, template, question=question)
    images = list(dict.fromkeys(image for image, _ in captions))
    wrong = other_places(3, 2, seed=0)
    sums = {"right": 0.0, "wrong": 0.0, "tokens": 0}
    for image, text in captions:
        nats, count = nats_with_labels(trained, template, question, image, text)
        sums["right"] += nats
        for place in wrong[images.index(image)]:
            nats, _ = nats_with_labels(trained, template, question, images[place], text)
            sums["wrong"] += nats / 2
        sums["tokens"] += count
    assert found.right_image == pytest.approx(sums["right"] / sums["tokens"], rel=1e-5)
    assert found.wrong_image == pytest.approx(sums["wrong"] / sums["tokens"], rel=1e-5)
    assert found.difference == pytest.approx(found.wrong_image - found.right_image)
    assert (found.num_images, found.num_captions, found.num_tokens) == (3, 6, sums["tokens"])
    assert found.num_wrong == 2


def test_the_interval_holds_the_difference_of_a_model_that_looks(trained, captions):
    found = loss_of(trained, captions)
    assert found.difference != 0
    assert found.difference_low < found.difference < found.difference_high
    assert found == loss_of(trained, captions)


def test_a_model_that_does_not_look_has_no_difference(finished_stage, captions):
    blind = load_trained(finished_stage)
    with torch.no_grad():
        for parameter in blind.model.projector.parameters():
            parameter.zero_()
    found = loss_of(blind, captions)
    assert (found.difference, found.difference_low, found.difference_high) == (0, 0, 0)


@pytest.mark.parametrize(("length", "count"), [(2, 4), (3, 1), (17, 4)])
def test_every_image_is_replaced_by_others_and_as_often_as_any(length, count):
    wrong = other_places(length, count, seed=5)
    used = Counter(place for places in wrong for place in places)
    assert set(used.values()) == {min(count, length - 1)}
    assert all(own not in places for own, places in enumerate(wrong))
    assert all(len(set(places)) == len(places) for places in wrong)
    assert wrong == other_places(length, count, seed=5)


def test_answers_do_not_see_one_another(trained, image_files):
    (features,) = image_features(trained.model, preprocessing_of(trained), image_files[:1])
    prompt = [1, *[-200] * trained.model.config.tokens_per_image]
    answers = [[5, 6, 7], [8], [9, 10]]
    together = answers_nats(trained.model, prompt, features, answers)
    alone = [answers_nats(trained.model, prompt, features, [answer]) for answer in answers]
    assert together == pytest.approx(sum(alone), rel=1e-5)


def test_one_image_has_no_wrong_one(trained, captions):
    with pytest.raises(DataError, match="at least two images"):
        loss_of(trained, captions[::3])


def test_a_caption_without_words_is_refused(trained, captions):
    with pytest.raises(DataError, match="no words"):
        loss_of(trained, [*captions, (captions[0][0], "")])


def test_padding_goes_to_the_right():
    ids, mask = padded([[5, 6, 7], [8]])
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
