"""From what a request calls a picture to the bytes of its file."""

import asyncio

from palo.serve.guard.data_urls import is_data_url, read_data_url
from palo.serve.guard.picture_settings import PictureRules
from palo.serve.guard.remote_pictures import RemotePictures

_SMALL_CHARACTERS = 1 << 16


class PictureReader:
    """Reads pictures of requests; to be used from one event loop.

    Args:
        rules: Which pictures are taken.
    """

    def __init__(self, rules: PictureRules) -> None:
        self._max_bytes = rules.limits.max_file_bytes
        self._remote = RemotePictures(rules)

    async def read(self, url: str, param: str | None = None) -> bytes:
        """Returns the bytes of a picture's file, which nobody has looked into yet.

        Args:
            url: A data: URL, or an address that may be asked.
            param: Field of the request that holds it.

        Raises:
            Refusal: If it isn't taken.
        """
        if not is_data_url(url):
            return await self._remote.read(url, param)
        if len(url) <= _SMALL_CHARACTERS:
            return read_data_url(url, self._max_bytes, param)
        return await asyncio.to_thread(read_data_url, url, self._max_bytes, param)

    def close(self) -> None:
        """Takes no more pictures."""
        self._remote.close()
