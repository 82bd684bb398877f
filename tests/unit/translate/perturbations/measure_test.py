import json
from random import Random

import pytest

from palo.translate.perturbations.measure import (
    KINDS,
    RateWithInterval,
    changed_by_normalizers,
    measure,
    table,
    total,
)
from palo.translate.perturbations.sample import plain_samples, rich_samples

_ROWS = [
    {
        "en": "How many of the 12 people on Main Street know Alice from the market?",
        "ur": "مین سٹریٹ کے 12 لوگوں میں سے کتنے ایلس کو بازار سے جانتے ہیں؟",
        "fr": "Combien des 12 personnes de la rue connaissent Alice du marché\u00a0?",
        "es": "¿Cuántas de las 12 personas de la calle conocen a Alice del mercado?",
        "ru": "Сколько из 12 человек на главной улице знают Алису с рынка?",
    },
    {
        "en": "There are 35 people near Alice and all of them look at a large brown dog.",
        "ur": "ایلس کے قریب 35 لوگ ہیں، اور وہ سب ایک بڑے بھورے کتے کو دیکھ رہے ہیں۔",
        "fr": "Il y a 35 personnes près d’Alice et toutes regardent un grand chien brun.",
        "es": "Hay 35 personas cerca de Alice y todas miran a un gran perro marrón.",
        "ru": "Рядом с Алисой 35 человек, и все они смотрят на большую коричневую собаку.",
    },
    {
        "en": "A tall woman in a red coat waits, near an old bicycle, for the next bus.",
        "ur": "سرخ کوٹ میں ایک لمبی عورت، پرانی سائیکل کے پاس، اگلی بس کا انتظار کر رہی ہے۔",
        "es": "Una mujer alta con abrigo rojo espera, junto a una bici vieja, el autobús.",
        "fr": "Une grande femme en manteau rouge attend, près d’un vieux vélo, le bus.",
        "ru": "Высокая женщина в красном пальто ждёт, у старого велосипеда, автобус.",
    },
]


def test_every_kind_makes_a_fault_that_is_caught_or_repaired():
    rows = [*_ROWS, *_ROWS] * 5
    made = set()
    for language in ("ur", "es"):
        measured = measure(rows, language, cases=1)
        assert measured.refused.count == measured.figures_refused.count == 0
        made |= {kind for kind, share in measured.caught.items() if share.total}
        assert not {kind: texts for kind, texts in measured.missed.items() if texts}
    assert made == set(KINDS)


def test_seeds_change_what_they_are_given():
    samples = [*plain_samples(_ROWS, "es"), *rich_samples([*_ROWS, *_ROWS], "es")]
    for kind, seed in KINDS.items():
        draw = Random(kind)
        made = [(sample, seed(sample, draw)) for sample in samples]
        assert all(texts != sample.texts for sample, texts in made), kind


def test_the_table_has_a_line_for_each_kind_and_an_interval_for_all():
    lines = table({"ur": measure([*_ROWS, *_ROWS], "ur", cases=1)}).splitlines()
    assert lines[0].split() == ["kind", "ur", "all"]
    assert {line.split()[0] for line in lines} >= set(KINDS)
    assert "100.0 % of 6" not in lines[-1]
    assert "0.0 % of 6 [0.0, 39.0]" in lines[-1]


def test_shares_add_up_and_have_intervals():
    both = total([RateWithInterval(count=1, total=2), RateWithInterval(count=3, total=4)])
    assert both == RateWithInterval(count=4, total=6)
    assert both.interval[0] < both.value < both.interval[1]
    assert RateWithInterval(count=0, total=0).interval == (0.0, 1.0)


def test_what_rules_change_is_listed():
    assert [one.after for one in changed_by_normalizers(["یہ ہے.", "یہ ہے۔"], "ur")] == ["یہ ہے۔"]


@pytest.mark.data
@pytest.mark.parametrize("language", ["bn", "es"])
def test_real_sentences_pass_and_their_faults_are_caught(data_folder, language):
    path = data_folder / "parallel" / "ntrex1000" / "sentences.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()[:48]
    rows = [{k: v for k, v in json.loads(line).items() if k != "id"} for line in lines]
    measured = measure(rows, language, cases=3)
    assert measured.refused.value <= 0.05
    assert total(measured.caught.values()).value >= 0.96
