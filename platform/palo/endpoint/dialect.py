"""A server's dialect: which fields of a request it takes, learnt from what it refuses.

Servers of "the OpenAI API" differ. Some want `max_completion_tokens`, take no temperature but
their own, know no `response_format`, or no system message. Each refusal names a field, or is
answered by trying; what has worked once is kept for all further requests.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from palo.endpoint.refusals import ServerError

Body = Mapping[str, Any]

_LEAST_TOKENS = 256
_TOO_MANY = re.compile(
    r"too (large|big|high|many)|at most|maximum|exceed|less than|range|greater than|above|limit"
)
_CONTEXT = re.compile(r"context (?:length|window|size)[^0-9]{0,20}([0-9]{2,9})")
_ASKED = re.compile(
    r"([0-9]{1,9}) (?:input tokens|prompt tokens|in the messages|of text input|in your prompt)"
    r"|(?:prompt|request) (?:has|contains) (?:at least )?([0-9]{1,9})"
)
_POSITIVE = re.compile(r"positive|greater than 0|> ?0|\(0|exclusive")


@dataclass(frozen=True, slots=True)
class _Change:
    """One way to say a request otherwise.

    Attributes:
        subject: What a refusal must name for it.
        note: What it does, for people.
        apply: Returns the changed body; an equal one where there is nothing to change.
        wants: What the refusal's words must hold besides; None for nothing.
    """

    subject: str
    note: str
    apply: Callable[[dict[str, Any]], dict[str, Any]]
    wants: re.Pattern[str] | None = None


def _renamed_limit(body: dict[str, Any]) -> dict[str, Any]:
    if "max_tokens" not in body:
        return body
    rest = {name: value for name, value in body.items() if name != "max_tokens"}
    return rest | {"max_completion_tokens": body["max_tokens"]}


def _without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda body: {key: value for key, value in body.items() if key != name}


def _barely_warm(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"temperature": 0.01} if body.get("temperature") == 0 else body


def _plain_json(body: dict[str, Any]) -> dict[str, Any]:
    asked = body.get("response_format")
    if not isinstance(asked, Mapping) or asked.get("type") != "json_schema":
        return body
    return body | {"response_format": {"type": "json_object"}}


def _as_developer(body: dict[str, Any]) -> dict[str, Any]:
    messages = body.get("messages", ())
    return body | {
        "messages": [
            {**one, "role": "developer"} if one["role"] == "system" else one for one in messages
        ]
    }


def _within_the_question(body: dict[str, Any]) -> dict[str, Any]:
    """Puts the system's words before those of the first user."""
    messages = list(body.get("messages", ()))
    is_system = len(messages) > 1 and messages[0]["role"] in ("system", "developer")
    if not is_system or not isinstance(messages[1]["content"], str):
        return body
    joined = f"{messages[0]['content'].strip()}\n\n{messages[1]['content']}"
    return body | {"messages": [{**messages[1], "content": joined}, *messages[2:]]}


def _without_thinking(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"enable_thinking": False}


