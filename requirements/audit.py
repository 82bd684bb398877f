"""Known advisories for the locked versions, from PyPI: `make audit`.

pip-audit alone ends well where it could ask about nothing, for example behind a mirror that has
packages but no advisories. Here that is a failure of its own.
"""

import json
import subprocess
import sys

from lock_file import LOCK, ROOT

_FOUND, _NOT_ASKED = 1, 3


def _audit(options: list[str]) -> list[dict[str, object]] | None:
    """Returns pip-audit's record of each package, or None where it has none."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    command += ["--progress-spinner", "off", "--format", "json", "--requirement", str(LOCK)]
    run = subprocess.run(  # noqa: S603
        [*command, *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    try:
        dependencies: list[dict[str, object]] = json.loads(run.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(run.stderr.strip().rpartition("\n")[2], file=sys.stderr)
        return None
    return dependencies


def main() -> int:
    """Prints the advisories that hold for what is locked.

    Returns:
        0 if there is none, 1 if there are some, 3 if a package could not be asked about.
    """
    asked, skipped, found = 0, [], []
    dependencies = _audit(sys.argv[1:])
    if dependencies is None:
        print(f"{LOCK.name}: the advisory data can't be reached; nothing was checked")
        return _NOT_ASKED
    for one in dependencies:
        if "skip_reason" in one:
            skipped.append(str(one["name"]))
            continue
        asked += 1
        for advisory in one["vulns"]:  # type: ignore[attr-defined]
            fixed = ", ".join(advisory["fix_versions"]) or "no version yet"
            found.append(f"{one['name']} {one['version']}: {advisory['id']}, fixed in {fixed}")
    print("\n".join([*found, f"{asked} packages checked, {len(found)} advisories"]))
    if skipped:
        print(
            f"{len(skipped)} packages not checked, the advisory data has nothing on them or can't "
            f"be reached from here: {', '.join(skipped[:5])}{' ...' if len(skipped) > 5 else ''}"
        )
    return _FOUND if found else _NOT_ASKED if skipped else 0


if __name__ == "__main__":
    sys.exit(main())
