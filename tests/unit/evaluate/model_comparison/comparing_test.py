"""Two models on the same prompts: nothing differs where they are one, and what does is measured."""

import math
import shutil

import pytest
import torch
from tests.fixtures.layouts import write_palo

from palo import storage
from palo.checkpoint.importing import open_model
from palo.errors import (
    ConfigError,
    DataError,
    ImageError,
    MismatchError,
    PaloError,
    StorageError,
)
from palo.evaluate.model_comparison.comparing import common_length, compare_models, differences
from palo.evaluate.model_comparison.opening import open_compared
from palo.evaluate.model_comparison.prompts import ComparisonPrompt
from palo.evaluate.model_comparison.run import ComparedFolder, compare_folders
from palo.evaluate.model_comparison.summary import Acceptance


@pytest.fixture
def compare(prompts, tmp_path):
    """Compares two folders on the prompts."""

    def run(first, second, *, dtype=None, asked=prompts, most_tokens=12, **more):
        return compare_folders(
            ComparedFolder(folder=first),
            ComparedFolder(folder=second, dtype=dtype),
            asked,
            origin="a test",
            most_tokens=most_tokens,
            cache=tmp_path / "results.jsonl",
            **more,
        )

    return run


@pytest.mark.parametrize("stage", ["finished_stage", "adapted_stage"])
def test_a_model_does_not_differ_from_itself(compare, request, stage) -> None:
    folder = request.getfixturevalue(stage)
    own = compare(folder, folder).summary
    figures = own.figures
    assert figures.most_difference == figures.mean_difference == figures.mean_kl == 0
    assert figures.agreement.value == figures.identical.value == figures.common == 1
    # Six prompts about two images and none prove no more than that.
    assert figures.agreement.low < 0.7
    assert figures.identical.low == pytest.approx(0.6097, abs=1e-4)
    assert figures.num_images == 2
    assert own.languages == ("en", "ru", "ja")
    assert own.same_prompts is True
    assert [one.num_prompts for one in own.by_language.values()] == [2, 2, 2]
    assert Acceptance(least_agreement=1.0, most_difference=0.0).failures(own) == []


def test_another_projector_differs_where_there_is_an_image(
    compare, prompts, finished_stage, other_stage
) -> None:
    found = compare(finished_stage, other_stage)
    with_image = [one.most_difference for one in found.compared[:4]]
    without = [one.most_difference for one in found.compared[4:]]
    assert min(with_image) > 0.01
    assert max(without) == 0
    assert found.summary.figures.mean_kl > 0
    assert found.summary.first_id != found.summary.second_id
    (failure,) = Acceptance(most_difference=0.005).failures(found.summary)
    assert "logits differ by up to" in failure
    assert prompts[0].image is not None


def test_half_the_digits_are_a_little_different(compare, adapted_stage) -> None:
    figures = compare(adapted_stage, adapted_stage, dtype="bfloat16").summary.figures
    assert 0 < figures.mean_difference < figures.most_difference
    assert figures.mean_kl < 0.5


def test_an_interrupted_comparison_goes_on(prompts, tmp_path, finished_stage, other_stage) -> None:
    first, second = open_compared(finished_stage), open_compared(other_stage)
    cache = tmp_path / "results.jsonl"
    known: list[bool] = []

    def stop(is_known: bool) -> None:
        known.append(is_known)
        if len(known) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare_models(first, second, prompts, most_tokens=5, cache=cache, on_prompt=stop)
    for most_tokens, expected in ((5, [True, True, *[False] * 4]), (3, [False] * 6)):
        again: list[bool] = []
        compare_models(
            first, second, prompts,
            most_tokens=most_tokens, cache=cache, on_prompt=again.append,
        )  # fmt: skip
        assert again == expected


def test_the_layout_of_llava_computes_the_same(
    compare, prompts, adapted_stage, llava_folder
) -> None:
    square = [one for one in prompts if one.image is None or one.key in "01"]
    found = compare(adapted_stage, llava_folder, asked=square)
    figures = found.summary.figures
    assert figures.most_difference < 1e-5  # measured: 0
    assert figures.agreement.value == figures.identical.value == 1
    assert found.summary.same_prompts is True
    assert [one.first for one in found.compared] == [one.first.strip() for one in found.compared]
    # The other way round, its own chat template asks.
    back = compare(llava_folder, adapted_stage, asked=square).summary
    assert back.figures.identical.value == 1


