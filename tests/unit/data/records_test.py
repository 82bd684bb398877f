import pytest

from palo import languages
from palo.data.records import Origin, Record, Rejected, parse_llava
from palo.reasons import Reason

ORIGIN = Origin(
    source="test", licence="CC0", language="en", image_folder="/images", languages=("en", "ur")
)


def turn(role, text):
    return {"from": role, "value": text}


def make_row(question="Was\n<image>", answer="An answer", **fields):
    row = {"id": 7, "image": "a/b.jpg"}
    row["conversations"] = [turn("human", question), turn("gpt", answer)]
    return row | fields


def test_a_good_row_becomes_a_record_with_the_image_in_front():
    record = parse_llava(make_row("  What\nis it? <image>", " One. "), ORIGIN, "120")
    assert isinstance(record, Record)
    assert record.record_id == "test/7@120"
    assert (record.language, record.licence, record.source) == ("en", "CC0", "test")
    assert record.image == "/images/a/b.jpg"
    user, assistant = record.turns
    assert (user.role, user.text, user.num_images) == ("user", "What\nis it?", 1)
    assert (assistant.role, assistant.text, assistant.num_images) == ("assistant", " One. ", 0)
    assert record.conversation.num_images == 1


def test_the_image_may_come_in_a_later_turn():
    turns = [turn("human", " Hi "), turn("gpt", "Yes?"), *make_row()["conversations"]]
    record = parse_llava(make_row(conversations=turns), ORIGIN)
    assert [t.num_images for t in record.turns] == [0, 0, 1, 0]
    assert record.turns[0].text == " Hi "


def test_chat_messages_are_read_too():
    parts = [{"type": "image"}, {"type": "text", "text": "Was"}]
    row = {
        "id": 7,
        "images": ["a/b.jpg"],
        "messages": [
            {"role": "user", "content": parts},
            {"role": "assistant", "content": "An answer"},
        ],
    }
    assert parse_llava(row, ORIGIN) == parse_llava(make_row(), ORIGIN)
    row["messages"][0]["content"] = [{"type": "video", "video": "x"}]
    assert parse_llava(row, ORIGIN).detail == "a part is video"
    assert parse_llava(row | {"images": ["a", "b"]}, ORIGIN).detail == "a part is video"
    row["messages"][0]["content"] = parts
    assert parse_llava(row | {"images": ["a", "b"]}, ORIGIN).reason is Reason.MANY_IMAGES


def test_a_rows_own_language_wins():
    assert parse_llava(make_row(language="ur"), ORIGIN).language == "ur"


def test_text_only_rows_need_no_image():
    row = make_row("Question")
    del row["image"]
    record = parse_llava(row, ORIGIN)
    assert record.image is None
    assert parse_llava(make_row("Question", image=None), ORIGIN).image is None


def test_a_record_goes_back_to_llavas_format():
    row = parse_llava(make_row(), ORIGIN).to_llava()
    assert row["conversations"][0] == turn("human", "<image>\nWas")
    assert row["image"] == "/images/a/b.jpg"
    assert isinstance(parse_llava(row | {"image": "a/b.jpg"}, ORIGIN), Record)


TOLD = {"origin_record_id": "coco/1@0", "translator": "nllb", "gates": {"locks": "accept"}}


@pytest.mark.parametrize(
    "gates",
    [TOLD["gates"], TOLD["gates"] | {"length": None}, [("locks", "accept")]],
)
def test_a_translation_tells_how_it_came_to_be_on_both_ways(gates):
    record = parse_llava(make_row(**TOLD | {"gates": gates}), ORIGIN)
    assert (record.origin_record_id, record.translator) == ("coco/1@0", "nllb")
    assert record.gates == {"locks": "accept"}
    assert record.to_llava().items() >= TOLD.items()
    assert not TOLD.keys() & parse_llava(make_row(), ORIGIN).to_llava().keys()


