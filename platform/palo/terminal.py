"""Foreign text on a terminal, with control characters made visible.

A terminal obeys what is printed to it: escape sequences move the cursor, write to the clipboard or
rename the window, and bidirectional overrides make a line read as something else. Whatever a
server, a file or a model wrote passes here before it is printed.
"""

import re

# C0 without tab and line feed, DEL and C1; line and paragraph separators; embeddings, overrides
# and isolates; lone surrogates, which no terminal can be sent. The joiners of Arabic and Indic
# scripts and the marks LRM, RLM and ALM are letters' own and stay.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BREAK = re.compile("[\t\n]")


def visible(text: str) -> str:
    """Returns a text with its control characters as escapes, but for tabs and line feeds.

    Args:
        text: Any text.
    """
    return _CONTROL.sub(_escape, text)


def one_line(text: str) -> str:
    """Returns a text with all of its control characters as escapes, tabs and line feeds too.

    Args:
        text: Any text.
    """
    return _BREAK.sub(_escape, visible(text))


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
