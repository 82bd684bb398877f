"""Fits the offline judge on scored answers, and evaluates it in languages it wasn't fitted on.

    python jobs/calibrate_judge.py FOLDER [--output JSON]

The folder holds one file a language, en.jsonl and so on: lines with system, task, instance,
question, reference, response and score.
"""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from palo import command, config, storage
from palo.errors import DataError
from palo.terminal import one_line

_LEAST_LANGUAGES = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationJob:
    """Fits the offline judge on scored answers.

    Attributes:
        folder: Scored answers, one file of JSON lines for each language.
        output: File of the fitted judge; without it, only the comparison is printed.
    """

    folder: Positional[Path]
    output: Path | None = None


def main(arguments: list[str]) -> None:
    """Prints the comparison in languages that were held out, and writes the judge."""
    wanted = command.override(CalibrationJob(folder=Path()), arguments, "jobs/calibrate_judge.py")
    import numpy as np

    from palo.evaluate.judging.calibration_report import held_out, read_scored
    from palo.evaluate.judging.offline import calibrate

    answers = {path.stem: read_scored(path) for path in sorted(wanted.folder.glob("*.jsonl"))}
    if len(answers) < _LEAST_LANGUAGES:
        raise DataError(
            "the judge is fitted on some languages and tried on another, so two are needed",
            seen=f"{', '.join(answers) or 'none'} in {wanted.folder}",
            fix="Name a folder with a file of scored answers for each language, such as en.jsonl.",
        )
    for systems_too, title in ((False, "language held out"), (True, "language and system")):
        print(f"{title:22}   judge    chrF  length  judge - chrF      judge - length")
        for code, one in held_out(answers, systems_too=systems_too).items():
            values = "".join(f"{value:8.3f}" for value in (one.judge, one.chrf, one.length))
            intervals = (one.over_chrf, one.over_length)
            print(
                f"{one_line(code):22}{values}",
                *(f" [{low:+.3f}, {high:+.3f}]" for low, high in intervals),
            )
    if wanted.output is not None:
        rows = np.vstack([one.rows for one in answers.values()])
        scores = np.concatenate([one.scores for one in answers.values()])
        codes = [code for code, one in answers.items() for _ in one.scores]
        storage.write_json(wanted.output, config.to_dict(calibrate(rows, scores, codes)))
        print(f"judge: {wanted.output}")


if __name__ == "__main__":
    command.run_job(main)
