"""Measures the quality checks and normalizers of translation: `make bench NAME=gates`.

1. Injected errors of every kind in correct translations (the parallel sentences of the optional
   data folder): how many are caught; and how many unchanged sentences are refused. Sentences that
   are known to be wrongly translated, `gates_parts/faulty_references.toml`, don't count.
2. The same of Apertium's real output, for the pairs that are installed.
3. The sentences that the normalizers of their language change.
4. On the half that nobody tunes to: which changes are wrong, by language and by rule; which slips
   against a language's conventions are mended; what the checks catch and refuse there.

Prints tables; the refused, missed and changed sentences are listed in files of --lists.
"""

import asyncio
import json
import os
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from palo import config, languages, storage
from palo.benchmark import Better, Conditions, Figure, publish
from palo.command import override, run_job
from palo.errors import ConfigError, DataError
from palo.machine import hardware

if TYPE_CHECKING:
    from palo.translate.perturbations.measure import CheckRates, RateWithInterval

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "py3langid", "sacrebleu")
_PAIRS = (("en", "es"), ("en", "fr"), ("es", "fr"), ("fr", "es"), ("hi", "ur"), ("ur", "hi"))


@dataclass(frozen=True, kw_only=True, slots=True)
class GatesBench:
    """Settings of the bench.

    Attributes:
        cases: Most injected errors of each kind in each language.
        sentences: How many of the sentences to use.
        apertium: Also measure Apertium's output, where it is installed.
        seed: Seed of every draw.
        lists: Folder of the lists.
        output: Folder of the result file; the repository's own by default, for whole runs only.
    """

    cases: int = 12
    sentences: int = 1000
    apertium: bool = True
    seed: int = 0
    lists: Path = Path(".cache/bench-gates")
    output: Path | None = None

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.cases < 1:
            yield f"cases is {self.cases} but must be at least 1"
        if self.sentences < 6:
            yield f"sentences is {self.sentences} but must be at least 6"
        if self.output is None and (self.cases < 12 or self.sentences < 1000):
            yield "a trial makes no result to keep: name another output folder"


def main(arguments: list[str]) -> None:
    """Runs the bench."""
    from gates_parts.held_out import FIRST_ROW, check_figures, rule_figures

    from palo.translate.perturbations.measure import KINDS, table

    settings = override(GatesBench(), arguments, "jobs/bench/gates.py")
    config.check(settings)
    machine = hardware()
    rows = _read_rows()[: settings.sentences]
    codes = [code for code in languages.codes() if code in rows[0] and code != "en"]
    settings.lists.mkdir(parents=True, exist_ok=True)
    references = {code: _measured(rows, code, "en", settings, code) for code in codes}
    _say(f"injected errors that are caught, unchanged references that are refused\n\n"
         f"{table(references)}\n")  # fmt: skip
    figures = [*_figures("", references), *_kinds(references), *_normalized(rows, codes, settings)]
    if len(rows) > FIRST_ROW:
        _say("measuring the held-out half")
        write = partial(_list, settings)
        figures += rule_figures(rows, codes, write, seed=settings.seed)
        figures += check_figures(rows, codes, _faulty(), cases=settings.cases, seed=settings.seed)
    if settings.apertium and (made := _apertium(rows, settings)):
        _say(f"the same with Apertium's output\n\n{table(made)}\n")
        figures += _figures("apertium_", made)
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration={"cases": settings.cases, "sentences": settings.sentences},
        seeds=[settings.seed],
        counts={
            "sentences": len(rows),
            "languages": len(codes),
            "kinds": len(KINDS),
            "faulty_references": sum(map(len, _faulty().values())),
        },
    )
    publish("gates", figures, conditions, root=_ROOT, folder=settings.output)


def _read_rows() -> list[dict[str, str]]:
    folder = Path(os.environ.get("PALO_DATA") or _ROOT.parent / "shared" / "data")
    path = folder / "parallel" / "ntrex1000" / "sentences.jsonl"
    if not path.is_file():
        raise DataError("no parallel sentences", seen=path, fix="Set PALO_DATA to their folder.")
    rows = [json.loads(line) for line in storage.read_text(path).splitlines()]
    return [{code: row[code] for code in languages.codes() if code in row} for row in rows]


def _measured(
    rows: Sequence[Mapping[str, str]], code: str, source: str, settings: GatesBench, name: str
) -> "CheckRates":
    from palo.translate.perturbations.measure import measure

    _say(f"measuring {name}")
    faulty = frozenset(n for n in _faulty().get(name, ()) if n < len(rows))
    found = measure(
        rows, code, cases=settings.cases, source=source, seed=settings.seed, faulty=faulty
    )
    _list(settings, f"refused_{name}", [config.to_dict(one) for one in found.examples])
    _list(settings, f"missed_{name}", [{k: list(v)} for k, v in found.missed.items() if v])
    return found


