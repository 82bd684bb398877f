from palo.new_language.add import add_language
from palo.new_language.report import gaps_page, summary


def test_the_page_shows_what_is_missing_what_is_guessed_and_what_cldr_says(add_languages):
    language = add_languages("fa")
    page = gaps_page(language)
    assert f"{language.num_open} entries are left to a native speaker" in page
    assert "Open in chat_page.toml" in page
    assert "Talk about your images, in your language." in page
    assert "Guesses to confirm" in page
    assert "usual_letters" in page
    assert "फ़ारसी" in page
    assert "<script" not in page


def test_a_language_without_gaps_says_so(add_languages, languages_folder):
    language = add_languages("sw")
    for file in language.files:
        text = file.path.read_text(encoding="utf-8")
        file.path.write_text(text.replace("#? ", ""), encoding="utf-8")
    whole = add_language("sw", languages_folder)
    assert whole.num_open == 0
    assert "Nothing is left to a native speaker" in gaps_page(whole)
    assert "Open in" not in gaps_page(whole)
    lines = list(summary(whole))
    assert sum("complete" in line for line in lines) == 7
    assert not any("left to a native speaker" in line for line in lines)


def test_a_terminal_is_told_what_was_made_and_what_is_left(add_languages):
    language = add_languages("fa")
    first, *files, left, page, works = summary(language)
    assert first.startswith("Persian (fa): script Arab, right to left, digits ۰۱۲۳۴۵۶۷۸۹; CLDR ")
    assert "2 open     answer_wish, caption_wish" in files[0]
    assert left.startswith(f"{language.num_open} entries are left to a native speaker")
    assert page.endswith("fa/gaps.html")
    assert "--to fa" in works
