"""The layouts that tools write and people have: each is read, or refused with words that help."""

import json
from dataclasses import replace

import pytest

from palo import languages
from palo.data.records import Origin, Record, Rejected, parse_llava
from palo.reasons import Reason

ORIGIN = Origin(
    source="own",
    language="en",
    image_folder="/photos",
    languages=languages.codes(),
    known=tuple(languages.every()),
)
ASKED, ANSWERED = "What is it?", "A red circle."
WANTED = [("user", ASKED, 1), ("assistant", ANSWERED, 0)]
TEXT_ONLY = [("user", ASKED, 0), ("assistant", ANSWERED, 0)]
LLAVA = [{"from": "human", "value": ASKED}, {"from": "gpt", "value": ANSWERED}]
MARKED = [{"from": "human", "value": f"<image>\n{ASKED}"}, LLAVA[1]]
ANSWER = {"role": "assistant", "content": ANSWERED}
DATA = "data:image/png;base64,iVBORw0KGgo="


def record_of(row, origin=ORIGIN):
    found = parse_llava(json.loads(json.dumps(row)), origin)
    assert isinstance(found, Record), found
    return found


def turns_of(row, origin=ORIGIN):
    return [(turn.role, turn.text, turn.num_images) for turn in record_of(row, origin).turns]


def refused(row, origin=ORIGIN):
    found = parse_llava(row, origin)
    assert isinstance(found, Rejected), found
    return found


def asked(*parts):
    return [{"role": "user", "content": list(parts)}, ANSWER]


WORDS = {"type": "text", "text": ASKED}


@pytest.mark.parametrize(
    "row",
    [
        {"image": "a.jpg", "conversations": MARKED},
        {"image": ["a.jpg"], "conversations": MARKED},
        {"images": "a.jpg", "conversations": MARKED},
        {"images": ["a.jpg"], "conversations": MARKED},
        {"images": [{"path": "a.jpg", "bytes": None}], "conversations": MARKED},
        {"image": {"path": "a.jpg"}, "conversations": MARKED},
        {"image": "a.jpg", "images": ["a.jpg"], "conversations": MARKED},
        {"image_path": "a.jpg", "conversations": MARKED},
        {"img": "a.jpg", "conversations": LLAVA},
        {"image": "/photos/a.jpg", "conversations": MARKED},
        {"image": "file:///photos/a.jpg", "conversations": MARKED},
        {"image": "./a.jpg", "conversations": MARKED},
        {"image": "a.jpg", "conversations": LLAVA},
        {"image": "a.jpg", "messages": [{"role": "user", "content": ASKED}, ANSWER]},
        {"image": "a.jpg", "conversation": MARKED},
        {"image": "a.jpg", "query": ASKED, "response": ANSWERED},
        {"image": "a.jpg", "query": f"<image>{ASKED}", "response": ANSWERED, "history": []},
        {"image": "a.jpg", "instruction": ASKED, "input": "", "output": ANSWERED},
        {"image": "a.jpg", "question": ASKED, "answer": ANSWERED, "image_id": 7},
        {"image": "a.jpg", "prompt": ASKED, "completion": ANSWERED},
        {"images": ["a.jpg"], "texts": [{"user": ASKED, "assistant": ANSWERED, "source": "x"}]},
        {"messages": asked({"type": "image_url", "image_url": {"url": "a.jpg"}}, WORDS)},
        {"messages": asked({"type": "image_url", "image_url": "a.jpg"}, WORDS)},
        {"messages": asked({"type": "image", "image": "a.jpg"}, WORDS)},
        {"messages": asked({"type": "image", "image": "file:///photos/a.jpg"}, WORDS)},
        {"messages": asked(WORDS, {"type": "image", "path": "a.jpg"})},
        {"messages": asked({"image": "a.jpg"}, {"text": ASKED})},
        {"messages": asked({"type": "input_image", "image_url": "a.jpg"}, WORDS)},
        {"images": ["a.jpg"], "messages": asked({"type": "image", "text": None}, WORDS)},
        {"conversations": [{"from": "user", "value": f"<img>a.jpg</img>\n{ASKED}"}, ANSWER]},
        {"query": f"Picture 1: <img>a.jpg</img>\n{ASKED}", "response": ANSWERED},
        {"image": "a.jpg", "query": f"<|image_pad|>{ASKED}", "response": ANSWERED},
        {"image": "a.jpg", "conversations": [{"from": "User", "value": ASKED}, ANSWER]},
        {"image": "a.jpg", "messages": [{"role": "user", "content": f"<image_1>{ASKED}"}, ANSWER]},
        [*asked({"type": "image_url", "image_url": {"url": "a.jpg"}}, WORDS)],
    ],
)  # fmt: skip
def test_a_row_with_an_image_is_read_in_each_layout(row):
    record = record_of(row)
    assert record.image == "/photos/a.jpg"
    assert turns_of(row) == WANTED


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": LLAVA},
        {"conversations": LLAVA, "image": ""},
        {"conversations": LLAVA, "images": []},
        {"conversations": LLAVA, "image": None, "has_image": False, "image_size": None},
        {"instruction": ASKED, "output": ANSWERED},
        {"query": ASKED, "response": ANSWERED, "images": [], "videos": []},
        LLAVA,
    ],
)
def test_a_row_without_any_sign_of_an_image_is_text(row):
    assert record_of(row).image is None
    assert turns_of(row) == TEXT_ONLY


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"pic_location": "a.jpg", "conversations": LLAVA}, "pic_location"),
        ({"picture_b64": "iVBORw0KGgo", "conversations": LLAVA}, "picture_b64"),
        ({"image_id": 1234, "conversations": LLAVA}, "image_id"),
        ({"imageFile": "a", "conversations": LLAVA}, "imageFile"),
        ({"meta": ["a.PNG"], "conversations": LLAVA}, "meta"),
        ({"id": "coco/12.jpg", "conversations": LLAVA}, "id"),
        ({"video": "a.mp4", "conversations": LLAVA}, "video"),
        ({"content": DATA, "conversations": LLAVA}, "content"),
        ({"image": {"bytes": "iVBORw0KGgo="}, "conversations": MARKED}, "bytes"),
        ({"image": DATA, "conversations": MARKED}, "data:image/png"),
        ({"messages": asked({"type": "image_url", "image_url": {"url": DATA}}, WORDS)}, "data:"),
        ({"query": f"![a]( a.jpg ) {ASKED}", "response": ANSWERED}, "!["),
        ({"query": f'<img src="a.jpg"> {ASKED}', "response": ANSWERED}, "<img src"),
        ({"query": f"<|vision_bos|>{ASKED}", "response": ANSWERED}, "<|vision_bos|>"),
        ({"query": f"{DATA} {ASKED}", "response": ANSWERED}, "data:image/png"),
    ],
)
def test_a_row_is_never_trained_without_the_image_that_it_seems_to_have(row, named):
    found = refused(row)
    assert found.reason is Reason.IMAGE_NOT_READ
    assert named in found.detail


