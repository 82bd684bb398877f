"""Progress of a job: conversations, throughput, cost so far and projected cost."""

import time
from collections.abc import Callable

from palo.progress import duration
from palo.translate.bulk.ledger import Ledger

_LINE_EVERY_S = 5.0


class TranslationProgress:
    """Reports the progress of a job every few seconds.

    Args:
        say: Receives the lines.
        total: Conversations to do, those done before included.
        done: Conversations done before.
        ledger: The cost so far.
        clock: Returns seconds.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        total: int,
        done: int,
        ledger: Ledger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.num_done = done
        self._before = done
        self._say = say
        self._total = total
        self._ledger = ledger
        self._cost_of_made = 0.0
        self._clock = clock
        self._start = self._last = clock()
        self._said = -1

    def add(self, cost: float) -> None:
        """Counts one finished conversation, and reports every few seconds.

        Args:
            cost: What its answers have cost, whichever run paid for them. What conversations in
                flight have cost tells nothing about those to come.
        """
        self.num_done += 1
        self._cost_of_made += cost
        if self._clock() - self._last >= _LINE_EVERY_S:
            self.tell()

    def tell(self) -> None:
        """Reports the progress, if it has changed."""
        self._last = self._clock()
        if self._said == self.num_done:
            return
        self._said = self.num_done
        self._say(self._line())

    def _line(self) -> str:
        made = self.num_done - self._before
        elapsed_s = max(self._last - self._start, 1e-9)
        rate = made / elapsed_s
        left = max(0, self._total - self.num_done)
        speed = f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"
        parts = [f"translate: {self.num_done:,}/{self._total:,} conversations, {speed}/s"]
        if self._ledger.cost:
            parts.append(f"cost {self._ledger.cost:,.4g} so far")
            if made and left:
                parts.append(f"about {self._cost_of_made / made * left:,.3g} to come")
        if made and left:
            parts.append(f"{duration(left / rate)} left")
        return ", ".join(parts)
