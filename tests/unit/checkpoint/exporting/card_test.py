"""The model card: what is known stands in it, and what isn't says so."""

import json

from palo import languages
from palo.checkpoint.exporting.card import (
    CardData,
    PartFacts,
    ScoreFacts,
    SourceFacts,
    card_text,
)
from palo.checkpoint.exporting.card_facts import scores_of, settings_of, sources_of
from palo.checkpoint.finished import describe_stage

PART = PartFacts(role="tower", name="clip", fingerprint="1234", licence="mit")


def test_low_resource_languages_come_first():
    scores = {"ur": ScoreFacts(value=0.97, low=0.91, high=0.99), "en": ScoreFacts(value=0.9)}
    source = SourceFacts(name="s", licence="cc-by-4.0", num_records={"ur": 2100, "en": 7})
    text = card_text(
        CardData(title="m", library="", lineage_id="palo-1", parts=[PART], sources=[source],
                 scores=scores, num_questions=1000)
    )  # fmt: skip
    assert "| Urdu | اردو (ur) | low-resource | 2,100 | 97.0% (91.0% to 99.0%) |" in text
    assert "| English | English (en) | high-resource | 7 | 90.0% |" in text
    assert text.index("Urdu") < text.index("| English")
    assert "| s | cc-by-4.0 | 7 | 2,100 |" in text
    assert "Accuracy on 1,000 held-out questions" in text
    assert all(f"- {code}\n" in text for code in languages.codes())


def test_an_eleventh_language_is_in_it(eleventh_language):
    text = card_text(CardData(title="m", library="", lineage_id="", parts=[PART]))
    assert f"| {eleventh_language.name} |" in text
    assert "in 11 languages" in text


def test_what_is_not_recorded_says_so():
    text = card_text(CardData(title="m", library="peft", lineage_id="", parts=[PART]))
    assert "Lineage: not recorded" in text
    assert "Records by language and licence: not recorded." in text
    assert "Settings: not recorded." in text
    assert "Scores: not recorded." in text
    assert "not compared with the model" in text
    assert "licences/" not in text
    assert "library_name: peft" in text


def test_foreign_text_is_no_markup():
    part = PartFacts(role="tower", name="a|b<script>\n# c", fingerprint="1`2")
    text = card_text(CardData(title="[x](y)", library="", lineage_id="", parts=[part]))
    assert "a\\|b\\<script># c" in text
    assert "# \\[x](y)" in text
    assert "<script>" not in text.replace("\\<", "")


def run_of(stage, tmp_path, **files):
    run = tmp_path / "run"
    (run / "finetune").mkdir(parents=True)
    (run / "finetune" / "model.json").write_text((stage / "model.json").read_text())
    for name, values in files.items():
        path = run / name.replace("__", "/")
        path = path.with_suffix(".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(values if isinstance(values, str) else json.dumps(values))
    return describe_stage(run / "finetune")


def test_facts_of_a_run_are_found(finished_stage, tmp_path):
    report = {
        "accuracy": {"ur": 0.97},
        "accuracy_interval": {"ur": [0.91, 0.99]},
        "accuracy_without_image_by_language": {"ur": 0.09},
        "num_questions": 1000,
    }
    manifest = {
        "sources": [{"name": "own", "num_records": {"ur": 5}}],
        "settings": {"sources": {"own": {"licence": "cc0-1.0"}}},
    }
    stage = run_of(finished_stage, tmp_path, report=report, corpus__finetune__manifest=manifest)
    record = {
        "corpus": {"folder": "/gone", "fingerprint": "f00"},
        "settings": {"config": {"optimizer": {"lr": 0.1}, "seed": 42}},
    }
    scores, blind, count = scores_of(stage)
    assert (scores, count) == ({"ur": ScoreFacts(value=0.97, low=0.91, high=0.99)}, 1000)
    assert blind == {"ur": ScoreFacts(value=0.09)}
    corpus, sources = sources_of(stage, record)
    assert corpus == "f00"
    assert sources == [SourceFacts(name="own", licence="cc0-1.0", num_records={"ur": 5})]
    assert settings_of(record) == {"optimizer.lr": 0.1, "seed": 42}


def test_damaged_facts_are_no_reason_to_fail(finished_stage, tmp_path):
    stage = run_of(
        finished_stage,
        tmp_path,
        report='{"accuracy": [1], "accuracy_interval": 3}',
        corpus__finetune__manifest="no json",
    )
    assert scores_of(stage) == ({}, {}, 0)
    assert sources_of(stage, {"corpus": "x"}) == ("", [])
    assert settings_of({"settings": []}) == {}
