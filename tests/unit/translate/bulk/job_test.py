import json
from contextlib import asynccontextmanager, suppress

import pytest
from tests.fixtures.translation import SPANISH, WORDS, Scripted

from palo import storage
from palo.corpus.config import read_source_list
from palo.data.records import Origin, Record, parse_llava
from palo.errors import ConfigError, DataError, ResourceError
from palo.translate.backends.backend import Draft, TranslationFailure
from palo.translate.checks.run import CheckSettings
from palo.translate.review.decision import ReviewDecision
from palo.translate.review.item import edition_of
from palo.translate.review.store import ReviewStore

LAZY = Draft(texts=tuple(WORDS[:2]))


def test_every_conversation_becomes_a_record_that_tells_where_it_came_from(
    translate, read_lines, tmp_path
):
    backend = Scripted()
    report = translate(backend)
    rows = read_lines("records/es.jsonl")
    assert [row["id"].split("@")[0] for row in rows] == ["photos/0", "photos/1", "photos/2"]
    assert [row["image"] for row in rows] == ["0.jpg", "1.jpg", "2.jpg"]
    values = [turn["value"] for turn in rows[0]["conversations"]]
    assert values == ["<image>\n" + SPANISH[WORDS[0]], SPANISH[WORDS[1]]]
    assert rows[1]["origin_record_id"].startswith("photos/1@")
    assert rows[1]["translator"] == "scripted"
    assert rows[1]["gates"]["protected_spans"] == "accept"
    assert rows[1]["gates"]["prompt"] == "ab12"
    assert report.bad_rows == {"no turns": 1, "not JSON": 1}
    assert report.languages["es"].records == 3
    (source,) = read_source_list(tmp_path / "job" / "sources.toml")
    assert (source.name, source.licence) == ("photos-es", "CC-BY-4.0")
    assert source.path.is_file()
    origin = Origin(source="s", language="es", languages=("es",), image_folder="p")
    assert all(isinstance(parse_llava(row, origin), Record) for row in rows)


def test_the_same_words_are_paid_for_once(translate):
    backend = Scripted()
    report = translate(backend)
    assert len(backend.asked) == 2
    assert (report.costs.cost, report.costs.answers, report.costs.requests) == (2.0, 2, 2)


def test_words_in_flight_are_waited_for_and_asked_for_again_if_lost(translate):
    backend = Scripted(concurrency=3)
    report = translate(backend, folder="one")
    assert (len(backend.asked), backend.most_at_once) == (2, 2)
    assert report.languages["es"].records == 3
    lost = TranslationFailure(kind="busy", detail="HTTP 429")
    backend = Scripted(lambda request, number: lost if number < 2 else None, concurrency=3)
    report = translate(backend, folder="two")
    assert [request.turns[0].text for request in backend.asked] == [WORDS[0], WORDS[2], WORDS[2]]
    assert (report.languages["es"].records, report.lost) == (1, {"busy": 2})


def test_a_second_run_asks_for_nothing_and_leaves_the_same_files(translate, tmp_path):
    translate(Scripted())
    files = [tmp_path / "job" / name for name in ("records/es.jsonl", "report.json")]
    before = [path.read_bytes() for path in files]
    again = Scripted()
    translate(again)
    assert not again.asked
    assert [path.read_bytes() for path in files] == before


def test_a_refused_translation_is_tried_again_with_the_reason(translate, read_lines):
    backend = Scripted(lambda asked, number: LAZY if not asked.attempt and number == 0 else None)
    report = translate(backend)
    (again,) = [request for request in backend.asked if request.attempt]
    assert any("Turn 2" in reason for reason in again.reasons)
    assert report.languages["es"].records == 3
    assert report.languages["es"].attempts == {1: 2, 2: 1}


def test_after_the_last_attempt_it_goes_to_quarantine_with_what_was_seen(translate, read_lines):
    backend = Scripted(lambda request, _: LAZY if request.turns[0].text == WORDS[0] else None)
    report = translate(backend, checks=CheckSettings(retries=1))
    account = report.languages["es"]
    assert (account.records, account.quarantine, account.review) == (2, 1, 0)
    (row,) = read_lines("quarantine/es.jsonl")
    assert row["texts"][1] == WORDS[1]
    assert any(check["decision"] == "quarantine" and check["reason"] for check in row["checks"])
    assert backend.counts[WORDS[0], WORDS[1], 1] == 1


