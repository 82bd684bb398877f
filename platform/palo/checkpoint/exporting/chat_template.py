"""A conversation template as Jinja, for programs that render prompts with a model's own template.

What it renders has the ids of `palo.text.encoding` once the tokenizer cuts it at control tokens and
images. Images stand at the front of a turn, whatever their place among the parts of a message.
"""

from collections.abc import Iterator, Sequence

from palo.checkpoint.exporting.tokenizer_files import IMAGE_TOKEN
from palo.text.templates import Control, Piece, Slot, Template
from palo.text.tokenizer import TextTokenizer

# Says whether the text so far ends within a chunk: there SentencePiece puts no space of its own.
_OPENED, _CLOSED = "{%- set chunk.is_open = true -%}", "{%- set chunk.is_open = false -%}"
_READ_PARTS = """\
{%- set turn = namespace(text='', num_texts=0, num_images=0) -%}
{%- if message['content'] is string -%}
    {%- set turn.text = message['content'] -%}
{%- else -%}
    {%- for part in message['content'] -%}
        {%- if part['type'] == 'text' -%}
            {%- set turn.text = turn.text + ('\\n' if turn.num_texts else '') + part['text'] -%}
            {%- set turn.num_texts = turn.num_texts + 1 -%}
        {%- else -%}
            {%- set turn.num_images = turn.num_images + 1 -%}
        {%- endif -%}
    {%- endfor -%}
{%- endif -%}
"""


def chat_template(template: Template, tokenizer: TextTokenizer) -> str:
    """Returns the Jinja text of a template.

    Args:
        template: Layout.
        tokenizer: The tokenizer that it was trained with: some put spaces before chunks themselves.
    """

    def render(pieces: Sequence[Piece]) -> str:
        return "".join(f"{line}\n" for line in _lines(pieces, template, tokenizer))

    return (
        "{%- set chunk = namespace(is_open=false) -%}\n"
        + render(template.start)
        + _system(template, render(template.system))
        + "{%- for message in rounds -%}\n"
        + _READ_PARTS
        + "{%- if message['role'] != ('user' if loop.index0 is even else 'assistant') -%}\n"
        "    {{- raise_exception('user and assistant must alternate, the user first') -}}\n"
        "{%- endif -%}\n"
        "{%- if message['role'] == 'user' -%}\n"
        "{%- if not loop.first -%}\n"
        + render(template.between)
        + "{%- endif -%}\n"
        + _trimmed(template, "turn.text")
        + _beside_an_image(template)
        + render(template.question)
        + "{%- else -%}\n"
        + render(template.answer)
        + "{%- endif -%}\n"
        "{%- endfor -%}\n"
    )


def _system(template: Template, rendered: str) -> str:
    """Reads the system text into `turn.text`, and sets `rounds` to the messages after it."""
    return (
        "{%- if messages and messages[0]['role'] == 'system' -%}\n"
        "{%- set message = messages[0] -%}\n"
        f"{_READ_PARTS}"
        "{%- set system, rounds = turn.text, messages[1:] -%}\n"
        "{%- else -%}\n"
        f"{{%- set system, rounds = {_quoted(template.system_text)}, messages -%}}\n"
        "{%- endif -%}\n"
        f"{_trimmed(template, 'system')}"
        "{%- set turn = namespace(text=system, num_images=0) -%}\n"
        "{%- if system -%}\n"
        f"{rendered}"
        "{%- endif -%}\n"
    )


def _trimmed(template: Template, text: str) -> str:
    return f"{{%- set {text} = {text}.strip() -%}}\n" if template.trims else ""


def _beside_an_image(template: Template) -> str:
    return (
        "{%- if turn.num_images -%}\n"
        "    {%- set turn.text = turn.text.strip() -%}\n"
        "    {%- if turn.text -%}\n"
        f"        {{%- set turn.text = {_quoted(template.after_image)} + turn.text -%}}\n"
        "    {%- endif -%}\n"
        "{%- endif -%}\n"
    )


def _lines(pieces: Sequence[Piece], template: Template, tokenizer: TextTokenizer) -> Iterator[str]:
    for index, piece in enumerate(pieces):
        if isinstance(piece, str):
            yield f"{{{{- {_quoted(piece)} -}}}}{_OPENED}"
        elif isinstance(piece, Control):
            yield f"{{{{- {_quoted(piece.token)} -}}}}{_CLOSED}"
        elif piece is Slot.SPACE:
            yield _space(pieces[index + 1 : index + 2], tokenizer)
        elif piece is Slot.IMAGES:
            yield (
                f"{{%- if turn.num_images -%}}{{{{- {_quoted(IMAGE_TOKEN)} * turn.num_images -}}}}"
                f"{_CLOSED}{{%- endif -%}}"
            )
        elif piece in (Slot.BOS, Slot.EOS):
            if piece is Slot.EOS or tokenizer.bos_id is not None:
                yield f"{{{{- {piece.value}_token -}}}}{_CLOSED}"
        else:
            yield f"{{%- if turn.text -%}}{{{{- turn.text -}}}}{_OPENED}{{%- endif -%}}"


def _space(following: Sequence[Piece], tokenizer: TextTokenizer) -> str:
    """A space, unless SentencePiece puts it there: before the first words of a chunk."""
    if not tokenizer.dummy_prefix:
        return f"{{{{- ' ' -}}}}{_OPENED}"
    needed = "chunk.is_open"
    if following and not isinstance(following[0], str):
        needed += " and turn.text"
    return f"{{%- if {needed} -%}}{{{{- ' ' -}}}}{{%- endif -%}}"


def _quoted(text: str) -> str:
    """Writes a text as Jinja and Python read it, and as other engines for Jinja do, too."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"
