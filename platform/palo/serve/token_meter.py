"""What an answer costs its key, taken while it comes: its client may leave at any word."""

from palo.inference.request import TokenUsage
from palo.security.rate_limiter import Lease


class TokenMeter:
    """Takes the tokens of one request's answers from its key's allowance.

    Args:
        visit: Of the request.
        num_choices: How many answers there are.
    """

    def __init__(self, visit: Lease, num_choices: int) -> None:
        self._visit = visit
        self._prompt_tokens = 0
        self._answer_tokens = [0] * num_choices

    def began(self, prompt_tokens: int) -> None:
        """A replica has taken the prompt; one that begins anew elsewhere is not paid for again.

        Args:
            prompt_tokens: Tokens of it, each image with all of its own.
        """
        self._pay_prompt(prompt_tokens)
        self._answer_tokens = [0] * len(self._answer_tokens)

    def said(self, choice: int, usage: TokenUsage | None) -> None:
        """A step of the engine has added to an answer.

        Args:
            choice: Number of the answer.
            usage: What it took, with its last step.
        """
        if usage is None:  # a step adds one token
            self._answer_tokens[choice] += 1
            self._visit.charge(1)
            return
        self._visit.charge(usage.completion_tokens - self._answer_tokens[choice])
        self._answer_tokens[choice] = usage.completion_tokens
        self._pay_prompt(usage.prompt_tokens)

    def _pay_prompt(self, num_tokens: int) -> None:
        self._visit.charge(max(0, num_tokens - self._prompt_tokens))
        self._prompt_tokens = max(self._prompt_tokens, num_tokens)
