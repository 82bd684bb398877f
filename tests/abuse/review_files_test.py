"""Reviewers' files that are made to take gigabytes or hours: XLSX above all."""

import json
import zipfile

import pytest
from tests.fixtures.confined import run_confined

from palo.errors import DataError, PaloError
from palo.translate.review.offline.columns import COLUMNS, rows_of
from palo.translate.review.offline.files import FORMATS, read_rows, write_rows
from palo.translate.review.offline.import_reviews import import_reviews
from palo.translate.review.store import ReviewStore

MB = 1 << 20


@pytest.fixture
def book(tmp_path, translation):
    """A workbook as we write it."""
    store = ReviewStore(tmp_path / "review")
    store.add([translation(number, "ar") for number in range(2)])
    path = tmp_path / "file.xlsx"
    write_rows(path, rows_of(store.items()))
    return path


def rewrite(path, changes, more=()):
    """Writes a zip anew with parts changed by functions of their bytes."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()} | {STRINGS: _NO_TEXTS}
    for name, change in changes.items():
        parts[name] = change(parts[name])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, data in (*parts.items(), *more):
            new.writestr(name, data)
    return path


_NO_TEXTS = b"<sst></sst>"
SHEET, STYLES, STRINGS = "xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/sharedStrings.xml"
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "%s">' % (b"ha" * 500)
    + b"".join(b'<!ENTITY %c "%s">' % (97 + n, b"&%c;" % (96 + n) * 50) for n in range(1, 9))
    + b"]>"
)
EXTERNAL = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


def without_declaration(data):
    return data.partition(b"?>")[2] if data.startswith(b"<?xml") else data


_READ = """
    from pathlib import Path
    from palo.errors import PaloError
    from palo.translate.review.offline.files import read_rows
    try:
        print(len(read_rows(Path(sys.argv[1]))), grown() >> 20)
    except PaloError as error:
        print(error.fact.partition(" ")[2], "|", grown() >> 20)
"""


def read_apart(path):
    """Returns what became of a file, and by how many MiB memory has grown."""
    ended = run_confined(_READ, path, max_bytes=3 << 30)
    assert ended.code == 0, ended.errors[-2000:]
    message, _, grown = ended.output.rpartition(" ")
    assert int(grown) < 700
    return message.strip(" |")


BOMBS = {
    "cells in one row": (SHEET, lambda data: data.replace(
        b"<sheetData>", b"<sheetData><row>" + b"<c/>" * (12 * MB) + b"</row>")),
    "attributes": (SHEET, lambda data: data.replace(
        b"<sheetData>", b"<sheetData><row>" + b'<c r="A1" s="0"/>' * (4 * MB) + b"</row>")),
    "zeros": (SHEET, lambda data: data + b" " * (300 * MB)),
    "texts": (STRINGS, lambda data: data.replace(b"</sst>", b"<si/>" * (20 * MB) + b"</sst>")),
    "styles": (STYLES, lambda data: data.replace(b"<cellXfs", b"<fonts>" + b"<font/>" * MB
        + b"</fonts><cellXfs")),
}  # fmt: skip


@pytest.mark.parametrize("kind", BOMBS)
def test_a_workbook_that_unpacks_to_too_much_is_not_read(book, kind):
    name, change = BOMBS[kind]
    rewrite(book, {name: change})
    assert book.stat().st_size < MB
    assert read_apart(book) == "unpacks to too much"


def test_many_parts_are_not_read(book):
    rewrite(book, {}, [(f"xl/media/{n}.png", b"") for n in range(5000)])
    with pytest.raises(DataError, match=r"unpacks to too much: .* parts"):
        read_rows(book)


@pytest.mark.parametrize("head", [LAUGHS, EXTERNAL])
@pytest.mark.parametrize("name", [SHEET, STYLES, STRINGS, "xl/workbook.xml", "[Content_Types].xml"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused(book, head, name, encoding):
    def change(data):
        text = (head + without_declaration(data)).decode()
        return text.encode(encoding)

    rewrite(book, {name: change})
    with pytest.raises(DataError, match="document type"):
        read_rows(book)


@pytest.mark.parametrize(
    "claim", [b"A1:XFD1048576", b"A1:A99999999999", b"A1:ZZZZZZ9", b"nonsense"]
)
def test_a_sheets_claim_of_its_size_is_not_believed(book, claim):
    def change(data):
        start = data.index(b'<dimension ref="') + len(b'<dimension ref="')
        return data[:start] + claim + data[data.index(b'"', start) :]

    rewrite(book, {SHEET: change})
    try:
        assert len(read_rows(book)) == 4
    except DataError as error:
        assert "no Excel workbook" in error.fact  # noqa: PT017 - one or the other


@pytest.mark.parametrize("number", [b"1048576", b"99999999999999999999"])
def test_a_row_far_below_the_others_costs_no_time(book, number):
    row = b'<row r="%s"><c r="A%s" t="inlineStr"><is><t>a</t></is></c></row>' % (number, number)
    rewrite(book, {SHEET: lambda data: data.replace(b"</sheetData>", row + b"</sheetData>")})
    assert read_apart(book) == "4"


def test_more_rows_than_people_review_are_refused(tmp_path, monkeypatch, book):
    monkeypatch.setattr("palo.translate.review.offline.workbook._MAX_ROWS", 4)
    with pytest.raises(DataError, match="too many rows"):
        read_rows(book)


def test_links_to_other_files_are_left_alone(book):
    link = b'<externalLink xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"/>'
    rewrite(book, {}, [("xl/externalLinks/externalLink1.xml", link)])
    assert len(read_rows(book)) == 4


def test_damaged_workbooks_are_one_clear_error(book):
    data = book.read_bytes()
    for place in range(0, len(data), max(1, len(data) // 211)):
        book.write_bytes(data[:place] + bytes([data[place] ^ 0x5A]) + data[place + 1 :])
        try:
            assert len(read_rows(book)) <= 4
        except PaloError as error:
            assert "\n" not in str(error)  # noqa: PT017 - one or the other


@pytest.mark.parametrize("suffix", FORMATS)
def test_files_of_nonsense_are_one_clear_error_or_told_by_row(tmp_path, suffix):
    head = ",".join(COLUMNS).encode()
    for data in (
        b"",
        b"\0" * 1000,
        b"\xff\xfe" + b"\0\xd8" * 500,
        b"[" * 200_000,
        b'{"id": "a"}\n' + b'{"id":' * 100_000,
        head + b"\n" + b'"' * 100_001,
        head + b'\n"' + b"a" * (2 << 20) + b'"',
        b"," * 100_000,
        b"PK\3\4" + bytes(100),
    ):
        path = tmp_path / f"file{suffix}"
        path.write_bytes(data)
        try:
            assert all(row.number for row in read_rows(path))
        except PaloError as error:
            assert "\n" not in str(error)  # noqa: PT017 - one or the other


def test_numbers_of_a_file_are_not_believed(tmp_path, translation):
    store = ReviewStore(tmp_path / "review")
    store.add([translation(0, "ar")])
    rows = rows_of(store.items())
    for row in rows:
        row |= {"row": "1/999999999", "version": "9" * 9}
    path = tmp_path / "file.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert {fate.status for fate in import_reviews(store, path, "a")} <= {"undecided", "refused"}