@pytest.mark.parametrize(
    "markup", ["<|image_pad|>", "<image_1>", "<Image>", "<|image|>", "<image>"]
)
def test_a_place_without_an_image_says_so(markup):
    found = refused({"query": f"{markup}{ASKED}", "response": ANSWERED})
    assert found.reason is Reason.PLACE_WITHOUT_IMAGE
    assert "image" in found.detail


def test_markup_within_code_and_in_answers_is_words():
    question = "Why does `<img src=a.jpg>` not work in ```html\n![a](b.png)\n```?"
    row = {"query": question, "response": "Write <img src='b.jpg'> or ![b](b.jpg)."}
    assert turns_of(row) == [("user", question, 0), ("assistant", row["response"], 0)]


@pytest.mark.parametrize(
    ("row", "seen"),
    [
        ({"images": ["a.jpg", "b.jpg"], "conversations": MARKED}, "2 images"),
        ({"images": ["a.jpg", "a.jpg"], "conversations": MARKED}, "2 images"),
        ({"image": "a.jpg", "image2": "b.jpg", "conversations": MARKED}, "image2"),
        ({"image": "a.jpg", "images": ["b.jpg"], "conversations": MARKED}, "2 images"),
        ({"image": "a.jpg", "videos": ["b.mp4"], "conversations": MARKED}, "videos"),
        ({"image": "b.jpg", "messages": asked({"type": "image", "image": "a.jpg"}, WORDS)}, "2"),
    ],
)
def test_several_images_are_refused(row, seen):
    found = refused(row)
    assert found.reason is Reason.MANY_IMAGES
    assert seen in found.detail


def test_an_image_may_have_to_be_marked():
    marked = replace(ORIGIN, image_place="marked", image_folder="/p")
    assert refused({"image": "a.jpg", "conversations": LLAVA}, marked).reason is (
        Reason.IMAGE_WITHOUT_PLACE
    )
    assert record_of({"image": "a.jpg", "conversations": MARKED}, marked).image == "/p/a.jpg"


@pytest.mark.parametrize("key", ["caption", "text", "description"])
@pytest.mark.parametrize("name", ["image", "file_name", "filename", "image_path", "url"])
def test_a_caption_is_the_answer_to_a_question_in_its_language(key, name):
    row = {name: "a.jpg", key: "ایک سرخ دائرہ۔", "language": "ur"}
    record = record_of(row)
    wish = languages.get("ur").caption_wish
    assert (record.image, record.language) == ("/photos/a.jpg", "ur")
    assert turns_of(row) == [("user", wish, 1), ("assistant", "ایک سرخ دائرہ۔", 0)]


def test_every_language_asks_for_a_description_in_its_own_words():
    wishes = {language.caption_wish for language in languages.every()}
    assert "" not in wishes
    assert len(wishes) == len(languages.codes())


