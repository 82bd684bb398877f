import jinja2
import pytest
from markupsafe import Markup

from palo.html.page import Templates, language_label, table

_EVIL = '"><script>'


@pytest.fixture
def templates(tmp_path):
    (tmp_path / "one.html").write_text('<p title="{{ title }}">{{ body }}</p>')
    return Templates(tmp_path)


def test_texts_and_attributes_are_escaped_and_markup_is_not(templates):
    inner = Markup("<b>a &lt; b &amp; c</b>")
    made = templates.render("one.html", title=_EVIL, body=inner)
    assert made == f'<p title="&#34;&gt;&lt;script&gt;">{inner}</p>'
    assert templates.render("one.html", title="", body="<i>") == '<p title="">&lt;i&gt;</p>'


def test_a_missing_value_is_an_error(templates):
    with pytest.raises(jinja2.UndefinedError):
        templates.render("one.html", title="")


def test_text_stays_text_however_often_it_is_shown(templates):
    made = templates.render("one.html", title="", body="<")
    assert templates.render("one.html", title="", body=made).count("&lt;") == 1


def test_a_table_has_headers_for_rows_and_columns():
    made = table("Rows <all>", ("step", "in"), [("parse", "3")])
    assert "<caption>Rows &lt;all&gt;</caption>" in made
    assert '<th scope="row">parse</th><td class="number">3</td>' in made
    assert 'tabindex="0" role="region" aria-label="Rows &lt;all&gt;"' in made


def test_a_column_with_nothing_in_it_is_left_out():
    made = table(
        "t", ("", "what", "none", "in"), [("a", "x", "", "3"), ("b", "y", "", "")], name_columns=2
    )
    assert "none" not in made
    assert '<td>x</td><td class="number">3</td>' in made
    assert '<td>y</td><td class="number"></td>' in made
    assert ">none<" in table("t", ("", "none"), [])


def test_a_language_has_its_own_name_in_its_own_script():
    assert language_label("ur") == 'Urdu <span lang="ur" dir="rtl" class="own">اردو</span>'
    assert language_label("en") == "English"
    assert language_label("<x>") == "&lt;x&gt;"
