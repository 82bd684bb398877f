"""A conversation template as Jinja for llama.cpp.

llama.cpp hands a message over as one text with a mark in the place of each image. The template puts
the marks at the front, and the template's text after them. The first token is llama.cpp's to add,
and so is the space that SentencePiece puts before a text and after a control token.
"""

from collections.abc import Iterator, Sequence

from palo.text.templates import Control, Piece, Slot, Template

# <__media__> on llama.cpp's command line, <__media_RANDOM__> in its server.
_READ = """\
{%- set turn = namespace(text='', images='') -%}
{%- for piece in message['content'].split('<__media_') -%}
{%- if loop.first -%}
{%- set turn.text = piece -%}
{%- elif '_>' in piece -%}
{%- set middle = piece.split('_>')[0] -%}
{%- set turn.images = turn.images + '<__media_' + middle + '_>' -%}
{%- set turn.text = turn.text + piece[(middle | length) + 2:] -%}
{%- else -%}
{%- set turn.text = turn.text + '<__media_' + piece -%}
{%- endif -%}
{%- endfor -%}
"""


def gguf_chat_template(template: Template, eos: str, *, dummy_prefix: bool) -> str:
    """Returns the Jinja text of a template.

    Args:
        template: Layout.
        eos: Text of the token that ends an answer.
        dummy_prefix: Whether the tokenizer itself puts a space before every text.
    """

    def render(pieces: Sequence[Piece], *, opens: bool = False) -> str:
        found = _lines(pieces, eos, dummy_prefix=dummy_prefix, opens=opens)
        return "".join(f"{line}\n" for line in found)

    return (
        f"{{%- set talk = namespace(system={_quoted(template.system_text)}, rounds=messages) -%}}\n"
        "{%- if messages and messages[0]['role'] == 'system' -%}\n"
        "{%- set talk.system = messages[0]['content'] -%}\n"
        "{%- set talk.rounds = messages[1:] -%}\n"
        "{%- endif -%}\n"
        "{%- if talk.system -%}\n"
        + render(template.system)
        + "{%- endif -%}\n"
        + "{%- for message in talk.rounds -%}\n"
        + "{%- set is_first = loop.first -%}\n"
        + _READ
        + "{%- if message['role'] == 'user' -%}\n"
        + _after_images(template)
        + "{%- if not is_first -%}\n"
        + render(template.between)
        + "{%- endif -%}\n"
        + render(template.question, opens=True)
        + "{%- else -%}\n"
        + render(template.answer)
        + "{%- endif -%}\n"
        "{%- endfor -%}\n"
    )


def _after_images(template: Template) -> str:
    return (
        "{%- if turn.images -%}\n"
        "{%- set turn.text = turn.text.strip() -%}\n"
        "{%- if turn.text -%}\n"
        f"{{%- set turn.text = {_quoted(template.after_image)} + turn.text -%}}\n"
        "{%- endif -%}\n"
        "{%- endif -%}\n"
    )


def _lines(pieces: Sequence[Piece], eos: str, *, dummy_prefix: bool, opens: bool) -> Iterator[str]:
    for index, piece in enumerate(pieces):
        if isinstance(piece, str):
            yield f"{{{{- {_quoted(piece)} -}}}}"
        elif isinstance(piece, Control):
            yield f"{{{{- {_quoted(piece.token)} -}}}}"
        elif piece is Slot.EOS:
            yield f"{{{{- {_quoted(eos)} -}}}}"
        elif piece is Slot.SPACE:
            # At the start of a text, and after the token that ended a round, llama.cpp puts it.
            is_put = dummy_prefix and opens and index == 0
            condition = " if is_first and talk.system else ''" if is_put else ""
            yield f"{{{{- ' '{condition} -}}}}"
        elif piece is Slot.SYSTEM:
            yield "{{- talk.system -}}"
        elif piece is Slot.IMAGES:
            yield "{{- turn.images -}}"
        elif piece in (Slot.QUESTION, Slot.ANSWER):
            yield "{{- turn.text -}}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"
