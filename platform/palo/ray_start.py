"""Starting Ray, which may take minutes on a busy machine: it is waited for, and started again.

Ray starts in a thread of its own. So the job's main thread can say what is happening, Ctrl-C and
SIGTERM end the job at once, and Ray leaves the job's signal handlers alone.
"""

import atexit
import contextlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import psutil

from palo.errors import PaloError, ResourceError, TrainingError
from palo.progress import duration

EXIT_INTERRUPTED = 130
"""Exit code of a job that was stopped by Ctrl-C or SIGTERM."""
_ATTEMPTS = 3
_LOOK_EVERY_S = 0.1
_SAY_AFTER_S = 20.0
_SAY_EVERY_S = 30.0
_END_S = 5.0
_SHOWN_CHARACTERS = 300
_PATIENCE = {
    # How long Ray's processes wait for one another; the usual seconds are too few on a busy
    # machine, where each of its Python processes may need a minute to import Ray.
    "RAY_raylet_start_wait_time_s": "240",
    "RAY_gcs_server_port_wait_time_s": "240",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "300",
    # Ray Serve's proxy needs more than the usual seconds to start and to answer.
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120",
}


def be_patient() -> None:
    """Raises Ray's time limits, where the user hasn't set them. Ray reads them on import."""
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)


@contextmanager
def private_ray(settings: Mapping[str, Any]) -> Iterator[None]:
    """Runs a private Ray for the length of the block; starts it again if it doesn't come up.

    Args:
        settings: Arguments of `ray.init`, without the folder.

    Raises:
        ResourceError: If it doesn't start.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        folder = _new_folder()
        with _removed_unless_failed(folder):
            thread = _start({"address": "local", "_temp_dir": str(folder / "ray"), **settings})
            if thread.error is None:
                with thread:
                    yield
                return
            end_processes(folder)
            thread.end()
            if attempt == _ATTEMPTS or _is_lasting(thread.error):
                raise _does_not_start(thread.error, folder, attempt) from thread.error
        _say(
            f"Ray didn't come up ({_shown(thread.error)}); {_busyness()}; "
            f"starting it again, attempt {attempt + 1} of {_ATTEMPTS}"
        )


@contextmanager
def cluster_ray(address: str, settings: Mapping[str, Any]) -> Iterator[None]:
    """Connects to a running cluster for the length of the block.

    Args:
        address: The cluster's address.
        settings: Further arguments of `ray.init`.

    Raises:
        ResourceError: If it can't be reached.
    """
    thread = _start({"address": address, **settings})
    if thread.error is not None:
        thread.end()
        raise unreachable(address, thread.error) from thread.error
    with thread:
        yield


def unreachable(address: str, error: Exception) -> ResourceError:
    """Returns the error for a cluster that can't be reached.

    Args:
        address: The value of RAY_ADDRESS.
        error: What happened.
    """
    return ResourceError(
        "can't reach the Ray cluster of RAY_ADDRESS",
        seen=f"{address}: {_shown(error)}",
        fix="Check RAY_ADDRESS and `ray status`, or unset RAY_ADDRESS for a private Ray.",
    )


@dataclass(slots=True)
class _RayThread:
    """A thread that starts Ray, and lives as long as Ray runs: Linux ends Ray's processes with it.

    Attributes:
        settings: Arguments of `ray.init`.
        error: Why Ray didn't start; None if it did.
        started: Whether the start has ended, well or not.
        handler: The job's handler of SIGTERM, None if it has none of its own.
    """

    settings: Mapping[str, Any]
    error: Exception | None = None
    started: threading.Event = field(default_factory=threading.Event)
    handler: Any = field(default_factory=lambda: signal.getsignal(signal.SIGTERM))
    _ended: threading.Event = field(default_factory=threading.Event)

    def restore_handler(self) -> None:
        """Makes SIGTERM the job's again.

        Ray's core puts a handler of its own before it, which prints a trace and aborts the process
        three seconds later, and takes both away at its end.
        """
        if self.handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self.handler)

    def start(self) -> None:
        threading.Thread(target=self._run, name="palo-ray", daemon=True).start()

    def end(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        import ray

        _tell_in_single_lines()
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **self.settings)
        except Exception as error:  # handed to the main thread
            self.error = error
        finally:
            self.started.set()
        self._ended.wait()

    def __enter__(self) -> "_RayThread":
        return self

    def __exit__(self, *_: object) -> None:
        import ray

        try:
            ray.shutdown()
        finally:
            self.restore_handler()
            self.end()


def _tell_in_single_lines() -> None:
    """Has Ray tell of a lost node or process in one line, where it shows pages of its own log.

    There is no setting for that: `log_to_driver` is about what workers print.
    """
    from ray._private import worker

    def show(data: Mapping[str, Any], ignore_prefix: bool) -> None:
        del ignore_prefix
        _say(f"Ray: {_shown(' '.join(data['lines']))}")

    worker.print_to_stdstream = show


def _start(settings: Mapping[str, Any]) -> _RayThread:
    """Starts or joins Ray, and says so while it takes long.

    Raises:
        KeyboardInterrupt: If the job is stopped meanwhile; Ray's processes are ended then.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    thread = _RayThread(settings)
    began = time.monotonic()
    thread.start()
    say_at = began + _SAY_AFTER_S
    try:
        while not thread.started.wait(_LOOK_EVERY_S):
            thread.restore_handler()
            if (now := time.monotonic()) >= say_at:
                _say(f"Ray has been starting for {duration(now - began)}: {_busyness()}; waiting")
                say_at = now + _SAY_EVERY_S
        thread.restore_handler()
    except KeyboardInterrupt:
        if folder := settings.get("_temp_dir"):
            end_processes(Path(folder))
        # The thread is still in Ray's code, which aborts with a trace if Python ends around it.
        atexit.register(_leave)
        raise
    logging.getLogger("ray").setLevel(logging.ERROR)
    return thread


