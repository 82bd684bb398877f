import pytest

from palo import config
from palo.errors import ConfigError
from palo.translate.backends import apertium
from palo.translate.backends.apertium import ApertiumTranslation, ApertiumTranslator
from palo.translate.backends.backend import TranslationFailure


@pytest.fixture
def translator():
    return ApertiumTranslator(ApertiumTranslation())


def test_it_translates_for_real_line_by_line_and_leaves_marks_alone(
    apertium_pairs, translator, request_of, backend_run
):
    text = "A red car.\n\n- one dog\n  - https://a.org/b_c"
    requests = [
        request_of("What is it?", text, number=1),
        request_of("A house", "\n", language="fr", number=2),
        request_of("Yes", "No", number=3),
    ]
    backend_run.run(translator, requests)
    first, second, third = (backend_run.ended[request.key].texts for request in requests)
    assert "coche rojo" in first[1]
    assert [line[:4] for line in first[1].split("\n")] == [first[1][:4], "", "- Un", "  - "]
    assert first[1].endswith("⟦1⟧")
    assert second[0].lower().endswith("maison")
    assert second[1] == "\n"
    assert third[0] == "Sí"
    assert (translator.name, translator.prompt_hash("es")) == ("apertium", "")


def test_a_language_that_nothing_leads_to_ends_the_job(
    apertium_pairs, translator, request_of, backend_run
):
    with pytest.raises(ConfigError, match=r"no pairs from en to bn.*eng-spa"):
        backend_run.run(translator, [request_of("a", "b", language="bn")])


def test_without_it_the_job_says_what_to_install(translator, request_of, backend_run, monkeypatch):
    monkeypatch.setattr(apertium.shutil, "which", lambda name: None)
    with pytest.raises(ConfigError, match="apt-get install apertium"):
        backend_run.run(translator, [request_of("a", "b")])


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("cat > /dev/null; echo broken >&2; exit 1", "bad_response"),
        ("cat > /dev/null; echo one line", "bad_response"),
        ("exec sleep 60", "timeout"),
    ],
)
def test_a_process_that_fails_leaves_its_conversations_for_later(
    tmp_path, monkeypatch, request_of, backend_run, script, kind
):
    command = tmp_path / "apertium"
    command.write_text(f'#!/bin/sh\nif [ "$1" = -l ]; then echo eng-spa; exit; fi\n{script}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    request = request_of("a", "b")
    backend_run.run(ApertiumTranslator(ApertiumTranslation(timeout_s=0.2)), [request])
    end = backend_run.ended[request.key]
    assert isinstance(end, TranslationFailure)
    assert end.kind == kind


def test_wrong_settings_are_told_together():
    with pytest.raises(ConfigError, match="3 faults"):
        config.check(ApertiumTranslation(batch_size=0, most_pairs=0, timeout_s=0))
