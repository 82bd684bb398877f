"""Submits 300 jobs and looks at what they leave: `make bench NAME=submissions`.

Jobs of many fates are submitted to a head on this machine by the library of jobs/submit.py: they
end well or badly, are stopped at work or at once, are stopped by another process and read again,
are killed, are killed with actors and a placement group of theirs. Before and after, all is counted
that may be left: processes, open files, ports, threads, actors, placement groups, packages of code.
What Ray itself keeps of each job is told; what a job leaves ends the bench with an error.
`--stop-after-s 200` runs portions of 60 jobs; the next call goes on, at the same commit.
"""

import dataclasses
from functools import partial
from pathlib import Path

from resuming import Kept, TimeOverError, say
from submitting.settings import SubmissionsBench

from palo import config
from palo.benchmark import Conditions, publish
from palo.command import override, run_job
from palo.errors import ThresholdError
from palo.machine import hardware

_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("palo", "ray")


def main(arguments: list[str]) -> None:
    """Runs the bench.

    Args:
        arguments: The command line.

    Raises:
        ThresholdError: If jobs left something, or ended otherwise than they must.
    """
    settings = override(SubmissionsBench(), arguments, "jobs/bench/submissions.py")
    config.check(settings)
    machine = hardware()
    from submitting.figures import figures_of, leaks
    from submitting.portion import PACKAGES_KEPT_S, Portion, run_portions

    same = dataclasses.replace(settings, output=None, cache=Path(), stop_after_s=None)
    kept = Kept(same, settings.cache, _ROOT, settings.stop_after_s)
    portions: list[Portion] = []
    try:
        for number, cases in enumerate(settings.portions()):
            measure = partial(run_portions, settings, [cases])
            portions += kept.result(f"portion-{number}", Portion, measure)
    except TimeOverError as over:
        say(f"the time is over before {over}; the next call goes on")
        return
    ended = [one for portion in portions for one in portion.ended]
    figures = list(figures_of(portions))
    conditions = Conditions(
        hardware=machine,
        packages=_PACKAGES,
        configuration=config.to_dict(same)
        | {
            "packages_kept_s": PACKAGES_KEPT_S,
            "wrong": [config.to_dict(one) for one in ended if one.problem],
            "portions": [
                {"before": config.to_dict(one.before), "after": config.to_dict(one.after)}
                for one in portions
            ],
        },
        seeds=(settings.seed,),
        counts={"jobs": len(ended), "portions": len(portions)},
    )
    publish("submissions", figures, conditions, root=_ROOT, folder=settings.output)
    if found := leaks(figures):
        raise ThresholdError(
            "submissions left something, or ended otherwise than they must",
            seen="; ".join(found),
            fix="See `wrong` and `portions` in the result file.",
        )


if __name__ == "__main__":
    run_job(main)
