"""Files for people who work offline: out, changed, and back, in every format."""

import csv
import json

import openpyxl
import pytest

from palo.errors import DataError
from palo.translate.review.decision import ReviewDecision
from palo.translate.review.offline.columns import (
    COLUMNS,
    as_text_cell,
    for_xlsx,
    from_text_cell,
    from_xlsx,
    rows_of,
)
from palo.translate.review.offline.files import FORMATS, read_rows, write_rows
from palo.translate.review.offline.import_reviews import import_reviews
from palo.translate.review.store import ReviewStore

_NASTY = (
    '=HYPERLINK("http://example.org")',
    "-2+3\n\u2028x",
    "'=1",
    "@a",
    "a\x0bb_x000B_",
    " ",
    "",
)


@pytest.fixture
def store(tmp_path, translation):
    made = ReviewStore(tmp_path / "review")
    made.add([translation(number, "ar") for number in range(3)] + [translation(3, "bn")])
    return made


def _written(path, store, reviewer="", **cells):
    """Writes a file in which each first row has these cells changed."""
    rows = rows_of(store.items(), reviewer)
    for row in rows:
        if row["turn"].startswith("1/"):
            row |= cells
    write_rows(path, rows)
    return path


def _fates(imported):
    return [(fate.status, fate.rows) for fate in imported]


@pytest.mark.parametrize("suffix", FORMATS)
def test_any_text_survives_and_none_is_a_formula(tmp_path, suffix):
    path = tmp_path / f"file{suffix}"
    rows = [dict.fromkeys(COLUMNS, text) | {"row": "1", "language": "ur"} for text in _NASTY]
    write_rows(path, rows)
    assert [dict(row.cells) for row in read_rows(path)] == rows
    assert all(not row.problems for row in read_rows(path))
    if suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = list(csv.reader(file))
        assert not any(cell[:1] in tuple("=+-@") and cell for row in table for cell in row)
    if suffix == ".xlsx":
        sheet = openpyxl.load_workbook(path).worksheets[0]
        assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "inlineStr"}
        assert sheet.sheet_view.rightToLeft


@pytest.mark.parametrize("text", [*_NASTY, "''=1", "＝1", "'Hola'", "\t1"])
def test_apostrophes_are_taken_back_only_where_they_were_put(text):
    assert from_text_cell(as_text_cell(text)) == text
    assert from_xlsx(for_xlsx(text)) == text
    assert from_text_cell("'Hola'") == "'Hola'"


@pytest.mark.parametrize("suffix", FORMATS)
def test_decisions_and_corrections_come_back_once(tmp_path, store, suffix):
    path = _written(
        tmp_path / f"amina{suffix}", store, corrected="كم عدد التفاح؟", decision="Accept",
        tags="term, grammar", note="واضح",
    )  # fmt: skip
    assert _fates(import_reviews(store, path, "Amina")) == [
        ("saved", (number, number + 1)) for number in (1, 3, 5, 7)
    ]
    (said,) = store.items()[0].decisions
    assert (said.outcome, said.tags, said.note) == ("accept", ("grammar", "term"), "واضح")
    assert said.texts[0] == "كم عدد التفاح؟"
    assert {fate.status for fate in import_reviews(store, path, "Amina")} == {"known"}
    assert {fate.status for fate in import_reviews(store, path, "Bilal")} == {"refused"}
    assert {fate.status for fate in import_reviews(store, path, "Bilal", independent=True)} == {
        "saved"
    }
    assert [len(item.decisions) for item in store.items()] == [2] * 4
    again = _written(tmp_path / f"again{suffix}", store, "Amina")
    assert {fate.status for fate in import_reviews(store, again, "Amina")} == {"known"}


def test_what_nobody_decided_stays_open(tmp_path, store):
    path = _written(tmp_path / "a.csv", store)
    assert {fate.status for fate in import_reviews(store, path, "Amina")} == {"undecided"}
    path = _written(tmp_path / "b.csv", store, corrected="كم؟")
    (fate, *_) = import_reviews(store, path, "Amina")
    assert (fate.status, fate.reason) == (
        "refused", "something was changed, but the decision is empty",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"id": "photos/77@1>ar"}, "nothing of this id"),
        ({"id": ""}, "it has no id"),
        ({"source": "Ù…Ø§"}, "source was changed, or its encoding is broken"),
        ({"translation": "كم؟"}, "translation was changed"),
        ({"edition": "0" * 16}, "different values of edition"),
        ({"version": "7"}, "different values of version"),
        ({"version": "-1"}, "version is '-1'"),
        ({"decision": "perhaps"}, "decision is 'perhaps'"),
        ({"turn": "9/2"}, "there is no turn"),
        ({"turn": "2/2"}, "turn 1 is missing; turn 2 is there more than once"),
        ({"corrected": ""}, "the text is empty"),
        ({"corrected": "كم \ufffd"}, "could not be read"),
        ({"tags": "ugly"}, "no such kind of fault"),
    ],
)
def test_a_row_that_is_wrong_is_told_and_harms_no_other(tmp_path, store, cells, reason):
    rows = rows_of(store.items())
    for row in rows:
        row["decision"] = "accept"
    rows[2] |= cells
    write_rows(tmp_path / "file.csv", rows)
    imported = import_reviews(store, tmp_path / "file.csv", "Amina")
    refused = [fate for fate in imported if fate.status == "refused"]
    assert reason in " ".join(fate.reason for fate in refused)
    assert [item.version for item in store.items()] == [1, 0, 1, 1]
    kept = list((store.folder / "imports").glob("*.csv"))
    assert [path.read_bytes() for path in kept] == [(tmp_path / "file.csv").read_bytes()]
    (report,) = (store.folder / "imports").glob("*.report.jsonl")
    assert len(report.read_text("utf-8").splitlines()) == len(imported)


