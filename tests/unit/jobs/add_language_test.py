import pytest
from jobs import add_language

from palo import languages
from palo.errors import ConfigError
from palo.language_files import SETTING


def test_two_languages_are_added_where_the_setting_says(languages_folder, capsys):
    languages_folder.rmdir()
    add_language.main(["sw", "fa"])
    said = capsys.readouterr().out
    assert "Swahili (sw): script Latn, left to right" in said
    assert "Persian (fa): script Arab, right to left" in said
    assert {path.name for path in languages_folder.iterdir()} == {"sw", "fa"}
    assert (languages_folder / "fa" / "gaps.html").is_file()
    assert languages.codes() == (*languages.BUILT_IN, "fa", "sw")
    add_language.main(["sw"])
    assert "unchanged" in capsys.readouterr().out


def test_without_the_setting_they_lie_beside_the_runs(monkeypatch, tmp_path):
    monkeypatch.setenv(SETTING, "")
    for name in ("PALO_STORE", "PALO_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    add_language.main(["sw"])
    assert (tmp_path / "languages" / "sw" / "language.toml").is_file()


@pytest.mark.parametrize("arguments", [[], ["xx"], ["sw", "en"], ["sw", "pt_BR"], ["zh-Hant"]])
def test_a_wrong_code_leaves_nothing_behind(languages_folder, arguments):
    languages_folder.rmdir()
    with pytest.raises(ConfigError):
        add_language.main(arguments)
    assert not languages_folder.exists()


@pytest.mark.parametrize(
    ("kind", "text", "fact"),
    [
        ("translator", 'issues = "Be kind."', "issues has the wrong type"),
        ("words", "yes = [1]", "yes has the wrong type"),
        ("profile", "colour = 1", "no field of this name: colour"),
        ("scenes", "colour = 1", "no field of this name: colour"),
        ("chat_page", 'sent = "x"', "an entry that no page shows: sent"),
        ("review_page", 'progress = "{all}"', "other slots in progress than English"),
    ],
)
def test_what_a_speaker_wrote_wrongly_is_one_line_that_names_the_file(
    add_languages, kind, text, fact
):
    path = add_languages("sw").folder / f"{kind}.toml"
    theirs = f"{text}\n{path.read_text(encoding='utf-8')}"
    path.write_text(theirs, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"sw/{kind}\.toml") as caught:
        add_language.main(["sw"])
    assert fact in str(caught.value)
    assert path.read_text(encoding="utf-8") == theirs
