"""Faults in the words: another language, another script, what is left untranslated."""

from random import Random

from palo import languages
from palo.translate.perturbations.sample import PerturbationSample

_FEWEST_WORDS = 9
_LAST_LATIN = "\u02ff"


def other_language(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Answers a turn in another language."""
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, sample.others[draw.choice(sorted(sample.others))][number])


def source_language(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves a turn as it was."""
    number = draw.randrange(len(sample.texts))
    return sample.replaced(number, sample.unit.source.turns[number].text)


def other_script(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Puts some letters of another script into a turn."""
    own = languages.get(sample.unit.language).script
    codes = [
        code
        for code in sorted(sample.others)
        if languages.get(code).script not in (own, "Latn") and not _share(own, code)
    ]
    number = draw.randrange(len(sample.texts))
    foreign = [
        one
        for one in sample.others[draw.choice(codes)][number]
        if one.isalpha() and one > _LAST_LATIN
    ]
    text = sample.texts[number]
    place = draw.randrange(len(text))
    return sample.replaced(number, f"{text[:place]} {''.join(foreign[:4])} {text[place:]}")


def remainder(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Leaves the end of a turn in the source's language."""
    number = draw.randrange(len(sample.texts))
    source = sample.unit.source.turns[number].text.split()
    if len(source) < _FEWEST_WORDS:
        return None
    text = sample.texts[number]
    return sample.replaced(
        number, f"{text[: len(text) * 2 // 3]} {' '.join(source[len(source) * 2 // 3 :])}"
    )


def name_in_two_scripts(sample: PerturbationSample, draw: Random) -> tuple[str, ...] | None:
    """Writes a name in Latin letters in one turn that the other has in the language's own."""
    if languages.get(sample.unit.language).script == "Latn":
        return None
    words = [
        {word for word in turn.text.split()[1:] if word.istitle() and word.isalpha()}
        for turn in sample.unit.source.turns
    ]
    names = sorted(
        name
        for name in words[0] & words[-1]
        if len(name) > 2 and not any(name in text for text in sample.texts)
    )
    if not names:
        return None
    text = sample.texts[0]
    return sample.replaced(0, f"{text[:-1]} {draw.choice(names)}{text[-1:]}")


def _share(script: str, code: str) -> bool:
    """Tells whether two languages have characters in common."""
    han = ("Hans", "Hant", "Jpan")
    other = languages.get(code).script
    return script == other or (script in han and other in han)
