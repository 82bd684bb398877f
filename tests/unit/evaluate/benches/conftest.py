"""A small bench in PALO's layout, written by hand."""

import json

import pytest


def write_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")


@pytest.fixture
def palo_layout(tmp_path):
    """Two questions about one image, in English and in Urdu."""

    def write(name, words):
        folder = tmp_path / name
        asked = [
            {"question_id": n, "image": "001.jpg", "text": text, "category": category}
            for n, (text, category) in enumerate([(words[0], "conv"), (words[1], "detail")])
        ]
        write_lines(folder / "question.jsonl", asked)
        # The order of the answers is another one on purpose.
        write_lines(
            folder / "answers.jsonl",
            [{"question_id": 1, "text": words[3]}, {"question_id": 0, "text": words[2]}],
        )
        write_lines(folder / "context.jsonl", [{"image": "001.jpg", "caption": [words[4], "b"]}])

    write("english", ("What?", "Describe.", "A hill.", "A green hill.", "A hill by the sea."))
    write("urdu", ("کیا؟", "بیان کریں۔", "ایک پہاڑی۔", "ایک سبز پہاڑی۔", "سمندر کے پاس پہاڑی۔"))
    return tmp_path
