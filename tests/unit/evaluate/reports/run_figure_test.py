from pathlib import Path

import pytest
from PIL import Image

from palo import languages
from palo.errors import PaloError
from palo.evaluate.accuracy import accuracy
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.reports.run_figure import draw_accuracy, plot_report


@pytest.fixture
def scored():
    questions = [
        BenchItem(
            question_id=f"{n}{code}",
            image=Path(f"{n}"),
            language=code,
            category="x",
            question="",
            references=("y",),
        )
        for code in languages.codes()
        for n in range(4)
    ]
    return (
        accuracy(questions, [True, True, True, False] * len(languages.codes())),
        accuracy(questions, [False, False, False, True] * len(languages.codes())),
    )


@pytest.fixture
def axes():
    from matplotlib.figure import Figure

    return Figure().subplots()


def bars_of(axes):
    return [bar for group in axes.containers for bar in getattr(group, "patches", [])]


def test_each_language_has_a_bar_with_and_without_the_image(axes, scored):
    draw_accuracy(axes, *scored)
    num_languages = len(languages.codes())
    heights = [bar.get_height() for bar in bars_of(axes)]
    assert heights == [0.75] * num_languages + [0.25] * num_languages
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == [f"{language.name}\n{language.code}" for language in languages.every()]


def test_low_resource_languages_have_a_colour_of_their_own(axes, scored):
    draw_accuracy(axes, scored[0])
    colours = {}
    for bar, language in zip(bars_of(axes), languages.every(), strict=True):
        colours.setdefault(language.resource, set()).add(bar.get_facecolor())
    assert len(colours["high"]) == len(colours["low"]) == 1
    assert colours["high"] != colours["low"]


@pytest.mark.filterwarnings("error")
def test_the_image_is_written_and_no_font_is_missing(scored, tmp_path, metrics_file):
    path = tmp_path / "run" / "report.png"
    plot_report(path, *scored, {"pretrain": metrics_file, "finetune": metrics_file})
    with Image.open(path) as image:
        assert (image.format, image.size) == ("PNG", (1440, 960))


def test_a_folder_that_is_a_file_is_one_clear_line(scored, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(PaloError, match="can't write"):
        plot_report(tmp_path / "run" / "report.png", scored[0])
