"""The parts of the chat page, each with the names of its texts, so that languages can change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.components import Component

from palo.serve.chat_page.examples import PageExample, choices
from palo.serve.chat_page.settings import PageSettings
from palo.webui.texts import PageTexts

_NUM_LINES = 8
_MAX_PASTED = 1_000_000


@dataclass(kw_only=True)
class ChatLayout:
    """The parts of the page that handlers read or update.

    Attributes:
        named: Parts with the properties that hold a text, and the names of the texts.
    """

    named: list[tuple[Component, Mapping[str, str]]] = field(default_factory=list)
    language: gr.Dropdown
    new_chat: gr.Button
    chatbots: tuple[gr.Chatbot, gr.Chatbot]
    speeds: tuple[gr.HTML, gr.HTML]
    second: gr.Column
    examples: tuple[gr.Button, ...]
    example_row: gr.Row
    notice: gr.HTML
    question: gr.MultimodalTextbox
    stop: gr.Button
    regenerate: gr.Button
    camera: gr.Button
    download: gr.Button
    log_out: gr.Button
    model: gr.Dropdown
    compare: gr.Checkbox
    second_model: gr.Dropdown
    answer_language: gr.Dropdown
    temperature: gr.Slider
    length: gr.Slider
    written: gr.Textbox

    def relabelled(self, texts: PageTexts) -> list[dict[str, Any]]:
        """Returns the updates that put every part into a language, in the order of `named`.

        Args:
            texts: Texts of the language.
        """
        return [
            gr.update(**{prop: texts[name] for prop, name in names.items()})
            for _, names in self.named
        ]


class _Names:
    """Makes parts, and collects the names of their texts."""

    def __init__(self, texts: PageTexts) -> None:
        self.texts = texts
        self.named: list[tuple[Component, Mapping[str, str]]] = []

    def __call__(self, kind: type[Any], names: Mapping[str, str], **settings: Any) -> Any:  # noqa: ANN401
        part = kind(**{prop: self.texts[name] for prop, name in names.items()}, **settings)
        self.named.append((part, names))
        return part


def lay_out(
    settings: PageSettings, texts: PageTexts, examples: tuple[PageExample, ...]
) -> ChatLayout:
    """Makes the parts, within the `gr.Blocks` that is open.

    Args:
        settings: Settings of the page.
        texts: Their first texts.
        examples: Examples to click on.
    """
    make = _Names(texts)
    with gr.Row(elem_id="head"):
        gr.HTML("<h1>PALO</h1>", elem_id="title", padding=False)
        language = make(
            gr.Dropdown,
            {"label": "interface_language"},
            choices=choices(),
            value=texts.language.code,
            filterable=False,
            elem_id="language",
            container=False,
            min_width=140,
        )
    chatbots, speeds, second = _chatbots(make)
    example_row, buttons = _examples(texts, examples)
    notice = gr.HTML("", elem_id="notice", padding=False)
    question = make(
        gr.MultimodalTextbox,
        {"label": "question", "placeholder": "placeholder"},
        show_label=False,
        sources=["upload"],
        file_types=["image"],
        file_count="single",
        max_lines=_NUM_LINES,
        max_plain_text_length=_MAX_PASTED,
        elem_id="question",
    )
    with gr.Row(elem_id="actions"):
        stop = make(gr.Button, {"value": "stop"}, variant="stop", interactive=False, elem_id="stop")
        regenerate = make(gr.Button, {"value": "regenerate"}, elem_id="regenerate")
        new_chat = make(gr.Button, {"value": "new_chat"}, elem_id="new-chat")
        camera = make(gr.Button, {"value": "camera"}, elem_id="camera")
        download = make(gr.Button, {"value": "download"}, elem_id="download")
        log_out = make(gr.Button, {"value": "log_out"}, elem_id="log-out", visible=settings.login)
    return ChatLayout(
        language=language,
        new_chat=new_chat,
        chatbots=chatbots,
        speeds=speeds,
        second=second,
        examples=buttons,
        example_row=example_row,
        notice=notice,
        question=question,
        stop=stop,
        regenerate=regenerate,
        camera=camera,
        download=download,
        log_out=log_out,
        written=gr.Textbox(visible="hidden"),
        **_settings_panel(make, settings),
        named=make.named,
    )


def _examples(
    texts: PageTexts, examples: tuple[PageExample, ...]
) -> tuple[gr.Row, tuple[gr.Button, ...]]:
    with gr.Row(elem_id="examples") as example_row:
        buttons = tuple(
            gr.Button(
                example.question(texts.language.code),
                icon=str(example.image),
                elem_classes="example",
                min_width=200,
            )
            for example in examples
        )
    return example_row, buttons


def _chatbots(
    make: _Names,
) -> tuple[tuple[gr.Chatbot, gr.Chatbot], tuple[gr.HTML, gr.HTML], gr.Column]:
    def chat(label: str, side: str) -> tuple[gr.Chatbot, gr.HTML]:
        # Plain text: nothing in a question or an answer is markup.
        chatbot = make(
            gr.Chatbot,
            {"label": label, "placeholder": "about"},
            show_label=False,
            allow_file_downloads=False,
            height="max(16rem, calc(100dvh - 25rem))",
            editable="user",
            buttons=["copy"],
            feedback_options=("Like", "Dislike"),
            render_markdown=False,
            group_consecutive_messages=False,
            elem_id=f"chat-{side}",
        )
        return chatbot, gr.HTML("", elem_classes="speed", padding=False)

    with gr.Row(elem_id="chats"):
        with gr.Column(min_width=280):
            first, first_speed = chat("conversation", "first")
        with gr.Column(min_width=280, visible=False) as column:
            second, second_speed = chat("second_conversation", "second")
    return (first, second), (first_speed, second_speed), column


def _settings_panel(make: _Names, settings: PageSettings) -> dict[str, Any]:
    with make(gr.Accordion, {"label": "settings"}, open=False, elem_id="settings"):
        with gr.Row():
            model = make(gr.Dropdown, {"label": "model"}, choices=[], elem_id="model")
            answer_language = make(
                gr.Dropdown,
                {"label": "answer_language"},
                choices=[(make.texts["as_asked"], ""), *choices()],
                value="",
                filterable=False,
                elem_id="answer-language",
            )
        with gr.Row():
            compare = make(gr.Checkbox, {"label": "compare"}, elem_id="compare")
            second_model = make(gr.Dropdown, {"label": "second_model"}, choices=[], visible=False)
        with gr.Row():
            temperature = make(
                gr.Slider,
                {"label": "temperature", "info": "temperature_info"},
                minimum=0,
                maximum=2,
                step=0.1,
                value=0.2,
                buttons=[],
            )
            length = make(
                gr.Slider,
                {"label": "length"},
                minimum=1,
                maximum=settings.max_length,
                step=1,
                value=min(256, settings.max_length),
                buttons=[],
            )
    return {
        "model": model,
        "answer_language": answer_language,
        "compare": compare,
        "second_model": second_model,
        "temperature": temperature,
        "length": length,
    }