@pytest.mark.parametrize(
    ("draft", "times"),
    [
        (Draft(fault="The reply had 1 turns instead of 2.", cost=1.0), 3),
        (Draft(fault="The server refused the request.", is_hopeless=True), 1),
    ],
)
def test_an_answer_that_is_none_ends_in_quarantine(translate, read_lines, draft, times):
    backend = Scripted(lambda request, _: draft if request.turns[0].text == WORDS[0] else None)
    report = translate(backend)
    (row,) = read_lines("quarantine/es.jsonl")
    assert row["checks"][0]["check"] == "reply"
    assert row["checks"][0]["reason"] == draft.fault
    assert sum(request.turns[0].text == WORDS[0] for request in backend.asked) == times
    assert report.languages["es"].records == 2


REFUSED = Draft(fault="The server refused the text.", is_hopeless=True)


def refusing(draft, **settings):
    return Scripted(lambda asked, _: draft if asked.turns[0].text == WORDS[0] else None, **settings)


def test_what_was_refused_stays_refused_until_the_settings_change(translate):
    translate(refusing(REFUSED))
    again = refusing(REFUSED)
    assert translate(again).languages["es"].quarantine == 1
    assert again.asked == []
    other = Scripted(settings_hash="other")
    said = []
    report = translate(other, on_progress=said.append)
    assert [request.turns[0].text for request in other.asked] == [WORDS[0]]
    assert (report.languages["es"].records, report.languages["es"].quarantine) == (3, 0)
    assert said[-1].startswith("translate: 3/3 conversations")


def test_refusals_that_an_older_version_kept_are_asked_for_again(translate, tmp_path):
    translate(refusing(REFUSED))
    for name, field in (("ledger", "settings"), ("results", "faulty_under")):
        path = tmp_path / "job" / f"{name}.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        rows = [{key: row[key] for key in row if key != field} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    again = Scripted()
    assert translate(again).languages["es"].records == 3
    assert [request.turns[0].text for request in again.asked] == [WORDS[0]]


def test_where_nothing_is_of_use_nothing_is_kept_but_its_cost(translate, read_lines):
    class UselessServer(Scripted):
        @asynccontextmanager
        async def open(self, spent_before=0.0, *, has_worked=False):
            yield self.translate
            assert not has_worked
            raise ConfigError("the server gives no answer of use")

    faulty = Draft(fault="The reply was empty.", cost=1.0)
    with pytest.raises(ConfigError, match="no answer of use"):
        translate(UselessServer(lambda request, number: faulty))
    again = Scripted()
    report = translate(again)
    assert (report.languages["es"].records, len(again.asked)) == (3, 2)
    assert report.costs.cost == 2 * 3 + 2


def test_no_attempt_is_the_same_request_as_the_one_before(translate):
    backend = refusing(LAZY)
    translate(backend, checks=CheckSettings(retries=4))
    asked = [one.reasons for one in backend.asked if one.turns[0].text == WORDS[0]]
    assert len(asked) == len(set(asked)) == 5


