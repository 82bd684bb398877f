"""A whole job: from its settings to records, review, account and report."""

from collections.abc import Callable
from pathlib import Path

from palo import storage
from palo.translate.bulk.ledger import Ledger
from palo.translate.bulk.outputs import OutputForm, write_outputs
from palo.translate.bulk.progress import TranslationProgress
from palo.translate.bulk.report import Costs, TranslationReport, write_report
from palo.translate.bulk.results import Results
from palo.translate.bulk.run import BulkRun, JobLog, TranslationWork
from palo.translate.bulk.source import count


def translate_all(
    work: TranslationWork,
    folder: Path,
    *,
    form: OutputForm | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> TranslationReport:
    """Translates a source, or what is left of it, and writes what there is then.

    Args:
        work: What to do.
        folder: The job's folder, on a local disk; what it holds is used.
        form: How the outputs are made.
        say: Takes lines of progress.

    Raises:
        ConfigError: If no conversation can be translated.
        DataError: If the source can't be used, or the job's files were changed by hand.
        ResourceError: If another job is at work there, the server can't be reached, or workers
            were lost.
        StorageError: If something can't be read or written.
    """
    with storage.alone_in(folder):
        counted = count(work.source)
        pairs = counted.pairs(work.languages)
        with (
            Ledger(folder / "ledger.jsonl") as ledger,
            Results(folder / "results.jsonl") as results,
        ):
            progress = TranslationProgress(say, pairs, min(pairs, len(results)), ledger)
            run = BulkRun(work, JobLog(ledger=ledger, results=results, progress=progress))
            try:
                run.run()
            finally:
                ledger.give_up()
                accounts = write_outputs(
                    folder, work.source, work.languages, results, form or OutputForm()
                )
                report = TranslationReport(
                    languages=accounts,
                    costs=_costs(ledger),
                    bad_rows=counted.bad,
                    lost=run.lost,
                )
                write_report(folder, report)
    return report


def _costs(ledger: Ledger) -> Costs:
    return Costs(
        cost=ledger.cost,
        tokens_in=ledger.tokens_in,
        tokens_out=ledger.tokens_out,
        answers=ledger.num_answers,
        requests=ledger.num_sent,
        requests_without_answer=ledger.num_open,
        open_cost=ledger.open_cost,
    )
