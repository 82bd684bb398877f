"""Names of languages as pages show them."""

from palo import languages
from palo.html.markup import Markup, element, joined


def language_label(code: str) -> Markup:
    """Returns a language's names, its own in its own script."""
    if not languages.known(code):
        return Markup.text(code)
    known = languages.get(code)
    if known.native_name == known.name:
        return Markup.text(known.name)
    own = element("span", known.native_name, lang=code, dir=known.direction, class_="own")
    return joined(known.name, " ", own)
