"""Conversations to translate."""

import pytest

from palo.data.records import Record
from palo.text.messages import Turn
from palo.translate.protected_spans.protect import ProtectionSettings, protect_record


@pytest.fixture
def make_request():
    """Makes a locked conversation of English texts."""

    def make(*texts, language="fr", settings=None, attempt=0):
        roles = ("user", "assistant")
        record = Record(
            record_id="photos/1@0",
            language="en",
            source="photos",
            licence="CC0",
            image=None,
            turns=tuple(Turn(roles[n % 2], text) for n, text in enumerate(texts)),
        )
        return protect_record(
            record, language, settings=settings or ProtectionSettings(), attempt=attempt
        )

    return make
