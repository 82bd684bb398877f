"""What is set beside a recipe: the translation, the export, and what the endpoint is asked."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal, get_args

from tyro.conf import arg

from palo import languages
from palo.checkpoint.exporting.export_settings import DtypeName, FormatName
from palo.endpoint.credentials import address_faults
from palo.errors import ConfigError
from palo.translate.bulk.settings import TranslatorSettings

StepName = Literal[
    "translate", "corpus", "align", "pretrain", "finetune", "evaluate", "export", "deploy"
]
"""The steps, in their order."""
STEPS: tuple[StepName, ...] = get_args(StepName)


def low_resource() -> list[str]:
    """Returns the ISO 639-1 codes of the languages that have few resources, which come first."""
    return [code for code in languages.codes() if languages.get(code).resource == "low"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslateSettings:
    """What is translated for the finetune stage, and by what.

    Attributes:
        source: Conversations in LLaVA's format, whose images lie in the folder of the recipe's
            instructions; None for the English ones of the recipe's drawn scenes.
        most: How many conversations of the drawn scenes are translated.
        to: ISO 639-1 codes of the target languages.
        translator: The translator, as for jobs/translate.py.
    """

    source: Path | None = None
    most: int = 200
    to: tuple[str, ...] = ("es", "fr")
    translator: Annotated[TranslatorSettings, arg(name="")] = field(
        default_factory=lambda: TranslatorSettings(backend="apertium")
    )

    def faults(self) -> Iterator[str]:
        """Yields what is out of range."""
        if self.most < 1:
            yield f"most is {self.most} but must be at least 1"
        if not self.to:
            yield "to must name at least one language"
        yield from (
            f"to: {code!r} is no known language" for code in self.to if not languages.known(code)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelExport:
    """In which form the model is exported.

    Attributes:
        to: Format, as for jobs/export.py; the endpoint of the last step serves palo and llava.
        dtype: Type of the weights; None for the one that the finetune stage computes in.
    """

    to: FormatName = "palo"
    dtype: DtypeName | None = None

    def faults(self) -> Iterator[str]:
        """Yields what can't be served."""
        if self.to not in ("palo", "llava"):
            yield f"to is {self.to}, which the endpoint can't serve: choose palo or llava"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploySettings:
    """Which endpoint serves the model, and what it is asked.

    Attributes:
        endpoint: Address of an endpoint that serves a store's models by itself, on a cluster: it is
            waited for until it serves the run's model. None starts one of its own on loopback.
        key_env: Environment variable with that endpoint's API key.
        port: Port of an endpoint of its own; 0 for any that is free.
        wait_s: How long the endpoint may take to serve the model, in seconds.
        languages: ISO 639-1 codes in which a held-out question is asked, where the recipe has any.
        image: Image to ask about instead.
        question: What to ask about it.
    """

    endpoint: str | None = None
    key_env: str = "PALO_API_KEY"
    port: int = 0
    wait_s: float = 900.0
    languages: tuple[str, ...] = field(default_factory=lambda: ("en", *low_resource()))
    image: Path | None = None
    question: str = ""

    def faults(self) -> Iterator[str]:
        """Yields what is out of range or contradicts itself."""
        if self.endpoint is not None:
            yield from address_faults(self.endpoint)
        if not 0 <= self.port <= 65535:
            yield f"port is {self.port}, it must be from 0 to 65535"
        if self.wait_s <= 0:
            yield f"wait_s is {self.wait_s} but must be positive"
        if (self.image is None) != (not self.question):
            yield "image and question go together"
        codes = (code for code in self.languages if not languages.known(code))
        yield from (f"languages: {code!r} is no known language" for code in codes)

    def key(self) -> str:
        """Returns the API key of an endpoint that runs already.

        Raises:
            ConfigError: If the environment has none.
        """
        if key := os.environ.get(self.key_env, "").strip():
            return key
        raise ConfigError(
            f"there is no API key for {self.endpoint}",
            seen=f"{self.key_env} is not set",
            fix="Add one with jobs/keys.py, and export it; --deploy.key-env names another "
            "variable.",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ReproduceSettings:
    """What is set beside a recipe.

    Attributes:
        translate: The translation.
        export: The export.
        deploy: The endpoint.
    """

    translate: TranslateSettings = field(default_factory=TranslateSettings)
    export: ModelExport = field(default_factory=ModelExport)
    deploy: DeploySettings = field(default_factory=DeploySettings)

    def used(self) -> "ReproduceSettings":
        """Returns the settings without those of translators that aren't used."""
        used = replace(self.translate, translator=self.translate.translator.used())
        return replace(self, translate=used)
