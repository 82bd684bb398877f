"""Markdown of strangers as HTML that does nothing: no markup of theirs, no images, no scripts."""

import functools
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markupsafe import Markup, escape

# Longer texts are shown as they are: reading them as Markdown takes too long, many times a second.
_LONGEST = 20_000
_DEEPEST = 8


def markdown_html(text: str) -> Markup:
    """Returns a text as HTML: lists, tables, code and links to the web; nothing else is markup.

    Args:
        text: What a model wrote, or somebody else.
    """
    if len(text) > _LONGEST:
        return Markup('<p class="plain">{}</p>').format(text)
    return Markup(_parser().render(text))  # noqa: S704 - the parser escapes all HTML


def plain_html(text: str) -> Markup:
    """Returns a text as HTML that shows it letter by letter.

    Args:
        text: Any text.
    """
    return escape(text)


class _Renderer(RendererHTML):
    """Makes what may be wider than the page scroll by itself, by keyboard too."""

    def fence(self, tokens: Any, idx: Any, options: Any, env: Any) -> str:  # noqa: ANN401
        return _reachable(super().fence(tokens, idx, options, env))

    def code_block(self, tokens: Any, idx: Any, options: Any, env: Any) -> str:  # noqa: ANN401
        return _reachable(super().code_block(tokens, idx, options, env))

    def table_open(self, tokens: Any, idx: Any, options: Any, env: Any) -> str:  # noqa: ANN401
        tokens[idx].attrSet("tabindex", "0")
        return self.renderToken(tokens, idx, options, env)

    def link_open(self, tokens: Any, idx: Any, options: Any, env: Any) -> str:  # noqa: ANN401
        tokens[idx].attrSet("rel", "noopener noreferrer nofollow")
        tokens[idx].attrSet("target", "_blank")
        return self.renderToken(tokens, idx, options, env)


def _reachable(html: str) -> str:
    return html.replace("<pre>", '<pre tabindex="0">', 1)


@functools.cache
def _parser() -> MarkdownIt:
    options = {"html": False, "breaks": True, "maxNesting": _DEEPEST}
    # An image would tell its server who reads. Only links that name a web page are links.
    parser = MarkdownIt("commonmark", options, renderer_cls=_Renderer)
    parser.enable(["table", "strikethrough"]).disable("image")
    parser.validateLink = _is_web  # type: ignore[method-assign]
    return parser


def _is_web(url: str) -> bool:
    return url.lower().startswith(("https://", "http://", "mailto:"))