def test_another_chat_template_is_no_acceptable_export(
    compare, adapted_stage, llava_folder, tmp_path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(llava_folder, changed)
    template = changed / "chat_template.jinja"
    template.write_text(template.read_text().replace("USER: ", "User: "))
    asked = [ComparisonPrompt(key="1", language="en", question="a red circle")]
    own = compare(adapted_stage, changed, asked=asked).summary
    assert own.same_prompts is False
    assert Acceptance().failures(own) == ["its chat template gives other prompts"]
    template.unlink()
    assert compare(adapted_stage, changed, asked=asked).summary.same_prompts is None
    with pytest.raises(DataError, match="no chat template"):
        compare(changed, adapted_stage, asked=asked)


def test_a_llava_folder_without_some_weights_is_refused(llava_folder, tmp_path) -> None:
    from safetensors.torch import load_file, save_file

    cut = tmp_path / "cut"
    shutil.copytree(llava_folder, cut)
    weights = load_file(cut / "model.safetensors")
    del weights["multi_modal_projector.linear_2.weight"]
    save_file(weights, cut / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MismatchError, match=r"missing .*linear_2\.weight"):
        open_compared(cut)
    (cut / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(StorageError):
        open_compared(cut)


def test_models_of_different_vocabularies_are_refused(compare, finished_stage, wider_stage) -> None:
    with pytest.raises(MismatchError, match="different vocabularies"):
        compare(finished_stage, wider_stage)


def test_tokenizers_with_other_ids_are_refused(prompts, tmp_path, finished_stage) -> None:
    first, second = open_compared(finished_stage), open_compared(finished_stage)
    second.encode = lambda text: [7, *first.encode(text)]
    with pytest.raises(MismatchError, match="other ids to the same text"):
        compare_models(first, second, prompts, most_tokens=2, cache=tmp_path / "results.jsonl")


def test_no_prompts_and_missing_images_are_refused(compare, finished_stage, tmp_path) -> None:
    with pytest.raises(DataError, match="there are no prompts"):
        compare(finished_stage, finished_stage, asked=[])
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    asked = [ComparisonPrompt(key="1", language="en", question="a", image=broken)]
    with pytest.raises(ImageError, match=r"broken\.png"):
        compare(finished_stage, finished_stage, asked=asked)
    asked = [ComparisonPrompt(key="1", language="en", question="a red circle " * 100)]
    with pytest.raises(DataError, match=r"too long for stage.*it has 256 positions"):
        compare(finished_stage, finished_stage, asked=asked)
    with pytest.raises(ConfigError, match="at least one token"):
        compare(finished_stage, finished_stage, most_tokens=0)


def test_a_folder_of_another_kind_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="no finished model here"):
        open_compared(tmp_path)
    storage.write_json(tmp_path / "config.json", {"architectures": {"Llava": 1}})
    with pytest.raises(PaloError, match="no weights"):
        open_compared(tmp_path)
    values = {"model_type": "llava", "auto_map": {"A": "b.C"}}
    values["architectures"] = ["LlavaForConditionalGeneration"]
    storage.write_json(tmp_path / "config.json", values)
    with pytest.raises(MismatchError):
        open_compared(tmp_path)


def test_a_checkpoint_of_another_project_is_imported_to_be_compared(
    compare, tmp_path, tiny_palo, imports
):
    folder = tmp_path / "PALO-7B"
    write_palo(folder, tiny_palo)
    assert open_compared(folder).name == "PALO-7B"
    asked = [ComparisonPrompt(key="1", language="en", question="a red circle")]
    assert compare(folder, open_model(folder), asked=asked).summary.figures.most_difference == 0


def test_differences_are_those_of_the_definition() -> None:
    first = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    second = torch.tensor([[math.log(3.0), 0.0], [1.0, 0.0]])
    most, mean, kl = differences(first, second)
    assert most == pytest.approx(math.log(3.0))
    assert mean == pytest.approx(math.log(3.0) / 4)
    assert kl == pytest.approx((0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25)) / 2)
    with pytest.raises(DataError, match="no numbers"):
        differences(first, torch.full((2, 2), float("nan")))


def test_a_common_beginning_is_counted() -> None:
    assert common_length([1, 2, 3], [1, 2, 4]) == 2
    assert common_length([1, 2], [1, 2, 4]) == 2
    assert common_length([5], [1]) == 0
