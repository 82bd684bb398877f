"""The command line of jobs: a recipe's name, typed overrides, and errors in one line."""

import contextlib
import difflib
import io
import itertools
import math
import os
import re
import select
import signal
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from palo import config, storage
from palo.account import complete_account
from palo.errors import ConfigError, IncompleteError, PaloError
from palo.language_files import choose_added_folder, say_what_is_open
from palo.ray_start import EXIT_INTERRUPTED
from palo.store import choose_store
from palo.terminal import one_line

if TYPE_CHECKING:
    from tyro.constructors import ConstructorRegistry

R = TypeVar("R")

_STORE = "--store"
_STORE_HELP = (
    f"{_STORE} PLACE  where runs, corpora, weights, keys and feedback lie: a folder that all "
    "machines share, or s3://bucket/prefix; else what PALO_STORE names"
)
_EXIT_ERROR = 2
_EXIT_INCOMPLETE = 3
_EXIT_UNREAD = 128 + signal.SIGPIPE
_SHOWN = 40


def run_job(main: Callable[[list[str]], None], *, says_what_is_open: bool = True) -> NoReturn:
    """Runs a job and ends the process as a command line should.

    Any language can be printed on any terminal. `--store PLACE` sets the store. An error of ours is
    one line on stderr and exit code 2, or 3 where the same command goes on with what is left; a
    stop by Ctrl-C or SIGTERM, as `ray job stop` sends it, is one line and exit code 130. Where
    the reader of standard output has left, such as `head`, the job ends silently with 141.

    Args:
        main: The job; takes the arguments after the script's name.
        says_what_is_open: Whether it begins with what added languages leave to native speakers.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    _print_anything()
    complete_account()
    try:
        arguments = _with_store(sys.argv[1:])
        choose_added_folder()
        if says_what_is_open:
            say_what_is_open()
        _run_and_flush(main, arguments)
    except BrokenPipeError:
        if not _reader_has_left():
            raise
        sys.exit(_EXIT_UNREAD)
    except IncompleteError as error:
        print(f"incomplete: {one_line(str(error))}", file=sys.stderr, flush=True)
        sys.exit(_EXIT_INCOMPLETE)
    except PaloError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr, flush=True)
        sys.exit(_EXIT_ERROR)
    except KeyboardInterrupt:
        print("stopped; run the same command again to resume", file=sys.stderr, flush=True)
        sys.exit(EXIT_INTERRUPTED)
    sys.exit(0)


def _run_and_flush(main: Callable[[list[str]], None], arguments: list[str]) -> None:
    """Runs a job, and prints the rest of its words while an error of that can be told."""
    try:
        main(arguments)
    except SystemExit:  # --help, too, has printed
        sys.stdout.flush()
        raise
    sys.stdout.flush()


def _reader_has_left() -> bool:
    """Returns whether nobody reads standard output any more; then the rest of it goes nowhere."""
    watched = select.poll()
    watched.register(sys.stdout.fileno(), 0)
    if not any(event & select.POLLERR for _, event in watched.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


def _with_store(arguments: list[str]) -> list[str]:
    """Takes `--store PLACE`, which all jobs have, from a command line, and obeys it.

    Raises:
        ConfigError: If it has no value.
        StorageError: If it names no place.
    """
    if {"-h", "--help"} & set(arguments):
        print(_STORE_HELP)
    left, values = take_values(arguments, [_STORE])
    if _STORE in values:
        choose_store(values[_STORE])
    return left


def _print_anything() -> None:
    """Lets a terminal without Unicode show what it lacks as escapes; else printing ends the job."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _interrupt(signum: int, frame: FrameType | None) -> None:
    """Does what Ctrl-C does, which asyncio handles in its own way while it runs."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # a shell's background job ignores Ctrl-C
        raise KeyboardInterrupt
    handler(signum, frame)


def take_values(arguments: list[str], flags: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """Takes `--flag VALUE` and `--flag=VALUE` of some flags from a command line.

    Args:
        arguments: The arguments after the script's name.
        flags: The flags.

    Returns:
        The other arguments, and the values by flag; the last one counts.

    Raises:
        ConfigError: If one of the flags has no value.
    """
    values: dict[str, str] = {}
    left: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        flag, has_value, value = argument.partition("=")
        if flag not in flags:
            left.append(argument)
            continue
        value = value if has_value else next(waiting, "")
        if not value or value.startswith("--"):
            raise ConfigError(f"{flag} has no value", fix=f"Write {flag} PATH.")
        values[flag] = value
    return left, values


def parse_recipe(
    arguments: list[str],
    recipes: Mapping[str, Callable[[], R]],
    program: str,
    shortcuts: Mapping[str, str] | None = None,
) -> tuple[R, bool]:
    """Reads `RECIPE [--field value ...] [--dry-run]`.

    Args:
        arguments: The arguments after the script's name.
        recipes: Functions that return a full configuration, by name.
        program: The script's name, for the help text.
        shortcuts: Flags that the caller has taken already, with what they do, for the help text.

    Returns:
        The checked configuration, and whether only a dry run is wanted.

    Raises:
        ConfigError: If the recipe is unknown, an override is wrong, or values contradict.
    """
    names = ", ".join(recipes)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(f"usage: {program} RECIPE [--dry-run] [--field value ...]\nrecipes: {names}")
        print(f"fields of a recipe: {program} RECIPE --help")
        sys.exit(0 if arguments else _EXIT_ERROR)
    name, *rest = arguments
    if name not in recipes:
        near = difflib.get_close_matches(name, recipes, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise ConfigError("unknown recipe", seen=repr(name), fix=f"{hint}Use one of {names}.")
    if {"-h", "--help"} & set(rest):
        print("\n".join(f"{flag}  {what}" for flag, what in (shortcuts or {}).items()))
    dry_run = "--dry-run" in rest
    overrides = [argument for argument in rest if argument != "--dry-run"]
    resolved = override(recipes[name](), overrides, f"{program} {name}")
    config.check(resolved)
    return resolved, dry_run


def override(default: R, arguments: list[str], program: str) -> R:
    """Applies `--field.subfield value` overrides to a configuration.

    Args:
        default: The configuration.
        arguments: The overrides.
        program: What was run, for the help text.

    Raises:
        ConfigError: If a field is unknown or a value has the wrong type.
    """
    import tyro

    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            return tyro.cli(
                type(default),
                default=default,
                args=arguments,
                prog=program,
                config=(tyro.conf.AvoidSubcommands,),
                registry=_registry(),
            )
    except SystemExit as end:
        if not end.code:  # --help
            raise
        fact, hint = _condensed(printed.getvalue())
        raise ConfigError(fact, fix=f"{hint}See {program} --help.") from None


def _registry() -> "ConstructorRegistry":
    """Returns how values are read from the command line.

    Paths may lie on S3. Numbers are those that libraries can hold: an integer has 64 bits, and
    "nan" and "inf" are none.
    """
    from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

    registry = ConstructorRegistry()

    @registry.primitive_rule
    def _number(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[float] | None:
        if info.type not in (int, float):
            return None
        read = _whole if info.type is int else _real
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar=info.type.__name__.upper(),
            instance_from_str=lambda texts: read(texts[0]),
            is_instance=lambda value: isinstance(value, (int, info.type)),
            str_from_instance=lambda value: [str(value)],
        )

    @registry.primitive_rule
    def _path(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Path] | None:
        if info.type is not Path:
            return None
        return PrimitiveConstructorSpec(
            nargs=1,
            metavar="PATH",
            instance_from_str=lambda texts: storage.path_of(texts[0]),
            is_instance=lambda value: isinstance(value, Path),
            str_from_instance=lambda path: [str(path)],
        )

    return registry


def _whole(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"{text[:_SHOWN]!r} is no whole number") from None
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{text[:_SHOWN]} has more than 64 bits")
    return number


def _real(text: str) -> float:
    number = math.nan
    with contextlib.suppress(ValueError):
        number = float(text)
    if not math.isfinite(number):  # comparisons with a limit would let "nan" pass
        raise ValueError(f"{text[:_SHOWN]!r} is no number")
    return number


def _condensed(message: str) -> tuple[str, str]:
    """Makes one sentence of tyro's box: what stands below its title, and what it suggests."""
    lines = [re.sub(r"[│╭╮╰╯]", " ", line).strip() for line in message.splitlines()]
    is_rule = [re.search(r"[-─]{4,}", line) is not None for line in lines]
    first = is_rule.index(True) + 1 if True in is_rule else 0
    body = itertools.takewhile(
        lambda pair: not pair[1], zip(lines[first:], is_rule[first:], strict=True)
    )
    fact = " ".join(line for line, _ in body if line).rstrip(".")
    suggested = re.findall(r"--[\w.-]+", message.partition("Perhaps you meant")[2])
    # The first is not always the nearest: what is wrong is the end of a longer name, too.
    near = difflib.get_close_matches(_wrong_flag(fact), suggested, n=1, cutoff=0.0)
    return fact, f"Did you mean {near[0]}? " if near else ""


def _wrong_flag(fact: str) -> str:
    found = re.search(r"--[\w.-]+", fact)
    return found[0] if found else ""
