"""What an engine counts."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineStats:
    """Gauges of now and totals since the start.

    Attributes:
        num_waiting: Requests without a slot.
        num_running: Requests with one.
        num_slots: Slots there are.
        batch_size: Answers that the last step carried on.
        cached_bytes: Memory of the blocks that are kept for later requests.
        steps: Steps so far.
        prefill_tokens: Places of prompts that were computed.
        cached_tokens: Places of prompts that were known.
        decode_tokens: Ids that were generated.
        num_finished: Requests that ended, by finish reason.
        first_tokens: Requests that got a first id.
        first_token_s: Seconds until those, all together.
        step_s: Seconds of all steps together.
    """

    num_waiting: int
    num_running: int
    num_slots: int
    batch_size: int
    cached_bytes: int
    steps: int
    prefill_tokens: int
    cached_tokens: int
    decode_tokens: int
    num_finished: dict[str, int]
    first_tokens: int
    first_token_s: float
    step_s: float