def test_a_source_without_a_conversation_says_why(translate, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"id": 1}\n{"id": 2}\n{broken\n')
    with pytest.raises(
        DataError, match=r"no row of photos is a conversation: 2 no turns.*1 not JSON"
    ):
        translate(Scripted(), path=path)


def test_a_source_in_the_language_that_is_wanted_says_so(translate):
    with pytest.raises(DataError, match="all its conversations are in en"):
        translate(Scripted(), codes=("en",))


def test_the_cost_to_come_is_right_after_a_restart(translate, rows):
    """Answers that a killed run paid for and didn't use count with their conversations."""
    line = json.loads(rows.read_text().splitlines()[0])
    texts = [(question, answer) for question in WORDS[::2] for answer in WORDS[1::2]]
    with rows.open("w") as file:
        for question, answer in texts:
            line["conversations"][0]["value"] = f"<image>\n{question}"
            line["conversations"][1]["value"] = answer
            file.write(json.dumps(line) + "\n")

    def crash(request, number):
        if number == 5:
            raise Crash

    with suppress(BaseExceptionGroup):
        translate(Scripted(crash))
    results = rows.parent / "job" / "results.jsonl"
    results.write_text("")  # as if it had been killed before any conversation was saved
    said = []
    translate(
        Scripted(lambda request, number: None if number < 2 else lost("budget")),
        on_progress=said.append,
    )
    assert "cost 7 so far, about 2 to come" in said[-1]


def lost(kind):
    return TranslationFailure(kind=kind, detail="")


def test_what_got_no_answer_is_asked_for_by_the_next_run_alone(translate):
    lost = TranslationFailure(kind="busy", detail="HTTP 429")
    report = translate(Scripted(lambda request, number: lost if number == 0 else None))
    assert report.lost == {"busy": 1}
    assert (report.num_missing, report.costs.requests_without_answer) == (1, 0)
    second = Scripted()
    report = translate(second)
    assert [request.turns[0].text for request in second.asked] == [WORDS[0]]
    assert report.num_missing == 0


def test_a_spent_budget_ends_the_run_and_what_may_have_cost_counts(translate):
    def script(request, number):
        return TranslationFailure(kind="timeout" if number == 0 else "budget", detail="")

    first = Scripted(script)
    report = translate(first)
    assert len(first.asked) == 2
    assert report.lost == {"timeout": 1, "budget": 1}
    # The one that timed out may have been paid for, and so may the attempt before the money ended.
    assert report.costs.open_cost == 4.0
    second = Scripted()
    translate(second)
    assert second.spent_before[0] == 4.0


class Crash(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_crash_right_after_an_answer_costs_nothing_twice(translate, after, read_lines):
    def crash(request, number):
        if number == after:
            raise Crash

    first = Scripted(crash)
    crashed = False
    try:
        translate(first)
    except* Crash:
        crashed = True
    second = Scripted()
    report = translate(second)
    answered = first.asked[:after] if crashed else first.asked
    assert crashed == (after < 2)
    assert len(answered) + len(second.asked) == 2
    assert report.costs.requests_without_answer == crashed
    assert len(read_lines("records/es.jsonl")) == 3


def test_a_source_that_grew_in_front_costs_only_what_is_new(translate, rows):
    translate(Scripted())
    row = {
        "conversations": [{"from": "human", "value": WORDS[4]}, {"from": "gpt", "value": WORDS[5]}]
    }
    rows.write_text(json.dumps(row) + "\n" + rows.read_text())
    second = Scripted()
    report = translate(second)
    assert [request.turns[0].text for request in second.asked] == [WORDS[4]]
    assert report.languages["es"].records == 4


def test_people_have_the_last_word(translate, read_lines, tmp_path):
    report = translate(Scripted(), review_all=True)
    assert (report.languages["es"].review, report.languages["es"].records) == (3, 0)
    store = ReviewStore(tmp_path / "job" / "review")
    first, second, _ = store.items("es")
    for item, opinion in ((first, "accept"), (second, "reject")):
        texts = ("¿Qué ve usted?", item.translated.texts[1])
        verdict = ReviewDecision(
            key=item.key,
            edition=edition_of(item.translated),
            reviewer="ana",
            outcome=opinion,
            texts=texts,
        )
        store.save(verdict, seen_version=0)
    report = translate(Scripted(), review_all=True)
    account = report.languages["es"]
    assert (account.records, account.reviewed, account.rejected, account.review) == (1, 1, 1, 1)
    (row,) = read_lines("records/es.jsonl")
    assert row["gates"]["reviewer"] == "ana"
    assert row["conversations"][0]["value"] == "<image>\n¿Qué ve usted?"


def test_rows_in_the_language_that_is_wanted_are_left_alone(translate):
    backend = Scripted()
    report = translate(backend, codes=("es", "en"))
    assert {request.language for request in backend.asked} == {"es"}
    assert report.languages["en"].done == report.languages["en"].missing == 0


def test_a_turn_too_many_is_no_translation(translate, read_lines):
    surplus = Draft(texts=("¿Qué es esto?", "Un coche rojo está delante de la casa.", "¿Y ahora?"))
    backend = Scripted(lambda request, _: surplus if request.turns[0].text == WORDS[0] else None)
    report = translate(backend)
    assert report.languages["es"].quarantine == 1
    asked = [request for request in backend.asked if request.turns[0].text == WORDS[0]]
    assert len(asked) > 1
    fault = "The translation has 3 turns, the source 2."
    assert [one.reasons for one in asked] == [
        (), (fault,), (fault, f"Again in attempt 2: {fault}"),
    ]  # fmt: skip


def test_two_jobs_in_one_folder_would_pay_twice(translate, tmp_path):
    taken = storage.alone_in(tmp_path / "job")
    with taken, pytest.raises(ResourceError, match="another process"):
        translate(Scripted())
    translate(Scripted())


def test_a_job_without_a_source_says_so(translate, tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(DataError, match="empty"):
        translate(Scripted(), path=empty)


def test_the_report_tells_languages_gates_and_costs(translate, tmp_path):
    said = []
    translate(
        Scripted(lambda request, number: LAZY if request.turns[0].text == WORDS[0] else None),
        on_progress=said.append,
    )
    values = json.loads((tmp_path / "job" / "report.json").read_text())
    assert values["languages"]["es"]["records"] == 2
    assert values["languages"]["es"]["translators"] == [["scripted", "ab12", 3]]
    assert values["costs"]["tokens_in"] == 3
    page = (tmp_path / "job" / "report" / "index.html").read_text()
    assert "Español" in page
    assert "quarantine" in page
    assert "scripted" in page
    assert "no turns" in page
    assert "3/3 conversations" in said[-1]