def test_a_caption_needs_an_image_and_one_text():
    assert refused({"caption": "A dog."}).reason is Reason.PLACE_WITHOUT_IMAGE
    found = refused({"image": "a.jpg", "captions": ["A dog.", "A cat."]})
    assert (found.reason, found.detail) == (
        Reason.NO_TURNS,
        "captions has 2 texts; write a row for each",
    )
    assert turns_of({"image": "a.jpg", "captions": [ANSWERED]})[1] == WANTED[1]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_text_is_kept(role):
    first = {"role": role, "content": "Be brief."}
    parts = {"role": role, "content": [{"type": "text", "text": "Be brief."}]}
    rows = [
        {"messages": [first, *asked(WORDS)]},
        {"messages": [parts, *asked(WORDS)]},
        {"conversations": [{"from": role, "value": "Be brief."}, *LLAVA]},
        {"system": "Be brief.", "conversations": LLAVA},
        {"system": "Be brief.", "query": ASKED, "response": ANSWERED},
    ]
    for row in rows:
        record = record_of(row)
        assert (record.system, record.conversation.system) == ("Be brief.", "Be brief.")
        assert turns_of(row) == TEXT_ONLY
        assert record_of(record.to_llava()).system == "Be brief."


def test_without_a_system_text_the_template_has_its_own():
    for row in ({"system": "", "conversations": LLAVA}, {"system": None, "conversations": LLAVA}):
        assert record_of(row).system is None
        assert "system" not in record_of(row).to_llava()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"system": 7, "conversations": LLAVA}, Reason.NOT_TEXT),
        ({"system": "<image>", "conversations": LLAVA}, Reason.IMAGE_NOT_READ),
        ({"system": "a" * 200_000, "conversations": LLAVA}, Reason.TURN_TOO_LONG),
        ({"messages": [*asked(WORDS), {"role": "system", "content": "x"}]}, Reason.WRONG_ROLE),
        ({"messages": [{"role": "tool", "content": "x"}, *asked(WORDS)]}, Reason.WRONG_ROLE),
        (
            {"system": "a", "messages": [{"role": "system", "content": "b"}, *asked(WORDS)]},
            Reason.WRONG_ROLE,
        ),
    ],
)
def test_a_system_text_that_is_none_is_refused(row, reason):
    assert refused(row).reason is reason


@pytest.mark.parametrize(
    "history", [[["Hi", "Yes?"]], [{"user": "Hi", "assistant": "Yes?"}]]
)  # fmt: skip
def test_earlier_rounds_come_first(history):
    row = {"query": ASKED, "response": ANSWERED, "history": history}
    assert turns_of(row) == [("user", "Hi", 0), ("assistant", "Yes?", 0), *TEXT_ONLY]
    assert refused(row | {"history": [["Hi"]]}).reason is Reason.NO_TURNS


def test_an_instruction_goes_with_its_input():
    row = {"instruction": "Translate.", "input": "Hello", "output": "Bonjour"}
    assert turns_of(row)[0] == ("user", "Translate.\nHello", 0)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("English", "en"), ("EN", "en"), ("en-US", "en"), ("en_GB", "en"), ("eng", "en"),
        ("zh-Hans-CN", "zh"), ("zho", "zh"), ("中文", "zh"), ("Urdu", "ur"), ("اردو", "ur"),
        ("urd", "ur"), ("ben", "bn"), ("HINDI", "hi"), ("fre", "fr"), (" ja ", "ja"),
        ("rus_Cyrl", "ru"), ("arb_Arab", "ar"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["language", "lang"])
def test_a_language_may_have_any_of_its_names(said, code, key):
    assert record_of({key: said, "conversations": LLAVA}).language == code


@pytest.mark.parametrize("said", ["german", "de", "xx-en", "englisch", ["en"], {"a": 1}, 7])
def test_an_unknown_language_is_told_with_those_that_are_known(said):
    found = refused({"language": said, "conversations": LLAVA})
    assert found.reason is Reason.UNKNOWN_LANGUAGE
    assert repr(said) in found.detail
    assert "en, zh" in found.detail


@pytest.mark.parametrize("row", [{}, {"foo": 1, "bar": 2}, {"id": 1, "image": "a.jpg"}])
def test_a_row_in_no_layout_tells_its_keys_and_what_is_expected(row):
    found = refused(row)
    assert found.reason is Reason.NO_TURNS
    assert all(key in found.detail for key in row)
    assert "conversations of {from, value}" in found.detail
    assert "image and caption" in found.detail


def test_an_absolute_path_elsewhere_names_the_folder():
    found = refused({"image": "/elsewhere/a.jpg", "conversations": MARKED})
    assert found.reason is Reason.IMAGE_OUTSIDE
    assert "'/elsewhere/a.jpg' isn't in /photos" in found.detail
    assert refused({"image": "/photos/../a.jpg", "conversations": MARKED}).reason is (
        Reason.IMAGE_OUTSIDE
    )
    assert refused({"image": "/photos", "conversations": MARKED}).reason is Reason.IMAGE_OUTSIDE
