import pytest

from palo.errors import ConfigError
from palo.translate.glossary import Glossary, GlossaryEntry, read_glossary
from palo.translate.protected_spans.protect import ProtectionSettings, protect_text, restore_text

_TERMS = """
["Eiffel Tower"]
fr = "tour Eiffel"
ur = "ایفل ٹاور"

[tower]
fr = "tour"

[PALO]
"*" = "="
"""


@pytest.fixture
def glossary(tmp_path):
    path = tmp_path / "terms.toml"
    path.write_text(_TERMS, encoding="utf-8")
    return read_glossary([path])


def test_terms_become_what_the_glossary_says(glossary):
    settings = ProtectionSettings(glossary=glossary)
    locked = protect_text("PALO sees the Eiffel Tower, a Tower, towers.", "fr", settings=settings)
    assert locked.text == "⟦1⟧ sees the ⟦2⟧, a ⟦3⟧, towers."
    assert restore_text(locked.text, locked.spans) == "PALO sees the tour Eiffel, a tour, towers."
    in_urdu = protect_text("PALO sees the Eiffel Tower, a tower.", "ur", settings=settings)
    assert [one.target for one in in_urdu.spans] == ["PALO", "ایفل ٹاور"]


def test_a_glossary_is_of_one_source_language(glossary):
    settings = ProtectionSettings(glossary=glossary)
    assert not protect_text("PALO voit", "es", source_language="fr", settings=settings).spans


def test_files_may_repeat_but_not_contradict_one_another(glossary, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text('[Tower]\nfr = "tour"\n', encoding="utf-8")
    read_glossary([tmp_path / "terms.toml", other])
    other.write_text('[tower]\nfr = "pylône"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match='"tower" contradicts itself in fr: "tour" and "pylône"'):
        read_glossary([tmp_path / "terms.toml", other])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[a]\nfr = "b"\n[a]\nfr = "c"', "is not TOML"),
        ('a = "b"', "a term without translations"),
        ('[a]\nxx = "b"', "unknown language xx"),
        ('[a]\nfr = " "', "is empty"),
    ],
)
def test_what_is_wrong_with_a_glossary_is_told(text, told, tmp_path):
    path = tmp_path / "terms.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        read_glossary([path])


def test_an_empty_term_is_a_fault():
    assert list(Glossary(entries=(GlossaryEntry(term=" ", translations=()),)).faults())
