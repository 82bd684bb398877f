import os
import subprocess
import sys
from pathlib import Path

import pytest

from palo import language_files, languages, storage
from palo.errors import ConfigError
from palo.language_files import SETTING, choose_added_folder, language_words, usual_folder
from palo.metrics.yes_no import yes_or_no
from palo.store import STORE

FACTS = 'name = "Swahili"\nnative_name = "Kiswahili"\nscript = "Latn"\n'


@pytest.fixture
def write(languages_folder):
    """Writes files of languages by their names, such as `sw/language.toml`."""

    def write(**files):
        for name, text in files.items():
            code, _, kind = name.partition("_")
            path = languages_folder / code / f"{kind}.toml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        languages.reread()

    return write


def test_without_a_folder_there_are_the_ten_alone(monkeypatch):
    monkeypatch.delenv(SETTING, raising=False)
    assert languages.codes() == languages.BUILT_IN
    assert language_files.added_codes() == ()


def test_a_folder_adds_languages_behind_the_built_in_ones_by_code(write):
    write(sw_language=FACTS, am_language=FACTS.replace("Latn", "Ethi"))
    assert languages.codes() == (*languages.BUILT_IN, "am", "sw")
    assert languages.get("sw").native_name == "Kiswahili"
    assert languages.get("sw").resource == "low"
    assert languages.get("am").script == "Ethi"
    assert languages.known("sw")


def test_a_folder_without_facts_is_no_language(write):
    write(sw_profile="")
    assert not languages.known("sw")


@pytest.mark.parametrize(
    ("files", "fact"),
    [
        ({"ur_language": FACTS}, "a folder of a built-in language: ur"),
        ({"sw_language": "name = 'Swahili'"}, r"sw/language\.toml: Language is incomplete"),
        ({"sw_language": FACTS + "colour = 'red'"}, r"sw/language\.toml: .*: colour"),
        ({"sw_language": FACTS + "digits = '123'"}, r"sw/language\.toml: .* ten digits"),
        ({"sw_language": FACTS + "direction = 'up'"}, r"toml: direction has the wrong type"),
        ({"sw_language": "name = "}, r"sw/language\.toml is not TOML"),
        ({"x1_language": FACTS}, "a language code has only lower-case Latin letters: x1"),
    ],
)  # fmt: skip
def test_wrong_facts_are_one_line_that_names_the_file(write, files, fact):
    write(**files)
    with pytest.raises(ConfigError, match=fact) as caught:
        languages.codes()
    assert "\n" not in str(caught.value)
    assert caught.value.fix


def test_a_relative_folder_is_refused(monkeypatch):
    monkeypatch.setenv(SETTING, "languages")
    with pytest.raises(ConfigError, match="PALO_LANGUAGES is a relative path: languages"):
        languages.codes()


def test_a_folder_that_is_not_there_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv(SETTING, str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match="PALO_LANGUAGES names a folder that isn't there"):
        languages.codes()


def test_a_folder_on_s3_is_read_as_one_on_a_disk(monkeypatch, bucket):
    folder = bucket / "languages"
    storage.write_text(folder / "sw" / "language.toml", FACTS)
    storage.write_text(folder / "sw" / "words.toml", 'yes = ["ndiyo"]')
    monkeypatch.setenv(SETTING, str(folder))
    assert languages.codes()[-1] == "sw"
    assert language_words("sw").yes == ("ndiyo",)


class TestTheUsualFolder:
    def test_it_lies_beside_the_runs_and_is_chosen_where_it_is_there(self, monkeypatch, tmp_path):
        monkeypatch.delenv(SETTING, raising=False)
        monkeypatch.delenv(STORE, raising=False)
        monkeypatch.delenv("PALO_HOME", raising=False)
        monkeypatch.chdir(tmp_path)
        choose_added_folder()
        assert language_files.added_folder() is None
        assert usual_folder() == tmp_path / "languages"
        (tmp_path / "languages").mkdir()
        monkeypatch.setenv(SETTING, "")
        choose_added_folder()
        assert language_files.added_folder() == tmp_path / "languages"

    def test_it_lies_in_a_store_on_a_disk(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv(STORE, str(tmp_path / "store"))
        assert usual_folder() == tmp_path / "store" / "languages"
        monkeypatch.setenv(STORE, "s3://bucket/palo")
        assert usual_folder() == tmp_path / "languages"

    def test_a_folder_that_was_set_stays(self, languages_folder, monkeypatch, tmp_path):
        (tmp_path / "here" / "languages").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "here")
        choose_added_folder()
        assert language_files.added_folder() == languages_folder


def test_what_is_open_is_said_once_with_the_number_of_each(write, capsys):
    write(sw_language=FACTS + '#? answer_wish = "x"\n#? caption_wish = "y"\n', am_language=FACTS)
    language_files.say_what_is_open()
    (line,) = capsys.readouterr().err.splitlines()
    assert "left to native speakers are 2 of sw;" in line
    write(sw_language=FACTS)
    language_files.say_what_is_open()
    assert capsys.readouterr().err == ""


def test_a_job_finds_the_usual_folder_and_the_processes_that_it_starts_have_it(tmp_path):
    facts = tmp_path / "languages" / "sw" / "language.toml"
    facts.parent.mkdir(parents=True)
    facts.write_text(FACTS + '#? answer_wish = "x"\n', encoding="utf-8")
    child = "from palo import languages; print(languages.codes()[-1])"
    program = (
        "import subprocess, sys\nfrom palo.command import run_job\n"
        f"run_job(lambda _: subprocess.run([sys.executable, '-c', {child!r}], check=True))"
    )
    unset = (SETTING, STORE, "PALO_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ended.stdout == "sw\n"
    assert f"languages in {tmp_path / 'languages'}: left to native speakers are 1 of sw" in (
        ended.stderr
    )


def test_a_file_that_is_broken_is_one_line_before_a_job_begins(write):
    write(sw_language=FACTS, sw_scenes="request = ")
    with pytest.raises(ConfigError, match=r"sw/scenes\.toml is not TOML"):
        language_files.say_what_is_open()


def test_yes_and_no_are_known_in_added_languages_only(write):
    assert yes_or_no("Ndiyo, iko.") is None
    write(sw_language=FACTS, sw_words='yes = ["ndiyo", "!"]\nno = ["hapana", "la"]')
    assert yes_or_no("Ndiyo, iko.") == "yes"
    assert yes_or_no("Hapana.") == "no"
    assert yes_or_no("Nyekundu.") is None
    assert yes_or_no("Yes.") == "yes"


def test_wrong_words_are_one_line_that_names_the_file(write):
    write(sw_language=FACTS, sw_words='yes = "ndiyo"')
    with pytest.raises(ConfigError, match=r"sw/words\.toml: yes has the wrong type"):
        language_words("sw")


def test_the_packages_own_files_are_read_where_they_lie():
    folder = Path(languages.__file__).parent / "corpus" / "parallel" / "phrases"
    assert language_words("hi", folder).translate.endswith(":")
