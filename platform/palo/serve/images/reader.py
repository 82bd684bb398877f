"""From what a request calls an image to the bytes of its file."""

from palo.serve.images.data_urls import is_data_url, read_data_url
from palo.serve.images.remote_images import RemoteImages
from palo.serve.images.settings import ImageRules


class ImageReader:
    """Reads images of requests; nobody has looked into the files that it returns.

    Args:
        rules: Which images are taken.
    """

    def __init__(self, rules: ImageRules) -> None:
        self._max_bytes = rules.limits.max_file_bytes
        self._remote = RemoteImages(rules)

    def is_remote(self, url: str) -> bool:
        """Tells whether an image has to be fetched."""
        return not is_data_url(url)

    def embedded(self, url: str | bytes | memoryview, param: str | None = None) -> bytes:
        """Returns the bytes of an image that came with its request; any thread may ask.

        Args:
            url: A data: URL.
            param: Field of the request that holds it.

        Raises:
            Refusal: If it isn't taken.
        """
        return read_data_url(url, self._max_bytes, param)

    async def read(self, url: str, param: str | None = None) -> bytes:
        """Returns the bytes of an image from elsewhere; to be used from one event loop.

        Args:
            url: An address that may be asked.
            param: Field of the request that holds it.

        Raises:
            Refusal: If it isn't taken.
        """
        return await self._remote.read(url, param)

    def close(self) -> None:
        """Takes no more images."""
        self._remote.close()
