"""Parallel text is read from what people have and what public corpora ship."""

import gzip
import json
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from palo.corpus.parallel.files import text_files
from palo.corpus.parallel.lines import MAX_LINE_BYTES, TextFault
from palo.corpus.parallel.settings import ParallelSettings, ParallelSource
from palo.errors import ConfigError, DataError

PAIRS = [
    {"en": 'He said "yes".', "ur": "اس نے ہاں کہا۔"},
    {"en": "Two, or three?", "ur": "دو یا تین؟"},
]


def read(path, **settings):
    files, _ = text_files(ParallelSource(name="own", path=path, **settings))
    return [line for file in files for line in file.read()]


def texts(path, **settings):
    return [dict(line.texts) for line in read(path, **settings)]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize(
    "header", ["en\tur", "English\tUrdu", "eng_Latn\turd_Arab", "en-GB\tur-PK"]
)
@pytest.mark.parametrize("name", ["a.tsv", "a.tsv.gz"])
def test_a_table_names_its_languages_in_its_first_line(tmp_path, header, name):
    lines = [header, *("\t".join(pair.values()) for pair in PAIRS)]
    assert texts(write(tmp_path / name, "\n".join(lines))) == PAIRS


def test_quotation_marks_are_text_in_tsv_and_quotes_in_csv(tmp_path):
    tsv = write(tmp_path / "a.tsv", 'en\tes\n"One\tUno\n')
    assert texts(tsv) == [{"en": '"One', "es": "Uno"}]
    csv = write(tmp_path / "a.csv", 'en,es\n"One, ""two""","Uno,\ndos"\n')
    assert texts(csv) == [{"en": 'One, "two"', "es": "Uno,\ndos"}]


def test_a_table_without_names_takes_those_that_are_given(tmp_path):
    lines = "".join(f"{pair['en']}\t{pair['ur']}\t0.9\n" for pair in PAIRS)
    assert texts(write(tmp_path / "a.tsv", lines), languages=("en", "ur")) == PAIRS
    assert texts(write(tmp_path / "a.tsv", f"en\tur\n{lines}"), languages=("en", "ur")) == PAIRS


@pytest.mark.parametrize(
    ("text", "languages", "message"),
    [
        (
            "One\tUno\n",
            (),
            "which languages its columns are in: its first line is 'One",
        ),
        ("One\n", ("en", "es"), "fewer columns than languages were given: 1 in 'One', not 2"),
        ("", (), "the source is empty"),
        ("en\tes\n".encode("utf-16"), (), "the source is UTF-16"),
    ],
)
def test_a_table_that_cant_be_read_is_told_in_one_line(tmp_path, text, languages, message):
    with pytest.raises(DataError, match=message) as error:
        read(write(tmp_path / "a.tsv", text), languages=languages)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("form", ["jsonl", "json", "parquet"])
def test_json_and_parquet_name_languages_by_keys(tmp_path, form, wrapped):
    rows = [{"translation": pair} if wrapped else pair | {"id": 7, "score": "x"} for pair in PAIRS]
    path = tmp_path / f"a.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif form == "json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    assert texts(path) == PAIRS


def test_a_row_of_text_with_its_language_is_text_in_one_language(tmp_path):
    row = {"text": "Un texto.", "language": "spa"}
    assert texts(write(tmp_path / "a.jsonl", json.dumps(row))) == [{"es": "Un texto."}]


def test_rows_without_a_known_language_are_counted_by_what_they_have(tmp_path):
    found = read(write(tmp_path / "a.jsonl", '{"de": "Eins"}\n[1]\n{"en": "\\ud800", "ur": "x"}\n'))
    assert [line.fault for line in found] == [
        TextFault.NO_LANGUAGE, TextFault.NOT_A_ROW, TextFault.NOT_UTF8,
    ]  # fmt: skip
    assert found[0].detail == "it has de"


def test_a_parquet_file_without_a_language_is_refused(tmp_path):
    pq.write_table(pa.table({"de": ["x"], "n": [1]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="no column that is named after a language: de, n"):
        read(tmp_path / "a.parquet")


TMX = """<?xml version="1.0" encoding="{encoding}"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"><prop type="seg">no</prop></header><body>
<tu><tuv xml:lang="EN-US"><seg>Press <bpt i="1">&lt;b&gt;</bpt>Go<ept i="1">&lt;/b&gt;</ept>
 &amp; wait.</seg></tuv><tuv xml:lang="es"><seg>Pulse <hi>Ir</hi> y espere.</seg></tuv></tu>
<tu><tuv lang="de"><seg>Eins</seg></tuv></tu>
</body></tmx>"""


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16"])
def test_tmx_is_read_without_the_code_of_other_programs(tmp_path, encoding):
    found = read(write(tmp_path / "a.tmx", TMX.format(encoding=encoding).encode(encoding)))
    assert dict(found[0].texts) == {"en": "Press Go & wait.", "es": "Pulse Ir y espere."}
    assert found[1].fault == TextFault.NO_LANGUAGE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<tmx><body><tu></body>", "is no TMX: mismatched tag"),
        ("<html></html>", "is no TMX: it is <html>"),
        ('<!DOCTYPE tmx [<!ENTITY a "aaaa">]><tmx>&a;</tmx>', "declares entities: a"),
        ("no XML", "is no TMX: syntax error"),
    ],
)
def test_a_tmx_that_is_none_or_unpacks_is_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(write(tmp_path / "a.tmx", text))


