from palo.html.markup import Markup, element, joined, table


def test_texts_and_attributes_are_escaped_and_markup_is_not():
    inner = element("b", "a < b & c")
    assert inner == "<b>a &lt; b &amp; c</b>"
    assert element("p", inner, title='"><script>') == (
        f'<p title="&quot;&gt;&lt;script&gt;">{inner}</p>'
    )
    assert joined("<i>", inner) == f"&lt;i&gt;{inner}"


def test_attributes_have_their_html_names():
    made = element("img", src="x", aria_label="y", class_="z", alt=None)
    assert made == '<img src="x" aria-label="y" class="z">'


def test_text_stays_text_however_often_it_is_asked():
    assert Markup.text(Markup.text("<")) == "&lt;"


def test_a_table_has_headers_for_rows_and_columns():
    made = table("Rows <all>", ("step", "in"), [("parse", "3")])
    assert "<caption>Rows &lt;all&gt;</caption>" in made
    assert '<th scope="row">parse</th><td class="number">3</td>' in made
    assert 'tabindex="0" role="region" aria-label="Rows &lt;all&gt;"' in made
