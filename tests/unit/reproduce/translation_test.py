"""The translate step, with Apertium where it is installed."""

import json
from dataclasses import replace

import pytest

from palo import storage
from palo.errors import ConfigError, DataError
from palo.pipeline import steps
from palo.pipeline.steps import corpus_config
from palo.reproduce.settings import ReproduceSettings, TranslateSettings
from palo.reproduce.translation import record_hashes, records_folder, translate, with_translations
from palo.translate.bulk.settings import TranslatorSettings

SETTINGS = ReproduceSettings().used().translate


def rows_of(recipe, code):
    text = storage.read_text(records_folder(recipe) / f"{code}.jsonl")
    return [json.loads(line) for line in text.splitlines()]


def test_english_scenes_are_translated_once(recipe, apertium_pairs, capsys):
    settings = replace(SETTINGS, most=3)
    translate(recipe, settings)
    source = storage.read_text(recipe.output / "translations" / "english.jsonl").splitlines()
    assert 0 < len(source) <= 3
    assert {json.loads(line)["language"] for line in source} == {"en"}
    for code in ("es", "fr"):
        rows = rows_of(recipe, code)
        assert {row["language"] for row in rows} == {code}
        assert all((recipe.output / "scenes" / row["image"]).is_file() for row in rows)
    before = dict(record_hashes(recipe))
    assert set(before) == {"es.jsonl", "fr.jsonl"}
    capsys.readouterr()
    translate(recipe, settings)
    assert dict(record_hashes(recipe)) == before
    assert "already drawn" in capsys.readouterr().out


def test_translations_are_a_source_of_the_finetune_corpus_alone(recipe):
    whole = with_translations(recipe)
    names = {
        stage: [source.name for source in corpus_config(whole, stage).sources]
        for stage in steps.stage_names(whole)
    }
    assert names == {"pretrain": ["captions"], "finetune": ["instructions", "more-instructions"]}


def test_scenes_without_english_are_told(recipe):
    scenes = replace(recipe.scenes, languages=("hi", "ur"), num_captions_per_scene=1,
                     num_records_per_scene=2)  # fmt: skip
    with pytest.raises(DataError, match=r"no English conversations.*--translate\.source"):
        translate(replace(recipe, scenes=scenes), SETTINGS)


def test_a_language_without_a_pair_is_told(recipe, apertium_pairs):
    with pytest.raises(ConfigError, match="ja"):
        translate(recipe, replace(SETTINGS, to=("ja",)))


def test_one_s_own_conversations_are_translated(recipe, apertium_pairs, tmp_path):
    rows = storage.read_json_lines(recipe.output / "scenes" / "instructions.jsonl")
    english = [row for _, row in rows if row["language"] == "en"][:2]
    storage.write_text(tmp_path / "own.jsonl", "\n".join(map(json.dumps, english)) + "\n")
    translate(recipe, replace(SETTINGS, source=tmp_path / "own.jsonl", to=("es",)))
    assert len(rows_of(recipe, "es")) == len(english)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"most": 0}, "most is 0"), ({"to": ()}, "at least one"), ({"to": ("xx",)}, "'xx'")],
)
def test_wrong_settings_are_told(wrong, words):
    settings = TranslateSettings(translator=TranslatorSettings(backend="apertium"), **wrong)
    assert words in " ".join(settings.faults())
