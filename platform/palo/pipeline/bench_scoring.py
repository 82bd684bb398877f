"""Scores models on a bench: answers, measures, judgments, a report, thresholds."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from palo import storage
from palo.checkpoint.finished import describe_stage, stage_folder
from palo.checkpoint.importing import looks_foreign, open_shared_model
from palo.endpoint.ending import limits_of, reasons_of, require_complete
from palo.errors import ConfigError
from palo.evaluate.answers.answer_cache import AnswerSet, ModelAnswer
from palo.evaluate.answers.from_files import answers_from_files
from palo.evaluate.answers.over_http import HttpAnswers, answer_over_http
from palo.evaluate.benches.bench import Bench, bench_source, read_bench
from palo.evaluate.judging.judge import JudgeRun, judge
from palo.evaluate.judging.requests import JudgeSettings, scheme_hash
from palo.evaluate.leaderboard import (
    JudgeIdentity,
    Leaderboard,
    ModelResult,
    model_result,
    require_same_bench,
)
from palo.evaluate.reports.run_report import accuracy_table
from palo.evaluate.reports.tables import as_markdown, paper_table
from palo.evaluate.reports.write import VALUES, write_report
from palo.evaluate.statistics.paired import Difference, differences_by_model
from palo.evaluate.statistics.relative import ScoredItem
from palo.evaluate.thresholds import require_thresholds
from palo.pipeline.bench_config import BenchRun, NamedModel
from palo.store import RUNS, lasting_path
from palo.terminal import one_line


def score_on_bench(
    run: BenchRun, session: Callable[[], AbstractContextManager[object]] = nullcontext
) -> None:
    """Scores the models, writes the report, and applies the thresholds.

    Args:
        run: The checked settings.
        session: Starts Ray for checkpoints that answer, once the bench and they are found; by
            default it must be running already.

    Raises:
        ConfigError: If the bench is unknown.
        DataError: If its files, or files of answers, are wrong.
        ThresholdError: If a requirement isn't met; the report is written nevertheless.
        IncompleteError: If servers left questions or judgments without an answer; likewise.
        MismatchError: If the output folder holds results of another bench, version or judge.
        PaloError: Errors of answering and judging.
    """
    source = bench_source(run.bench)
    if run.judge is not None and source.task != "judged":
        raise ConfigError(
            f"{source.title} is not for a judge",
            seen=f"its answers are a {source.task}",
            fix="Leave the judge out: exact and relaxed match and chrF score it.",
        )
    bench = read_bench(source, run.folder, run.languages)
    checkpoints = [model for model in run.named_models() if model.kind == "checkpoint"]
    for model in checkpoints:
        if not looks_foreign(path := storage.path_of(model.source)):
            describe_stage(stage_folder(path))  # says what is missing where it is no model
    named = run.output or lasting_path(RUNS / "scores" / bench.source.name)
    with session() if checkpoints else nullcontext(), storage.working_copy(named) as output:
        _score(run, bench, output, named)


def _score(run: BenchRun, bench: Bench, output: Path, named: Path) -> None:
    """Scores in a folder on a disk, which people know by another name if that is on S3."""
    # Before any request that costs money.
    identity = None if run.judge is None else _identity(run.judge)
    require_same_bench(output / VALUES, bench, identity)
    print(f"{bench.source.title}: {len(bench.items)} questions, version {bench.hash}", flush=True)
    asked = [_result(bench, run, model, output) for model in run.named_models()]
    models = tuple(one.result for one in asked)
    board = Leaderboard(
        bench=bench, models=models, judge=identity, differences=_differences(models, run.seed)
    )
    page = write_report(output, board)
    _show(board)
    print(f"\nReport: {named / page.relative_to(output)}", flush=True)
    _require_complete(run, asked)
    require_thresholds(board, run.requirements())


def _identity(settings: JudgeSettings) -> JudgeIdentity:
    return JudgeIdentity(
        model=settings.endpoint.model,
        scheme=scheme_hash(settings.form),
        both_orders=settings.both_orders,
        repeats=settings.repeats,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """The result of one model, and what servers didn't answer.

    Attributes:
        result: The result.
        lost: Questions without an answer, by the kind of their failure.
        lost_judgments: Judgments without one, likewise.
        examples: What was seen of the first failure of each kind.
    """

    result: ModelResult
    lost: Mapping[str, int]
    lost_judgments: Mapping[str, int]
    examples: Mapping[str, str]


def _result(bench: Bench, run: BenchRun, model: NamedModel, output: Path) -> _Asked:
    answers = _answers(bench, run, model, output / "answers")
    judging = None
    if run.judge is not None:
        judgments = output / "judgments.jsonl"
        judging = _judged(bench, run.judge, model.name, answers.answers, judgments)
    is_served = model.kind == "server"
    return _Asked(
        result=model_result(
            bench, answers, None if judging is None else judging.judged, seed=run.seed
        ),
        lost=Counter(answers.unanswered.values()) if is_served else {},
        lost_judgments=judging.lost if judging else {},
        examples={**answers.examples, **(judging.examples if judging else {})},
    )


def _require_complete(run: BenchRun, asked: Sequence[_Asked]) -> None:
    """Raises ConfigError if a limit ended the run, and IncompleteError if anything is left."""
    examples = {kind: seen for one in asked for kind, seen in one.examples.items()}
    questions = sum((Counter(one.lost) for one in asked), Counter[str]())
    judgments = sum((Counter(one.lost_judgments) for one in asked), Counter[str]())
    limits = list(limits_of(run.judge.endpoint, "--judge.endpoint")) if run.judge else []
    require_complete(questions, examples, f"{questions.total():,} questions", limits)
    require_complete(judgments, examples, f"{judgments.total():,} judgments", limits)


def _answers(bench: Bench, run: BenchRun, model: NamedModel, folder: Path) -> AnswerSet:
    if model.kind == "file":
        return answers_from_files(bench, model.name, model.source)
    if model.kind == "server":
        settings = HttpAnswers(
            endpoint=run.server(model),
            max_tokens=run.max_tokens,
            temperature=run.temperature,
            name_language=run.name_language,
        )
        path = folder / f"{model.name}.jsonl"
        with tqdm(total=len(bench.items), desc=f"answers of {model.name}") as bar:
            found = answer_over_http(bench, model.name, settings, path, on_answer=bar.update)
        _tell_missing(model.name, found)
        return found
    from palo.evaluate.answers.from_checkpoint import CheckpointAnswers, answer_from_checkpoint
    from palo.evaluate.generation import AnswerSettings

    checkpoint = CheckpointAnswers(
        stage=open_shared_model(storage.path_of(model.source)),
        variants={model.name: AnswerSettings(max_new_tokens=run.max_tokens)},
        num_workers=run.num_workers,
    )
    return answer_from_checkpoint(bench, checkpoint, folder)[model.name]


def _judged(
    bench: Bench,
    settings: JudgeSettings,
    name: str,
    answers: Mapping[str, ModelAnswer],
    judgments: Path,
) -> JudgeRun:
    with tqdm(desc=f"judgments of {name}", unit=" judgments") as bar:
        found = judge(bench.items, answers, settings, judgments, on_judgment=bar.update)
    print(
        f"{name}: {found.num_cached:,} judgments were cached, {found.num_asked:,} asked for with "
        f"{found.num_calls:,} requests; {len(found.judged.unscored):,} questions have no score",
        flush=True,
    )
    for reason in reasons_of(found.failures, found.examples):
        print(one_line(f"{name}: no verdict: {reason}"), flush=True)
    return found


def _tell_missing(name: str, found: AnswerSet) -> None:
    """Prints why questions have no answer, and how many answers say nothing."""
    counts = Counter(found.unanswered.values())
    for reason in reasons_of(counts, found.examples):
        print(one_line(f"{name}: no answer: {reason}"), flush=True)
    empty = [one for one in found.answers.values() if not one.text.strip()]
    if empty:
        cut = sum(one.finish_reason == "length" for one in empty)
        print(
            f"{name}: {len(empty):,} answers are empty, {cut:,} of them since reasoning used all "
            "tokens (--max-tokens)",
            flush=True,
        )


def _differences(models: tuple[ModelResult, ...], seed: int) -> dict[str, dict[str, Difference]]:
    scored: dict[str, tuple[ScoredItem, ...]] = {
        model.name: model.judged.scored for model in models if model.scores and model.judged
    }
    if models[0].name not in scored:
        return {}
    return differences_by_model(scored, models[0].name, seed)


def _show(board: Leaderboard) -> None:
    scores = {model.name: model.scores for model in board.models if model.scores is not None}
    if scores:
        print("\n" + as_markdown(paper_table("Relative score (%)", scores, ())))
    for name, groups in board.differences.items():
        print(f"{name} against {board.models[0].name}: {groups['all'].note()}")
    for model in board.models:
        if model.accuracy is not None:
            print(f"\n{model.name}\n{accuracy_table(model.accuracy)}")
    for model in board.models:
        for code, one in model.summaries.items():
            fidelity = "?" if one.fidelity is None else f"{one.fidelity:.1%}"
            print(
                f"{model.name:20} {code}  exact {one.exact:6.1%}  relaxed {one.relaxed:6.1%}  "
                f"chrF {one.chrf:5.1f}  in its language {fidelity}"
            )