def _leave() -> NoReturn:
    """Ends the stopped process, without what libraries do at its end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(EXIT_INTERRUPTED)


def end_processes(folder: Path) -> None:
    """Ends the processes of a private Ray that isn't up, with all that they started.

    Args:
        folder: A folder that each of Ray's processes has on its command line.
    """
    family = psutil.Process().children(recursive=True)
    own = [process for process in family if _names(process, folder)]
    everyone = {relative for process in own for relative in (process, *_children(process))}
    for process in everyone:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(everyone, timeout=_END_S)


def _names(process: psutil.Process, folder: Path) -> bool:
    try:
        return any(str(folder) in argument for argument in process.cmdline())
    except psutil.Error:
        return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _is_lasting(error: Exception) -> bool:
    """Returns whether another attempt would fail alike: a full disk, a setting that Ray refuses."""
    lasting = isinstance(error, OSError | ValueError | TypeError | ImportError)
    return lasting and not isinstance(error, ConnectionError | TimeoutError)


def _does_not_start(error: Exception, folder: Path, attempts: int) -> ResourceError:
    fix = (
        "RAY_TMPDIR names another folder for temporary files: it needs space and a short path."
        if _is_lasting(error)
        else f"Run the same command again when the machine has less to do; logs are in {folder}."
    )
    tried = "one attempt" if attempts == 1 else f"{attempts} attempts"
    return ResourceError(
        f"Ray doesn't start on this machine ({tried}, {_busyness()})", seen=_shown(error), fix=fix
    )


def _busyness() -> str:
    """Describes the load of the machine in words."""
    load, cpus = os.getloadavg()[0], os.cpu_count() or 1
    verb = "the machine is busy" if load > cpus else "the machine isn't busy"
    return f"{verb}, {load:.1f} processes want its {cpus} CPUs"


def _shown(error: Exception | str) -> str:
    """Returns an error or a text in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return textwrap.shorten(text, _SHOWN_CHARACTERS, placeholder=" ...")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _new_folder() -> Path:
    """Makes a folder that is this user's alone; Ray opens all below it to everybody.

    Sockets lie in it, whose paths may have 107 bytes: its own stays short.

    Raises:
        ResourceError: If it can't be made.
    """
    place = os.environ.get("RAY_TMPDIR")
    try:
        return Path(tempfile.mkdtemp(prefix="palo-ray-", dir=place))
    except OSError as error:
        raise ResourceError(
            "Ray's folder for temporary files can't be made",
            seen=f"{place or tempfile.gettempdir()}: {error.strerror}",
            fix="Name a folder that you may write with RAY_TMPDIR; its path must be short.",
        ) from error


@contextmanager
def _removed_unless_failed(folder: Path) -> Iterator[None]:
    """Removes a private Ray's folder, unless its logs may tell why the block failed."""
    try:
        yield
    except (ResourceError, TrainingError):
        raise
    except PaloError:
        _remove(folder)  # the user's input was wrong
        raise
    except Exception:
        _say(f"Ray's logs are in {folder}")
        raise
    except BaseException:  # stopped
        _remove(folder)
        raise
    _remove(folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # what a dying process still writes may stay