def test_missing_rows_are_told_by_their_numbers(tmp_path, store):
    rows = rows_of(store.items())
    for row in rows:
        row["decision"] = "reject"
    write_rows(tmp_path / "file.jsonl", [*rows[:1], *rows[4:]])
    imported = import_reviews(store, tmp_path / "file.jsonl", "Amina")
    assert [fate.rows for fate in imported if fate.status == "missing"] == [(2,), (3,), (4,)]
    assert [item.state for item in store.items()] == ["open", "open", "rejected", "rejected"]


def test_a_stale_file_overwrites_nothing(tmp_path, store, translation):
    path = _written(tmp_path / "file.xlsx", store, decision="accept")
    item = store.items()[0]
    said = ReviewDecision(
        key=item.key, edition=item.edition, reviewer="Bilal", outcome="reject",
        texts=item.translated.texts,
    )  # fmt: skip
    store.save(said, seen_version=0)
    store.add([translation(1, "ar", texts=("كم؟", "3"))])
    imported = import_reviews(store, path, "Amina")
    assert [fate.status for fate in imported] == ["refused", "refused", "saved", "saved"]
    assert "Bilal has reviewed this in the meantime" in imported[0].reason
    assert "translated anew" in imported[1].reason
    assert store.items()[0].latest.keys() == {"Bilal"}
    # Bilal's own old file isn't taken even as an independent outcome.
    imported = import_reviews(store, path, "Bilal", independent=True)
    assert imported[0].status == "refused"


def test_a_broken_encoding_is_told_by_row(tmp_path, store):
    path = _written(tmp_path / "file.csv", store, decision="accept")
    data = path.read_bytes()
    word = "التفاح".encode()
    path.write_bytes(data.replace("تفاحة".encode(), word[:3], 1))
    imported = import_reviews(store, path, "Amina")
    assert [fate.status for fate in imported] == ["refused", "saved", "saved", "saved"]
    assert "encoding is broken" in imported[0].reason


@pytest.mark.parametrize(("encoding", "delimiter"), [("utf-16", "\t"), ("utf-8", ";")])
def test_what_spreadsheets_of_other_countries_save_is_read(tmp_path, store, encoding, delimiter):
    rows = rows_of(store.items())
    with (tmp_path / "file.csv").open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, delimiter=delimiter)
        writer.writeheader()
        writer.writerows({**row, "decision": "accept"} for row in rows)
    imported = import_reviews(store, tmp_path / "file.csv", "Amina")
    assert {fate.status for fate in imported} == {"saved"}


def test_what_a_spreadsheet_made_of_a_text_is_told(tmp_path, store):
    path = _written(tmp_path / "file.xlsx", store, decision="accept")
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    place = COLUMNS.index("corrected") + 1
    sheet.cell(2, place).value, sheet.cell(2, place).data_type = "=1+1", "f"
    sheet.cell(4, place).value = 3.5
    sheet.cell(7, place).value = 3
    book.save(path)
    imported = import_reviews(store, path, "Amina")
    assert [fate.status for fate in imported] == ["refused", "refused", "saved", "saved"]
    assert "corrected is a formula" in imported[0].reason
    assert "corrected was made a float" in imported[1].reason
    assert store.items()[2].latest["Amina"].texts[1] == "3"


def test_what_is_no_reviewers_file_is_refused_as_a_whole(tmp_path, store):
    cases = {
        "a.csv": b"name,age\n1,2\n",
        "b.xlsx": b"PK but no workbook",
        "c.ods": b"",
        "d.csv": b"",
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError):
            import_reviews(store, tmp_path / name, "Amina")
    assert not (store.folder / "imports").exists()


def test_lines_that_are_no_rows_are_told(tmp_path, store):
    whole = [json.dumps({**row, "decision": "reject"}) for row in rows_of(store.items())]
    row = json.loads(whole[0])
    lines = ["{", "[]", json.dumps({**row, "note": 3}), *whole[1:]]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), "utf-8")
    imported = import_reviews(store, tmp_path / "a.jsonl", "Amina")
    message = [fate.reason for fate in imported if fate.status == "refused"]
    assert "not JSON" in message[0]
    assert "no object" in message[1]
    assert "note is missing or no text" in message[2]
    assert sum(fate.status == "saved" for fate in imported) == 3
