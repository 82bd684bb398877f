"""The page that asks for a key: plain HTML without a script."""

import html
from pathlib import Path

from palo import languages
from palo.webui.texts import page_texts

_FOLDER = Path(__file__).parent / "assets"


def render_login(code: str, problem: str = "", *, about: str) -> str:
    """Returns the page.

    Args:
        code: ISO code of its language.
        problem: Why the last key wasn't taken.
        about: What the page is for, in its language.
    """
    words = page_texts(code)
    links = " ".join(
        f'<a href="login?language={language.code}" lang="{language.code}" '
        f'dir="{language.direction}">{html.escape(language.native_name)}</a>'
        for language in languages.every()
    )
    alert = f'<p role="alert" class="problem">{html.escape(problem)}</p>' if problem else ""
    values = {
        "language": words.language.code,
        "direction": words.language.direction,
        "style": (_FOLDER / "login.css").read_text(encoding="utf-8"),
        "alert": alert,
        "links": links,
        "about": html.escape(about),
    }
    texts = {name: html.escape(words[name]) for name in ("api_key", "log_in", "log_in_info")}
    return (_FOLDER / "login.html").read_text(encoding="utf-8").format_map(values | texts)
