"""The endpoint and its page as Ray Serve applications, for `serve deploy cluster/serve.yaml`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palo.config import from_dict
from palo.serve.chat_page.settings import PageSettings
from palo.serve.settings import ServeSettings
from palo.session import mark_shared
from palo.store import found_path, lasting_path

if TYPE_CHECKING:
    from ray.serve import Application


def build(arguments: dict[str, Any]) -> "Application":
    """Builds the endpoint from the `args` of a Serve file.

    Args:
        arguments: Fields of `palo.serve.settings.ServeSettings`. `models` may also be "newest" or
            a list of runs of the store, which are followed then. Paths may begin with `~/`,
            relative ones lie in the store, and a model's `folder` may also be a run's.

    Raises:
        ConfigError: If a field is unknown or a value out of range.
        DataError: If a folder holds no finished stage.
        StorageError: If the store can't be written.
    """
    from palo.checkpoint.finished import stage_folder
    from palo.serve.application import application

    settings = from_dict(ServeSettings, _with_runs(_expanded(arguments)))
    mark_shared()
    models = tuple(
        dataclasses.replace(model, folder=stage_folder(found_path(model.folder)))
        for model in settings.models
    )
    key_file = lasting_path(settings.access.key_file)
    access = dataclasses.replace(settings.access, key_file=key_file)
    return application(dataclasses.replace(settings, models=models, access=access))


def build_page(arguments: dict[str, Any]) -> "Application":
    """Builds the chat page from the `args` of a Serve file.

    Args:
        arguments: Fields of `palo.serve.chat_page.settings.PageSettings`; paths may begin with
            `~/`, relative ones lie in the store.

    Raises:
        ConfigError: If a field is unknown or a value out of range.
        StorageError: If the store can't be written.
    """
    from palo.serve.page_server import page_application

    settings = from_dict(PageSettings, _expanded(arguments))
    mark_shared()
    feedback = lasting_path(settings.feedback)
    return page_application(dataclasses.replace(settings, feedback=feedback))


def _with_runs(arguments: dict[str, Any]) -> dict[str, Any]:
    """Takes names of runs among the models for runs to follow."""
    models = arguments.get("models", [])
    runs = [models] if isinstance(models, str) else models
    if runs and all(isinstance(run, str) for run in runs):
        follow = (arguments.get("follow") or {}) | {"runs": runs}
        return arguments | {"models": [], "follow": follow}
    # Its defaults may stay in the file while somebody names folders there.
    return {name: value for name, value in arguments.items() if name != "follow"}


def _expanded(values: Any) -> Any:  # noqa: ANN401 - what YAML holds
    """Puts the home folder in place of `~` in all paths."""
    if isinstance(values, dict):
        return {name: _expanded(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_expanded(value) for value in values]
    is_path = isinstance(values, str) and values.startswith("~/")
    return str(Path(values).expanduser()) if is_path else values
