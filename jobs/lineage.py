"""Shows what a model was made of: settings, corpus, code, machines, parts, and where it started.

python jobs/lineage.py                                the newest run
python jobs/lineage.py FOLDER                         a run, a stage, or an exported folder
python jobs/lineage.py FOLDER --check                 hashes of parts and sources again
python jobs/lineage.py FOLDER --html lineage.html     as a page
python jobs/lineage.py FOLDER --json lineage.json     as JSON
"""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from palo import command, config, storage
from palo.checkpoint.finished import newest_run
from palo.store import RUNS, found_path, lasting_path


@dataclass(frozen=True, kw_only=True, slots=True)
class LineageJob:
    """Shows what a model was made of.

    Attributes:
        model: Folder of a run, of a finished stage, or of any model with a lineage.json; the
            newest run by default.
        check: Computes the hashes of pretrained parts and of the sources' rows again; it reads all
            of them.
        html: File to write a page to, in place of printing.
        json: File to write the tree to, in place of printing.
    """

    model: Positional[Path | None] = None
    check: bool = False
    html: Path | None = None
    json: Path | None = None


def main(arguments: list[str]) -> None:
    """Prints the lineage of a model, or writes it to files.

    Args:
        arguments: The command line.
    """
    job = command.override(LineageJob(), arguments, "jobs/lineage.py")
    folder = newest_run(lasting_path(RUNS)) if job.model is None else found_path(job.model)
    from palo.checkpoint.lineage import lineage_of
    from palo.checkpoint.lineage_page import lineage_lines, lineage_page
    from palo.corpus.report.lineage import corpus_node

    if job.check:
        print("reading parts and sources again to check their hashes", file=sys.stderr, flush=True)
    lineage = lineage_of(folder, check=job.check, corpus_of=corpus_node)
    if job.html is not None:
        storage.write_text(job.html, lineage_page(lineage))
        print(f"page: {job.html}")
    if job.json is not None:
        storage.write_json(job.json, config.to_dict(lineage))
        print(f"tree: {job.json}")
    if job.html is None and job.json is None:
        print("\n".join(lineage_lines(lineage, shutil.get_terminal_size().columns)))


if __name__ == "__main__":
    command.run_job(main)
