"""Writes texts in Latin letters: JSON from the standard input to the standard output."""

import json
import sys

import pykakasi
import pypinyin
from uroman import Uroman


def main() -> None:
    """Romanises each language's texts."""
    given = json.load(sys.stdin)
    uroman, kakasi = Uroman(), pykakasi.kakasi()
    made = {
        code: [uroman.romanize_string(text, lcode=iso) for text in given["texts"][code]]
        for code, iso in given["iso"].items()
    }
    made["zh"] = [" ".join(pypinyin.lazy_pinyin(text)) for text in given["texts"]["zh"]]
    made["ja"] = [
        " ".join(word["hepburn"] for word in kakasi.convert(text)) for text in given["texts"]["ja"]
    ]
    json.dump(made, sys.stdout)


if __name__ == "__main__":
    main()