@cache
def _faulty() -> dict[str, list[int]]:
    """Returns the rows whose own translation is faulty, by language."""
    path = Path(__file__).parent / "gates_parts" / "faulty_references.toml"
    return tomllib.loads(storage.read_text(path))


def _apertium(rows: Sequence[Mapping[str, str]], settings: GatesBench) -> "dict[str, CheckRates]":
    """Measures Apertium's output, by the pair of languages."""
    found: dict[str, CheckRates] = {}
    if shutil.which("apertium") is None:
        _say("apertium isn't installed: its output isn't measured\n")
        return found
    for source, code in _PAIRS:
        try:
            texts = _translated([row[source] for row in rows], source, code)
        except ConfigError as error:
            _say(f"{source} to {code} isn't measured: {error}")
            continue
        made = [{**row, code: text} for row, text in zip(rows, texts, strict=True)]
        name = f"{source}_{code}"
        found[name] = _measured(made, code, source, settings, f"apertium_{name}")
    return found


def _translated(texts: Sequence[str], source: str, code: str) -> list[str]:
    from palo.data.records import Record
    from palo.endpoint.caller import run_concurrently
    from palo.text.messages import Turn
    from palo.translate.backends.apertium import ApertiumTranslation, ApertiumTranslator
    from palo.translate.backends.backend import Draft, FreeOfCharge
    from palo.translate.protected_spans.protect import protect_record, restore_text
    from palo.translate.request import TranslationRequest

    requests = [
        protect_record(
            Record(
                record_id=str(number),
                language=source,
                source="parallel",
                licence="",
                image=None,
                turns=(Turn("user", text),),
            ),
            code,
        )
        for number, text in enumerate(texts)
    ]
    made: dict[str, str] = {}

    async def translate_all() -> None:
        apertium = ApertiumTranslator(ApertiumTranslation())
        async with apertium.open() as translate:

            async def one(request: TranslationRequest) -> None:
                draft = await translate(request, FreeOfCharge())
                if isinstance(draft, Draft):
                    made[request.key] = restore_text(draft.texts[0], request.turns[0].spans)

            await run_concurrently(requests, one, in_flight=apertium.concurrency)

    asyncio.run(translate_all())
    return [made[request.key] for request in requests]


def _figures(prefix: str, measured: "Mapping[str, CheckRates]") -> list[Figure]:
    """Returns the rates by language and in all; only those of references have targets."""
    from palo.translate.perturbations.measure import total

    has_target = not prefix
    figures = []
    for name, one in measured.items():
        caught = total(one.caught.values())
        figures.append(_figure(f"{prefix}caught_{name}", caught, 0.97 if has_target else None))
        target = 0.015 if has_target else None
        figures.append(_figure(f"{prefix}refused_{name}", one.refused, target, lower=True))
    if has_target:
        caught = total(share for one in measured.values() for share in one.caught.values())
        figures.append(_figure("caught", caught, 0.97))
        refused = total(one.refused for one in measured.values())
        figures.append(_figure("refused", refused, 0.015, lower=True))
        refused = total(one.figures_refused for one in measured.values())
        figures.append(_figure("refused_with_figures", refused, 0.015, lower=True))
    return figures


def _kinds(measured: "Mapping[str, CheckRates]") -> list[Figure]:
    from palo.translate.perturbations.measure import KINDS, total

    return [
        _figure(f"caught_{kind}", total(one.caught[kind] for one in measured.values()), 0.97)
        for kind in KINDS
    ]


def _normalized(
    rows: Sequence[Mapping[str, str]], codes: Sequence[str], settings: GatesBench
) -> list[Figure]:
    """Lists the sentences that the normalizers change, and returns their shares."""
    from palo.translate.perturbations.measure import RateWithInterval, changed_by_normalizers

    figures = []
    for code in codes:
        changed = list(changed_by_normalizers([row[code] for row in rows], code))
        path = _list(settings, f"changed_{code}", [config.to_dict(one) for one in changed])
        count = f"{len(changed)} of {len(rows)} sentences"
        _say(f"{code}: the normalizers change {count}, listed in {path}")
        figures.append(
            _figure(f"changed_{code}", RateWithInterval(count=len(changed), total=len(rows)), None)
        )
    return figures


def _figure(
    name: str, share: "RateWithInterval", target: float | None, *, lower: bool = False
) -> Figure:
    low, high = share.interval
    better: Better | None = None if target is None else ("lower" if lower else "higher")
    return Figure(
        name=name, value=share.value, unit="1", low=low, high=high, target=target, better=better
    )


def _list(settings: GatesBench, name: str, values: Sequence[object]) -> Path:
    path = settings.lists / f"{name}.jsonl"
    lines = (json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    storage.write_text(path, "".join(lines))
    return path


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run_job(main)