GOOD = make_row()["conversations"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([], Reason.NOT_A_RECORD),
        ("text", Reason.NOT_A_RECORD),
        ({"id": 1}, Reason.NO_TURNS),
        (make_row(conversations=[]), Reason.NO_TURNS),
        (make_row(conversations={"from": "human"}), Reason.NO_TURNS),
        (make_row(conversations=["Hi", "Ho"]), Reason.NO_TURNS),
        (make_row(conversations=[*GOOD, turn("system", "Be")]), Reason.WRONG_ROLE),
        (make_row(conversations=[{"value": "Hi"}, GOOD[1]]), Reason.WRONG_ROLE),
        (make_row(conversations=[turn(["human"], "Hi"), GOOD[1]]), Reason.WRONG_ROLE),
        (make_row(conversations=GOOD[::-1]), Reason.NOT_ALTERNATING),
        (make_row(conversations=[GOOD[0], GOOD[0], GOOD[1]]), Reason.NOT_ALTERNATING),
        (make_row(conversations=GOOD[:1]), Reason.NO_ANSWER),
        (make_row(conversations=[*GOOD, turn("human", "And?")]), Reason.NO_ANSWER),
        (make_row(answer=None), Reason.NOT_TEXT),
        (make_row(answer="half \ud83d"), Reason.NOT_TEXT),
        (make_row(answer=" \n"), Reason.EMPTY_TURN),
        (make_row(question=""), Reason.EMPTY_TURN),
        (make_row(language="xx"), Reason.UNKNOWN_LANGUAGE),
        (make_row(language="German"), Reason.UNKNOWN_LANGUAGE),
        (make_row(language=["en"]), Reason.UNKNOWN_LANGUAGE),
        (make_row(translator=7), Reason.WRONG_PROVENANCE),
        (make_row(translator="\ud83d"), Reason.WRONG_PROVENANCE),
        (make_row(origin_record_id=["a"]), Reason.WRONG_PROVENANCE),
        (make_row(gates="accept"), Reason.WRONG_PROVENANCE),
        (make_row(gates={"locks": 1}), Reason.WRONG_PROVENANCE),
        (make_row(gates=["locks"]), Reason.WRONG_PROVENANCE),
        (make_row(question="<image> and <image>"), Reason.TWO_PLACES),
        (make_row(conversations=[*GOOD, *GOOD]), Reason.TWO_PLACES),
        (make_row(answer="see <image>"), Reason.PLACE_IN_ANSWER),
        (make_row(image=None), Reason.PLACE_WITHOUT_IMAGE),
        (make_row(image=[["a.jpg"], {"path": "b.jpg"}]), Reason.MANY_IMAGES),
        (make_row(image=7), Reason.WRONG_IMAGE_FIELD),
        (make_row(image=""), Reason.PLACE_WITHOUT_IMAGE),
        (make_row(image="a\0.jpg"), Reason.WRONG_IMAGE_FIELD),
        (make_row(image="\udcff.jpg"), Reason.WRONG_IMAGE_FIELD),
        (make_row(image="../../etc/passwd"), Reason.IMAGE_OUTSIDE),
        (make_row(image="/etc/passwd"), Reason.IMAGE_OUTSIDE),
        (make_row(image="a?endpoint_override=evil:80/b.jpg"), Reason.IMAGE_OUTSIDE),
    ],
)
def test_bad_rows_are_rejected_with_their_reason(row, reason):
    rejected = parse_llava(row, ORIGIN)
    assert isinstance(rejected, Rejected)
    assert rejected.reason is reason
    rejected.detail.encode()


def test_a_rejected_row_counts_for_its_language_where_that_is_known():
    assert parse_llava(make_row(answer="", language="ur"), ORIGIN).language == "ur"
    assert parse_llava(make_row(language="xx"), ORIGIN).language == "unknown"


def test_a_row_without_a_language_needs_the_sources():
    origin = Origin(source="test", languages=("en",), image_folder="/images")
    assert parse_llava(make_row(), origin).reason is Reason.UNKNOWN_LANGUAGE


def test_an_image_needs_the_sources_folder():
    origin = Origin(source="test", language="en", languages=("en",))
    assert parse_llava(make_row(), origin).reason is Reason.NO_IMAGE_FOLDER


def test_markup_other_than_the_place_is_only_words():
    record = parse_llava(make_row("<image>\n</s> USER: <im_end>"), ORIGIN)
    assert record.turns[0].text == "</s> USER: <im_end>"


PALO = Origin(
    source="palo",
    language="en",
    image_folder="/images",
    languages=("en", "hi", "ur"),
    known=tuple(map(languages.get, ("en", "hi", "ur"))),
)


@pytest.mark.parametrize(
    ("fields", "language"),
    [
        ({}, "en"),
        ({"english_conversations": []}, "en"),
        ({"english_conversations": [], "hindi_conversation": []}, "hi"),
        ({"Urdu_conversation": None, "corrupt": False}, "ur"),
        ({"urdu_conversation": [], "language": "hi"}, "hi"),
    ],
)
def test_a_translated_row_tells_its_language_by_a_field(fields, language):
    record = parse_llava(make_row(**fields), PALO)
    assert isinstance(record, Record)
    assert record.language == language
    assert record.turns == parse_llava(make_row(), PALO).turns


@pytest.mark.parametrize(
    "keys", [["german_conversation"], ["hindi_conversation", "urdu_conversation"]]
)
def test_a_row_in_no_one_known_language_is_not_guessed_at(keys):
    rejected = parse_llava(make_row(**dict.fromkeys(keys)), PALO)
    assert (rejected.reason, rejected.language) == (Reason.UNKNOWN_LANGUAGE, "unknown")
    assert rejected.detail == ", ".join(keys)


def test_a_row_that_is_marked_as_corrupt_is_counted_in_its_language():
    rejected = parse_llava(make_row(hindi_conversation=[], corrupt=True), PALO)
    assert (rejected.reason, rejected.language) == (Reason.CORRUPT, "hi")
