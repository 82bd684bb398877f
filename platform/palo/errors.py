"""The errors that people see: each has a fact, the value seen, and what to change.

Every class keeps its arguments in attributes of the same names, and no others, so that it survives
pickling between actors. Wrong arguments to the library raise ValueError or TypeError instead.
"""

from functools import partial

from palo.terminal import visible


class PaloError(Exception):
    """An error with a remedy; at the command line it is one line and exit code 2.

    Its text is safe to print: control characters of what was seen, which may come from a stranger's
    server or file, are escapes. The attributes keep it as it was.

    Args:
        fact: What is wrong, as a clause without a full stop.
        seen: The value that was met; empty when the fact already holds it.
        fix: What the user can change, as a sentence.
    """

    def __init__(self, fact: str, *, seen: object = "", fix: str = "") -> None:
        super().__init__(fact, str(seen), fix)
        self.fact = fact
        self.seen = str(seen)
        self.fix = fix

    def __reduce__(self) -> tuple[object, ...]:
        # Notes that were added to it aren't arguments.
        settings = {name: value for name, value in vars(self).items() if name[0] != "_"}
        return partial(type(self), settings.pop("fact"), **settings), ()

    def __str__(self) -> str:
        fact = f"{self.fact}: {self.seen}" if self.seen else self.fact
        fact = fact.removesuffix(".")  # what was seen may be a sentence
        return visible(f"{fact}. {self.fix}" if self.fix else f"{fact}.")


class ConfigError(PaloError):
    """A recipe, an override or a setting is wrong."""


class DataError(PaloError):
    """The input data are missing, unreadable, or bad beyond the configured share."""


class ImageError(DataError):
    """One image can't be used."""


class StorageError(PaloError):
    """A file or folder can't be read or written."""


class ResourceError(PaloError):
    """The machine or the cluster lacks what the job asks for."""


class MismatchError(PaloError):
    """Two things that must have been made for each other were not."""


class TrainingError(PaloError):
    """Training can't continue, for example after a loss that is not finite."""


class IncompleteError(PaloError):
    """A job has ended in order, and the same command goes on with what is left; exit code 3."""


class ThresholdError(PaloError):
    """What was measured misses what was required: a model's scores, or what a bench may find."""
