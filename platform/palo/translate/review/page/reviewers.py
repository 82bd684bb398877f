"""Reviewers who log in with a key: the key's name is theirs."""

from typing import NamedTuple

from palo.api_errors import APIError
from palo.client import EndpointError
from palo.security.access import KeyRing
from palo.translate.review.page.settings import review_texts
from palo.webui.visitors import Tokens, Visitor

_MOST_LOGINS = 100


class Reviewer(NamedTuple):
    """A reviewer who has logged in.

    Attributes:
        name: The name of their key.
        key: The key, as they sent it.
    """

    name: str
    key: str

    def __repr__(self) -> str:
        return f"Reviewer({self.name!r})"


class Reviewers(Tokens[Reviewer]):
    """The logins of this process, with the names of their keys.

    Args:
        ring: The valid keys.
    """

    def __init__(self, ring: KeyRing) -> None:
        super().__init__(_MOST_LOGINS)
        self._ring = ring

    async def admit(self, key: str) -> str:
        """Returns a new reviewer's token.

        Args:
            key: The key.

        Raises:
            EndpointError: If the key is not valid.
        """
        try:
            found = self._ring.find(f"Bearer {key}")
        except APIError as refusal:
            raise EndpointError(refusal.fact, fix=refusal.fix, code=refusal.code) from refusal
        return self.issue(Reviewer(found.name, key), found.id)

    async def is_still_good(self, value: Reviewer) -> bool:
        """Tells whether a reviewer's key is still valid, and still theirs.

        Args:
            value: The reviewer.
        """
        try:
            return self._ring.find(f"Bearer {value.key}").name == value.name
        except APIError:
            return False

    def name_of(self, visitor: Visitor[Reviewer]) -> str:
        """Returns the name of a reviewer who has logged in.

        Args:
            visitor: The visitor.
        """
        return visitor.value.name

    def about(self, code: str) -> str:
        """Returns the purpose of the page, in a language.

        Args:
            code: ISO code of the language.
        """
        return review_texts(code)["review_about"]
