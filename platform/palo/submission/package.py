"""What is sent to a cluster with a job: the checkout's code, and nothing secret or large."""

import secrets
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palo.errors import ConfigError
from palo.language_files import SETTING as LANGUAGES
from palo.language_files import added_folder
from palo.session import worker_settings
from palo.storage import lies_within
from palo.store import STORE, store_root

NEVER_SENT = (
    ".env",
    ".env.*",
    ".aws",
    ".ssh",
    ".netrc",
    ".ray",
    "auth_token",
    "*.key",
    "*.pem",
    "keys.json",
)
"""Names, as in a .gitignore, of secrets, which stay here whatever a folder's own files say."""
_GRACE = "RAY_JOB_STOP_WAIT_TIME_S"
_IGNORED = ".rayignore"
_LIBRARY = Path("platform/palo")


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """A job to submit.

    Attributes:
        command: The words of its command.
        folder: Folder whose files it gets, and in which it runs.
        grace_s: Seconds between the wish that it stops and its end by force.
        without_store: Accepts that no store is set.
    """

    command: Sequence[str]
    folder: Path
    grace_s: float
    without_store: bool = False

    @property
    def entrypoint(self) -> str:
        """The command for the cluster's shell; a script needs no `python` before it."""
        words = list(self.command)
        return shlex.join(["python", *words] if words[0].endswith(".py") else words)

    def check(self) -> None:
        """Refuses what would fail on the cluster only.

        Raises:
            ConfigError: If the command, its script or the store is missing.
        """
        if not self.command:
            raise ConfigError(
                "there is no command to submit",
                fix="Write it after --, as in: python jobs/submit.py -- jobs/finetune.py nano",
            )
        if not (self.folder / _IGNORED).is_file():
            raise ConfigError(
                f"the folder to send has no {_IGNORED}, so that all in it would go",
                seen=self.folder.resolve(),
                fix="Run this at the top of the checkout, or name that with --folder.",
            )
        script = next((word for word in self.command if word.endswith(".py")), None)
        if script is not None and not (self.folder / script).is_file():
            raise ConfigError(
                "the script isn't in the folder that is sent",
                seen=f"{script} in {self.folder.resolve()}",
                fix="Run this at the top of the checkout, or name that with --folder.",
            )
        if store_root() is None and not self.without_store:
            raise ConfigError(
                "no store is set, and what a job writes on a cluster's disks goes with its nodes",
                fix=f"Name a place that all nodes see: --store s3://bucket/prefix, or {STORE}. For "
                "a cluster of one machine of your own there is --without-store.",
            )

    def runtime_env(self) -> dict[str, Any]:
        """Returns Ray's description of the job's environment; it holds no secret."""
        variables = worker_settings() | {_GRACE: f"{self.grace_s:.0f}"}
        languages = added_folder()
        if languages is not None and lies_within(languages, self.folder.resolve()):
            del variables[LANGUAGES]  # it is sent along, and found where the job runs
        wanted: dict[str, Any] = {
            "working_dir": str(self.folder.resolve()),
            "excludes": list(NEVER_SENT),
            "env_vars": variables,
        }
        library = self.folder / _LIBRARY
        if library.is_dir():  # so that the code of this checkout runs, not the nodes' own
            wanted["py_modules"] = [str(library.resolve())]
            wanted["excludes"].append(f"/{_LIBRARY.parts[0]}")
        return wanted


def new_id(command: Sequence[str]) -> str:
    """Returns an id for a job, which says what it is and sorts by time.

    Args:
        command: The words of its command.
    """
    script = next((Path(word).stem for word in command if word.endswith(".py")), "job")
    return f"{script}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
