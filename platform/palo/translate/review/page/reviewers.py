"""Reviewers who log in with a key: the key's name is theirs."""

from palo.serve.client import EndpointError
from palo.serve.guard.key_ring import KeyRing
from palo.serve.page.tokens import Tokens
from palo.serve.refusal_codes import Refusal
from palo.translate.review.page.words import review_words


class Reviewers(Tokens[str]):
    """Who has logged in, in this process, and under which name.

    Args:
        ring: The keys that are good.
    """

    def __init__(self, ring: KeyRing) -> None:
        super().__init__()
        self._ring = ring

    async def admit(self, key: str) -> str:
        """Returns a new reviewer's token.

        Raises:
            EndpointError: If the key is no good.
        """
        try:
            return self.give(self._ring.find(f"Bearer {key}").name)
        except Refusal as refusal:
            raise EndpointError(refusal.fact, fix=refusal.fix, code=refusal.code) from refusal

    def welcome(self, code: str) -> str:
        """Returns what the login says the page is for, in a language."""
        return review_words(code)["review_about"]
