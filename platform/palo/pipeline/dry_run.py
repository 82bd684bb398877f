"""The dry run of a recipe: its steps and costs, printed without doing anything."""

import json

from palo.config import to_dict
from palo.data.corpus_reader import open_corpus
from palo.errors import DataError
from palo.model.config import PaloConfig
from palo.model.sizes import SIZES, from_folders
from palo.pipeline.source_checks import missing_sources
from palo.pipeline.steps import StageName, corpus_config
from palo.recipes.recipe import Recipe
from palo.train.planner import cost_lines, estimate
from palo.train.stages import StageConfig

# Means of the paper's data: short captions, and conversations in ten languages (an estimate).
_ASSUMED_TEXT_TOKENS = {"pretrain": 30.0, "finetune": 700.0}


def dry_run(recipe: Recipe) -> None:
    """Prints the resolved recipe and the cost of each of its stages.

    Args:
        recipe: The run.
    """
    print(json.dumps(to_dict(recipe), indent=2, ensure_ascii=False))
    for missing in recipe.parts.missing():
        print(f"missing         {missing}")
    model = _model_config(recipe)
    if recipe.pretrain is not None:
        _print_stage(recipe, "pretrain", recipe.pretrain, model)
    _print_stage(recipe, "finetune", recipe.finetune, model)


def _print_stage(recipe: Recipe, name: StageName, stage: StageConfig, model: PaloConfig) -> None:
    print(f"\n{name}")
    num_samples, text_tokens, source = _samples(recipe, name)
    tokens = text_tokens + model.tokens_per_image
    for line in cost_lines(estimate(model, stage, num_samples, tokens), stage):
        print(line)
    print(f"samples from    {source}")
    config = corpus_config(recipe, name)
    for own in config.sources:
        print(f"source          {own.name}: {own.path}")
    for path in missing_sources(recipe, name):
        print(f"missing         {path}")
    for line in config.mixture.lines():
        print(f"mixture         {line}")


def _samples(recipe: Recipe, name: StageName) -> tuple[int | None, float, str]:
    """Returns the number of samples, their mean text tokens, and where both come from."""
    try:
        corpus = open_corpus(corpus_config(recipe, name).output)
    except DataError:
        data = recipe.data
        expected = data.expected_captions if name == "pretrain" else data.expected_instructions
        text_tokens = _ASSUMED_TEXT_TOKENS[name]
        return expected, text_tokens, f"an assumption of {text_tokens:g} text tokens each"
    return len(corpus), float(corpus.lengths.mean()), f"the corpus in {corpus.folder}"


def _model_config(recipe: Recipe) -> PaloConfig:
    """Reads the parts' own configurations, or takes the scale's known ones without them."""
    parts = recipe.parts
    if not parts.missing():
        return from_folders(
            parts.tower, parts.language_model, parts.projector_type, parts.image_size
        )
    return SIZES[recipe.scale]()
