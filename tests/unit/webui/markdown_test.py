"""What a model writes is shown as Markdown, and neither runs nor loads anything."""

import re

import pytest

from palo.webui.markdown import markdown_html, plain_html


def test_what_people_read_is_shown():
    made = markdown_html(
        "**এক** ~~দুই~~ `x`\n\n- a\n- b\n\n|a|b|\n|-|-|\n|1|2|\n\n```\n<b>\n```\nx\ny"
    )
    for part in (
        "<strong>এক</strong>",
        "<s>দুই</s>",
        "<li>b</li>",
        "<td>2</td>",
        "&lt;b&gt;",
        "<br",
    ):
        assert part in made


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "a <b onclick=x> <!-- c --> <?p?> <![CDATA[x]]>",
        "![x](https://evil.example/x.png)",
        "![x][1]\n\n[1]: https://evil.example/x.png",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](java\tscript:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](vbscript:x) <javascript:alert(1)> <file:///etc/passwd>",
        "[x](logout) [y](/chat/logout) [z](//evil.example)",
        "| <img src=x> |\n|-|\n| <img src=x> |",
        "```<img src=x>\n<img src=x>\n```",
        '[x](https://a.example "\\" onmouseover=alert(1) \\"")',
        '```" onload="alert(1)\nx\n```',
    ],
)
def test_nothing_of_it_runs_or_loads(text):
    made = markdown_html(text)
    tags = re.findall(r"<(\w+)((?:\s[^<>]*)?)/?>", made)
    assert {tag for tag, _ in tags} <= {
        "p", "a", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "br",
    }  # fmt: skip
    for _, attributes in tags:
        names = re.findall(r"([\w-]+)=\"[^\"]*\"", attributes)
        assert set(names) <= {"href", "rel", "target", "class", "title", "tabindex"}
    for link in re.findall(r'href="([^"]*)"', made):
        assert link.startswith(("https://", "http://", "mailto:")), link


def test_a_link_tells_its_page_nothing_of_ours():
    made = markdown_html("[x](https://a.example)")
    assert 'rel="noopener noreferrer nofollow"' in made
    assert 'target="_blank"' in made


@pytest.mark.parametrize("piece", ["[", "*", "> ", "`", "![", "|", "- ", "<", "[a](", "\\", "_a*"])
def test_long_and_deep_texts_are_shown_all_the_same(piece):
    for size in (5_000, 30_000):
        assert markdown_html(piece * (size // len(piece)))


def test_a_questions_text_is_no_markup():
    assert plain_html("<b>**x**</b>") == "&lt;b&gt;**x**&lt;/b&gt;"
