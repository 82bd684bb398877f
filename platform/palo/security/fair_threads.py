"""A few threads for the work of many owners: whoever brings much waits for their own."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class FairThreads:
    """Runs work in threads, each owner's next piece in turn; to be used from one event loop.

    Args:
        num_threads: How many pieces run at once.
        name: What the names of the threads begin with.
    """

    def __init__(self, num_threads: int, name: str) -> None:
        self.num_waiting = 0
        self._num_free = num_threads
        self._threads = ThreadPoolExecutor(num_threads, name)
        self._waiting: OrderedDict[str, deque[_Wish]] = OrderedDict()

    @property
    def is_busy(self) -> bool:
        """Whether a new piece has to wait."""
        return not self._num_free

    async def run(self, owner: str, work: Callable[[], T]) -> T:
        """Runs a piece of work; one that nobody waits for any more isn't begun.

        Args:
            owner: Whose turn it takes.
            work: What is done.

        Returns:
            What the work returns; what it raises is raised here.
        """
        wish = _Wish(work=work, done=asyncio.get_running_loop().create_future())
        self._waiting.setdefault(owner, deque()).append(wish)
        self.num_waiting += 1
        self._start()
        try:
            found: T = await wish.done
        except asyncio.CancelledError:
            self._forget(owner, wish)
            raise
        return found

    def close(self, *, wait: bool = False) -> None:
        """Begins nothing any more.

        Args:
            wait: Whether to wait for what runs.
        """
        self._waiting.clear()
        self._threads.shutdown(wait=wait, cancel_futures=True)

    def _start(self) -> None:
        while self._num_free and (wish := self._next()) is not None:
            self._num_free -= 1
            running = asyncio.get_running_loop().run_in_executor(self._threads, wish.work)
            running.add_done_callback(partial(self._finish, wish))

    def _next(self) -> "_Wish | None":
        """Takes the first piece of the owner whose turn it is; those that are gone are passed."""
        while self._waiting:
            owner, wishes = self._waiting.popitem(last=False)
            wish = wishes.popleft()
            self.num_waiting -= 1
            if wishes:
                self._waiting[owner] = wishes
            if not wish.done.done():
                return wish
        return None

    def _forget(self, owner: str, wish: "_Wish") -> None:
        wishes = self._waiting.get(owner, deque())
        if wish in wishes:
            wishes.remove(wish)
            self.num_waiting -= 1
            if not wishes:
                del self._waiting[owner]

    def _finish(self, wish: "_Wish", ended: "asyncio.Future[Any]") -> None:
        self._num_free += 1
        if ended.cancelled():
            wish.done.cancel()
        elif wish.done.done():
            ended.exception()  # nobody waits for it any more
        elif (error := ended.exception()) is not None:
            wish.done.set_exception(error)
        else:
            wish.done.set_result(ended.result())
        self._start()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Wish:
    work: Callable[[], Any]
    done: "asyncio.Future[Any]"
