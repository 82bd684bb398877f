"""Scores models on a bench: answers, measures, judgments, a report, a gate."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from tqdm import tqdm

from palo import languages, storage
from palo.checkpoint.finished import is_finished, read_stage
from palo.errors import ConfigError
from palo.evaluate.answers.answer import ModelAnswer
from palo.evaluate.answers.answered import Answered
from palo.evaluate.answers.from_file import read_answer_file
from palo.evaluate.answers.over_http import HttpAnswers, answer_over_http
from palo.evaluate.benches.bench import Bench, read_bench
from palo.evaluate.benches.registry import bench_source
from palo.evaluate.judging.judge import JudgeRun, judge
from palo.evaluate.judging.scheme import scheme_hash
from palo.evaluate.measures import by_language, measure
from palo.evaluate.reports.leaderboard import JudgeFacts, Leaderboard, ModelResult
from palo.evaluate.reports.tables import as_markdown, paper_table
from palo.evaluate.reports.values import require_same_bench
from palo.evaluate.reports.write import VALUES, write_report
from palo.evaluate.statistics.paired import Difference, differences_by_model
from palo.evaluate.statistics.relative import ScoredItem, relative_scores
from palo.evaluate.thresholds import require_thresholds
from palo.pipeline.bench_config import BenchRun, NamedModel

_FINETUNED = "finetune"


def score_on_bench(run: BenchRun) -> None:
    """Scores the models, writes the report, and applies the requirements.

    Args:
        run: The checked settings. Ray must be running if a checkpoint answers.

    Raises:
        ConfigError: If the bench is unknown.
        DataError: If its files, or files of answers, are wrong.
        GateError: If a requirement isn't met; the report is written nevertheless.
        MismatchError: If the output folder holds results of another bench, version or judge.
        PaloError: What else answering and judging raise.
    """
    source = bench_source(run.bench)
    if run.judge_url and source.task != "judged":
        raise ConfigError(
            f"{source.title} is not for a judge",
            seen=f"its answers are a {source.task}",
            fix="Leave judge_url out: exact and relaxed match and chrF score it.",
        )
    bench = read_bench(source, run.folder, run.languages)
    output = run.output or Path("runs") / "scores" / bench.source.name
    # Before anybody is asked anything that costs money.
    require_same_bench(output / VALUES, bench, _facts(run))
    print(f"{source.title}: {len(bench.items)} questions, version {bench.hash}", flush=True)
    models = tuple(_result(bench, run, model, output) for model in run.named_models())
    board = Leaderboard(
        bench=bench, models=models, judge=_facts(run), differences=_differences(models, run.seed)
    )
    page = write_report(output, board)
    _show(board)
    print(f"\nReport: {page}", flush=True)
    require_thresholds(board, run.requirements())


def _result(bench: Bench, run: BenchRun, model: NamedModel, output: Path) -> ModelResult:
    answered = _answers(bench, run, model, output / "answers" / f"{model.name}.jsonl")
    items = [item for item in bench.items if item.key in answered.answers]
    given = [answered.answers[item.key] for item in items]
    measured = measure(items, given, offline=bench.source.task == "judged")
    judged = _judged(bench, run, model.name, answered.answers, output)
    return ModelResult(
        name=model.name,
        answers=answered.answers,
        measures={one.item.key: one for one in measured},
        summaries=by_language(measured),
        defects=Counter(answered.unanswered.values()),
        judged=None if judged is None else judged.judged,
        scores=(
            relative_scores(judged.judged.scored, run.seed)
            if judged and judged.judged.scored
            else None
        ),
    )


def _answers(bench: Bench, run: BenchRun, model: NamedModel, kept: Path) -> Answered:
    if model.kind == "file":
        return answers_from_files(bench, model)
    if model.kind == "server":
        settings = HttpAnswers(
            endpoint=run.server(model),
            max_tokens=run.max_tokens,
            name_language=run.name_language,
        )
        with tqdm(total=len(bench.items), desc=f"answers of {model.name}") as bar:
            return answer_over_http(
                bench, model.name, settings, kept, on_answer=lambda: _count(bar)
            )
    from palo.evaluate.answering import AnswerSettings
    from palo.evaluate.answers.from_checkpoint import CheckpointAnswers, answer_from_checkpoint

    checkpoint = CheckpointAnswers(
        stage=stage_folder(storage.path_of(model.source)),
        decoding=AnswerSettings(max_new_tokens=run.max_tokens),
        num_workers=run.num_workers,
    )
    return answer_from_checkpoint(bench, model.name, checkpoint, kept)


def stage_folder(folder: Path) -> Path:
    """Returns the finished stage that a folder is or, as the folder of a run, holds.

    Raises:
        DataError: If it is and holds none.
    """
    inner = folder / _FINETUNED
    place = inner if is_finished(inner) else folder
    read_stage(place)
    return place


def answers_from_files(bench: Bench, model: NamedModel) -> Answered:
    """Reads a model's answers from its files, one for each language.

    Raises:
        DataError: If a file is no file of answers to this bench.
    """
    answers: dict[str, ModelAnswer] = {}
    unanswered: dict[str, str] = {}
    for code in bench.codes:
        path = Path(
            model.source.replace("{code}", code).replace(
                "{language}", languages.get(code).name.lower()
            )
        )
        items = [item for item in bench.items if item.language == code]
        if not path.is_file():
            unanswered |= {item.key: f"no file {path}" for item in items}
            continue
        found = read_answer_file(path, items)
        answers |= found.answers
        for what, count in found.defects.items():
            unanswered |= {f"{code} {what} {number}": f"{code}: {what}" for number in range(count)}
    return Answered(
        name=model.name,
        answers=answers,
        unanswered=unanswered,
        num_known=len(answers),
        num_asked=0,
    )


def _judged(
    bench: Bench, run: BenchRun, name: str, answers: Mapping[str, ModelAnswer], output: Path
) -> JudgeRun | None:
    settings = run.judge()
    if settings is None:
        return None
    with tqdm(desc=f"judgments of {name}", unit=" judgments") as bar:
        found = judge(
            bench.items,
            answers,
            settings,
            output / "judgments.jsonl",
            on_judgment=lambda: _count(bar),
        )
    print(
        f"{name}: {found.num_known:,} judgments were known, {found.num_asked:,} asked for with "
        f"{found.num_calls:,} requests; {len(found.judged.unscored):,} questions have no score",
        flush=True,
    )
    return found


def _count(bar: "tqdm[NoReturn]") -> None:
    bar.update()


def _facts(run: BenchRun) -> JudgeFacts | None:
    settings = run.judge()
    if settings is None:
        return None
    return JudgeFacts(
        model=settings.endpoint.model,
        scheme=scheme_hash(settings.form),
        both_orders=settings.both_orders,
        repeats=settings.repeats,
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
        for code, one in model.summaries.items():
            fidelity = "?" if one.fidelity is None else f"{one.fidelity:.1%}"
            print(
                f"{model.name:20} {code}  exact {one.exact:6.1%}  relaxed {one.relaxed:6.1%}  "
                f"chrF {one.chrf:5.1f}  in its language {fidelity}"
            )
