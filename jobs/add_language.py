"""Adds a language: makes its files from Unicode's CLDR, and shows what a native speaker must write.

    python jobs/add_language.py sw         Swahili: its files in languages/sw, and a page of gaps
    python jobs/add_language.py sw fa      two at once; again later, to see what is left

What people wrote in the files is never changed: a second run adds only what is missing.
PALO_LANGUAGES names the folder of added languages; without it that is `languages`, beside the runs.
From then on every job, page and endpoint knows the language.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from tyro.conf import Positional

from palo import command, config, languages, storage
from palo.language_files import SETTING, added_folder, usual_folder
from palo.new_language.add import add_language
from palo.new_language.check import check_files
from palo.new_language.cldr import checked_code
from palo.new_language.report import PAGE, gaps_page, summary


@dataclass(frozen=True, kw_only=True, slots=True)
class NewLanguages:
    """Adds languages: makes their files from CLDR, and shows what a native speaker must write.

    Attributes:
        codes: ISO 639-1 codes; of ISO 639-3 for a language that has no shorter one.
    """

    codes: Positional[tuple[str, ...]] = ()

    def faults(self) -> Iterator[str]:
        """Yields what is wrong, one clause each."""
        if not self.codes:
            yield "no language is named; give its code, such as sw"


def main(arguments: list[str]) -> None:
    """Makes the files and prints what is left.

    Args:
        arguments: The command line.
    """
    wanted = command.override(NewLanguages(), arguments, "jobs/add_language.py")
    config.check(wanted)
    codes = [checked_code(code) for code in wanted.codes]
    folder = added_folder() or usual_folder()
    storage.ensure_folder(folder)
    os.environ[SETTING] = str(folder)
    for code in codes:
        added = add_language(code, folder)
        storage.write_text(added.folder / PAGE, gaps_page(added))
        print("\n".join(summary(added)))
        languages.reread()
        check_files(code)


if __name__ == "__main__":
    command.run_job(main, says_what_is_open=False)