@pytest.mark.parametrize(
    ("english", "urdu", "named"),
    [
        ("train.en", "train.ur", "train"),
        ("OpenSubtitles.en-ur.en.gz", "OpenSubtitles.en-ur.ur", "OpenSubtitles.en-ur"),
        ("x/eng_Latn.dev", "x/urd_Arab.dev", "x"),
        ("x/en.txt", "x/ur.txt", "x"),
        ("x/news.eng.txt", "x/news.urd.txt", "x"),
    ],
)
def test_text_files_are_aligned_by_their_names(tmp_path, english, urdu, named):
    for name, code in ((english, "en"), (urdu, "ur")):
        write(tmp_path / name, "".join(f"{pair[code]}\r\n" for pair in PAIRS))
    (tmp_path / "README").write_text("-", encoding="utf-8")
    assert texts(tmp_path / named) == PAIRS


def test_files_of_different_lengths_are_not_aligned(tmp_path):
    files = {code: write(tmp_path / f"a.{code}", "x\n" * n) for code, n in (("en", 9), ("ur", 8))}
    with pytest.raises(DataError, match=r"different numbers of lines: .*a.en 9, .*a.ur 8"):
        texts(tmp_path / "a")
    source = ParallelSource(name="own", files=files)
    with pytest.raises(DataError, match="different numbers of lines"):
        list(text_files(source)[0][0].read())


def test_enormous_and_broken_lines_cost_themselves_alone(tmp_path):
    write(tmp_path / "a.en", b"one\n" + b"x" * (3 * MAX_LINE_BYTES) + b"\ntwo\nthree\n")
    write(tmp_path / "a.ur", b"\xd8\xa7\n\xd8\xa7\n\xff\n\xd8\xa8\n")
    found = read(tmp_path / "a")
    assert [(line.number, line.fault) for line in found] == [
        (1, None), (2, TextFault.TOO_LONG), (3, TextFault.NOT_UTF8), (4, None),
    ]  # fmt: skip


def test_a_large_file_is_read_in_bounded_memory(tmp_path):
    write(tmp_path / "a.en", "A sentence of some length, as they are.\n" * 100_000)
    write(tmp_path / "a.es", "Una frase de cierta longitud, como son.\n" * 100_000)
    (file,) = text_files(ParallelSource(name="own", path=tmp_path / "a"))[0]
    tracemalloc.start()
    try:
        assert sum(1 for _ in file.read()) == 100_000
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_folder_says_which_files_it_doesnt_read(tmp_path):
    write(tmp_path / "a.tsv", "en\tes\nOne\tUno\n")
    write(tmp_path / "LICENSE", "-")
    files, ignored = text_files(ParallelSource(name="own", path=tmp_path))
    assert ([file.name for file in files], ignored) == (["a.tsv"], ["LICENSE"])


@pytest.mark.parametrize("name", ["nothing", "a"])
def test_a_path_without_parallel_text_is_told_with_what_is_there(tmp_path, name):
    write(tmp_path / "a.en", "One\n")  # its other side is missing
    with pytest.raises(DataError, match="there is no parallel text here: "):
        read(tmp_path / name)


def test_two_files_of_one_language_are_no_guess(tmp_path):
    for name in ("a.en", "a.eng", "a.ur"):
        write(tmp_path / name, "x\n")
    with pytest.raises(DataError, match="named after the same language, en"):
        read(tmp_path)


def test_a_list_of_sources_names_files_by_language_from_its_folder(tmp_path):
    lines = [
        "[flores]",
        'files = { en = "e", ur = "u" }',
        'licence = "CC"',
        "[own]",
        'path = "a.tsv"',
    ]
    path = write(tmp_path / "list.toml", "\n".join(lines))
    flores, own = ParallelSettings(path=path).sources
    assert flores.files == {"en": tmp_path / "e", "ur": tmp_path / "u"}
    assert (flores.licence, own.path) == ("CC", tmp_path / "a.tsv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('path = "a"', "no table for each source of parallel text: path"),
        ("[own]", "source own: .*either path or files"),
        ('[own]\nfiles = "a"', "files must name a file for each language"),
        ('[own]\nfiles = { xx = "a" }', "files has 'xx', not one of"),
        ('[own]\nfile = "a"', "source own: .*no field of this name: file"),
    ],
)
def test_a_wrong_list_is_told(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        _ = ParallelSettings(path=write(tmp_path / "list.toml", text)).sources
