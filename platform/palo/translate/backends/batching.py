"""Batches for translators that work on many conversations at once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from palo.translate.backends.backend import CostMeter, Draft, Translate, TranslationFailure
from palo.translate.request import TranslationRequest

TranslateBatch = Callable[
    [Sequence[TranslationRequest]], Awaitable[Sequence[Draft | TranslationFailure]]
]


@asynccontextmanager
async def batched(workers: Sequence[TranslateBatch], batch_size: int) -> AsyncIterator[Translate]:
    """Collects single requests into batches.

    A free worker takes what is waiting, up to a whole batch, and doesn't wait for more: with two
    batches of requests for each worker all batches but the last ones are full.

    Args:
        workers: Each translates one batch at a time. Its error reaches all requests of the batch.
        batch_size: Most requests of a batch.

    Yields:
        The function to translate with.
    """
    waiting: asyncio.Queue[
        tuple[TranslationRequest, asyncio.Future[Draft | TranslationFailure]]
    ] = asyncio.Queue()

    async def work(translate_batch: TranslateBatch) -> None:
        while True:
            batch = [await waiting.get()]
            while len(batch) < batch_size and not waiting.empty():
                batch.append(waiting.get_nowait())
            try:
                answers = await translate_batch([request for request, _ in batch])
            except Exception as error:
                for _, answered in batch:
                    if not answered.done():
                        answered.set_exception(error)
                continue
            for (_, answered), answer in zip(batch, answers, strict=True):
                if not answered.done():
                    answered.set_result(answer)

    async def translate(
        request: TranslationRequest, meter: CostMeter
    ) -> Draft | TranslationFailure:
        answered: asyncio.Future[Draft | TranslationFailure] = asyncio.Future()
        waiting.put_nowait((request, answered))
        return await answered

    tasks = [asyncio.create_task(work(one)) for one in workers]
    try:
        yield translate
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
