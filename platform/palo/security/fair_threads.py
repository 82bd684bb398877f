"""A thread pool whose owners take turns, so that one owner's queue delays no other."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class FairThreads:
    """Runs tasks in threads, round robin over their owners; to be used from one event loop.

    Args:
        num_threads: Number of threads.
        name: Prefix of the threads' names.

    Attributes:
        num_waiting: Tasks that wait for a thread.
    """

    def __init__(self, num_threads: int, name: str) -> None:
        self.num_waiting = 0
        self._num_free = num_threads
        self._threads = ThreadPoolExecutor(num_threads, name)
        self._waiting: OrderedDict[str, deque[_Task]] = OrderedDict()

    @property
    def is_busy(self) -> bool:
        """Whether a new task has to wait."""
        return not self._num_free

    async def run(self, owner: str, work: Callable[[], T]) -> T:
        """Runs a task; a task that is cancelled while it waits isn't started.

        Args:
            owner: Owner of the task.
            work: Function to call; its exceptions are raised here.

        Returns:
            The function's result.
        """
        task = _Task(work=work, done=asyncio.get_running_loop().create_future())
        self._waiting.setdefault(owner, deque()).append(task)
        self.num_waiting += 1
        self._start()
        try:
            found: T = await task.done
        except asyncio.CancelledError:
            self._forget(owner, task)
            raise
        return found

    def close(self, *, wait: bool = False) -> None:
        """Starts no more tasks.

        Args:
            wait: Whether to wait for running ones.
        """
        self._waiting.clear()
        self._threads.shutdown(wait=wait, cancel_futures=True)

    def _start(self) -> None:
        while self._num_free and (task := self._next()) is not None:
            self._num_free -= 1
            running = asyncio.get_running_loop().run_in_executor(self._threads, task.work)
            running.add_done_callback(partial(self._finish, task))

    def _next(self) -> "_Task | None":
        """Removes and returns the next owner's first task, skipping cancelled ones."""
        while self._waiting:
            owner, tasks = self._waiting.popitem(last=False)
            task = tasks.popleft()
            self.num_waiting -= 1
            if tasks:
                self._waiting[owner] = tasks
            if not task.done.done():
                return task
        return None

    def _forget(self, owner: str, task: "_Task") -> None:
        tasks = self._waiting.get(owner, deque())
        if task in tasks:
            tasks.remove(task)
            self.num_waiting -= 1
            if not tasks:
                del self._waiting[owner]

    def _finish(self, task: "_Task", ended: "asyncio.Future[Any]") -> None:
        self._num_free += 1
        if ended.cancelled():
            task.done.cancel()
        elif task.done.done():
            ended.exception()  # retrieved, so that asyncio doesn't report it
        elif (error := ended.exception()) is not None:
            task.done.set_exception(error)
        else:
            task.done.set_result(ended.result())
        self._start()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Task:
    work: Callable[[], Any]
    done: "asyncio.Future[Any]"
