"""Which questions the deploy step asks: held-out ones, whose images no training has seen."""

from collections import defaultdict

from palo.errors import DataError
from palo.evaluate.benches.bench import BenchItem
from palo.evaluate.benches.sources.scenes import read_questions
from palo.evaluate.caption_loss import read_photos
from palo.recipes.photo_sources import QUESTION
from palo.recipes.recipe import Recipe
from palo.reproduce.answers import AskedQuestion
from palo.reproduce.settings import DeploySettings


def questions_of(recipe: Recipe, settings: DeploySettings) -> list[AskedQuestion]:
    """Returns what is asked about a recipe's model.

    Args:
        recipe: The run.
        settings: What is asked.

    Raises:
        DataError: If the held-out data have no question in any of the languages.
        StorageError: If they can't be read.
    """
    if settings.image is not None:
        return [AskedQuestion(language="", question=settings.question, image=settings.image)]
    data = recipe.data
    if data.questions is not None and data.questions_images is not None:
        path = recipe.source(data.questions)
        items = read_questions(path, recipe.source(data.questions_images))
        chosen = _one_a_language(items, settings.languages)
        if not chosen:
            raise DataError(
                "there is no held-out question in these languages",
                seen=f"{', '.join(settings.languages)} in {path}",
                fix="Name others with --deploy.languages.",
            )
        return chosen
    assert data.photos is not None
    assert data.photos_images is not None
    photo, _ = read_photos(data.photos, data.photos_images)[0]
    return [AskedQuestion(language="en", question=QUESTION, image=photo)]


def _one_a_language(items: list[BenchItem], codes: tuple[str, ...]) -> list[AskedQuestion]:
    """Returns a question in each language, about the same image where one has them all."""
    by_image: dict[object, dict[str, BenchItem]] = defaultdict(dict)
    for item in items:
        by_image[item.image].setdefault(item.language, item)
    fullest = max(by_image.values(), key=lambda found: sum(code in found for code in codes))
    anywhere = {item.language: item for item in reversed(items)}
    chosen = [fullest.get(code, anywhere.get(code)) for code in codes]
    return [
        AskedQuestion(
            language=item.language,
            question=item.question,
            image=item.image,
            right_answer=item.references[0],
        )
        for item in chosen
        if item is not None
    ]
