"""Translates conversations into other languages, in bulk.

    python jobs/translate.py SOURCE --to ur hi bn --endpoint.url https://host/v1 \
        --endpoint.model NAME
    python jobs/translate.py SOURCE --to es fr --backend apertium
    python jobs/translate.py SOURCE --to ur --backend local --local.folder models/nllb \
        --local.adapter FOLDER
    python jobs/translate.py SOURCE --to es --backend apertium --round-trip \
        --second.backend local --second.local.folder models/nllb
    python jobs/translate.py FOLDER --bench llava-wild --to ur ...

Run the same command again to resume an interrupted job, or after a review: answers are cached, and
no request is paid for twice. --endpoint.key-env NAME names the environment variable with an
endpoint's key; without it, OPENAI_API_KEY goes to OpenAI and to the server of OPENAI_BASE_URL, and
to no other.
"""

import contextlib
import sys
from pathlib import Path

from palo import command, config
from palo.session import ray_session
from palo.terminal import one_line

_EXAMPLE = "jobs/translate.py"


def main(arguments: list[str]) -> None:
    """Translates, and prints a summary.

    Args:
        arguments: The command line.
    """
    from palo.endpoint.ending import reasons_of, require_complete
    from palo.translate.bulk.bench_questions import BenchQuestions, write_bench
    from palo.translate.bulk.job import translate_all
    from palo.translate.bulk.outputs import OutputForm
    from palo.translate.bulk.settings import TranslateJob

    job = command.override(TranslateJob(source=Path(), to=()), arguments, _EXAMPLE).used()
    config.check(job)
    work = job.work()
    with ray_session() if job.needs_ray else contextlib.nullcontext():
        form = OutputForm(images=job.images, review_share=job.review_share)
        report = translate_all(work, job.folder, form=form, on_progress=_say)
    for code, account in report.languages.items():
        print(
            f"{code}: {account.records:,} records, {account.review:,} in review, "
            f"{account.quarantine:,} in quarantine, {account.missing:,} to come"
        )
    if isinstance(work.source, BenchQuestions):
        counts = write_bench(work.source, job.folder, job.to)
        listed = ", ".join(f"{count} {code}" for code, count in counts.items())
        print(f"approved questions in {job.folder / 'bench'}: {listed}")
    if report.costs.cost or report.costs.open_cost:
        print(f"cost {report.costs.cost:,.4g}, and at most {report.costs.open_cost:,.4g} more")
    print(f"{job.folder / 'report' / 'index.html'}")
    for reason in reasons_of(report.bad_rows, report.bad_examples):
        _say(one_line(f"no conversation: {reason}"))
    left = f"{report.num_missing:,} conversations"
    require_complete(report.lost, report.lost_examples, left, job.limits())


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    command.run_job(main)