_CHANGES: Mapping[str, _Change] = {
    "limit": _Change(
        "max_tokens", "the limit is sent as max_completion_tokens", _renamed_limit
    ),
    "barely_warm": _Change(
        "temperature", "the temperature is 0.01 instead of 0", _barely_warm, _POSITIVE
    ),
    "temperature": _Change("temperature", "no temperature is sent", _without("temperature")),
    "plain_json": _Change(
        "response_format", "response_format is json_object, without a schema", _plain_json
    ),
    "response_format": _Change(
        "response_format", "no response_format is sent", _without("response_format")
    ),
    "developer": _Change(
        "system", "the system message has the role developer", _as_developer,
        re.compile(r"use (the )?'?\"?developer|developer'? instead|supported.{0,40}developer"),
    ),
    "system": _Change(
        "system", "the system message is part of the question", _within_the_question
    ),
    "enable_thinking": _Change(
        "enable_thinking", "enable_thinking is sent as false", _without_thinking,
        re.compile(r"must be (set to )?false"),
    ),
}  # fmt: skip
_SUBJECTS: Mapping[str, re.Pattern[str]] = {
    "max_tokens": re.compile(
        r"max_(completion_|new_|output_)?tokens|max(imum)?[ -](completion |output |new )?tokens"
        r"|(completion|output) tokens|in the completion"
    ),
    "temperature": re.compile(r"temperature"),
    "response_format": re.compile(
        r"response[_ ]?format|json_object|json_schema|json[ _]mode|structured[ _]output|guided"
    ),
    "system": re.compile(
        r"system (role|message|prompt|instruction)|system.{0,3} role|roles? .{0,12}system"
        r"|'system'|developer (role|message|instruction)|roles must alternate"
        r"|messages[.\[]0\]?\.role"
    ),
    "enable_thinking": re.compile(r"enable_thinking"),
}
# The most telling ones first: what is refused most often, and costs least to leave out.
_GUESSES = (
    ("limit",), ("response_format",), ("temperature",), ("system",),
    ("limit", "temperature"), ("limit", "temperature", "response_format", "system"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialect:
    """How requests are said to one server.

    Attributes:
        changes: Names of the changes that each request goes through, in their order.
        most_tokens: Longest answer that the server allows to be asked for; None for any.
        room: Longest answer that one request leaves room for; None for any.
    """

    changes: tuple[str, ...] = ()
    most_tokens: int | None = None
    room: int | None = None

    def spoken(self, body: Body) -> dict[str, Any]:
        """Returns a request as the server takes it.

        Args:
            body: The body of a chat completion, in OpenAI's form with `max_tokens`.
        """
        said = dict(body)
        limits = [limit for limit in (self.most_tokens, self.room) if limit is not None]
        if limits and "max_tokens" in said:
            said["max_tokens"] = min(said["max_tokens"], *limits)
        for name in self.changes:
            said = _CHANGES[name].apply(said)
        return said

    def after(self, body: Body, error: ServerError) -> "Dialect | None":
        """Returns the dialect that avoids what an error complains about.

        Args:
            body: The request that was refused, before it was said in this dialect.
            error: The server's error.

        Returns:
            None if the error names nothing that can be said otherwise.
        """
        named = {subject for subject in _SUBJECTS if _names(subject, error)}
        changed = self
        for subject in _SUBJECTS:
            if subject in named:
                changed = changed._next(subject, body, error) or changed
        return changed if changed.spoken(body) != self.spoken(body) else None

    def guesses(self, body: Body) -> Iterator["Dialect"]:
        """Yields dialects to try after an error that names nothing.

        Args:
            body: The request that was refused.
        """
        tried = [self.spoken(body)]
        for names in _GUESSES:
            new = tuple(name for name in names if name not in self.changes)
            guess = replace(self, changes=(*self.changes, *new))
            if (said := guess.spoken(body)) not in tried:
                tried.append(said)
                yield guess

    def lasting(self) -> "Dialect":
        """Returns what holds for other requests, too."""
        return replace(self, room=None)

    def notes(self) -> tuple[str, ...]:
        """Returns what is said otherwise, for people."""
        notes = [_CHANGES[name].note for name in self.changes]
        if self.most_tokens is not None:
            notes.append(f"answers have at most {self.most_tokens:,} tokens")
        return tuple(notes)

    def _next(self, subject: str, body: Body, error: ServerError) -> "Dialect | None":
        """Returns the next step for one subject; None if there is none left."""
        if subject == "max_tokens" and _TOO_MANY.search(error.words):
            return self._shorter(body, error)
        for name, change in _CHANGES.items():
            if change.subject != subject or name in self.changes:
                continue
            if change.wants is not None and not change.wants.search(error.words):
                continue
            changed = replace(self, changes=(*self.changes, name))
            if changed.spoken(body) != self.spoken(body):
                return changed
        return None

    def _shorter(self, body: Body, error: ServerError) -> "Dialect | None":
        """Returns the dialect whose answers leave room for the question, or are half as long."""
        if not body.get("max_tokens"):
            return None
        now = min(filter(None, (body["max_tokens"], self.most_tokens, self.room)))
        context, asked = _CONTEXT.search(error.words), _ASKED.search(error.words)
        if context is None:
            half = now // 2
            return replace(self, most_tokens=half) if half >= _LEAST_TOKENS else None
        room = int(context[1]) - int(asked[1] or asked[2]) - 1 if asked else now // 2
        return replace(self, room=room) if _LEAST_TOKENS <= room < now else None


def _names(subject: str, error: ServerError) -> bool:
    pattern = _SUBJECTS[subject]
    if error.fields and any(pattern.search(field) for field in error.fields):
        return True
    return pattern.search(error.words) is not None
