"""Which benches there are: every module in `sources` that has a `SOURCE`."""

import difflib
import pkgutil
from functools import cache
from importlib import import_module

from palo.errors import ConfigError
from palo.evaluate.benches import sources
from palo.evaluate.benches.bench import BenchSource


@cache
def bench_sources() -> dict[str, BenchSource]:
    """Returns every bench by its name, in alphabetical order."""
    modules = (
        import_module(f"{sources.__name__}.{found.name}")
        for found in pkgutil.iter_modules(sources.__path__)
    )
    found = [module.SOURCE for module in modules if hasattr(module, "SOURCE")]
    return {source.name: source for source in sorted(found, key=lambda source: source.name)}


def bench_source(name: str) -> BenchSource:
    """Returns the bench of a name.

    Raises:
        ConfigError: If there is none.
    """
    known = bench_sources()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise ConfigError(
            "unknown bench", seen=repr(name), fix=f"{hint}Use one of {', '.join(known)}."
        )
    return known[name]
