import pytest

from palo.inference.request import TokenUsage
from palo.serve.token_meter import TokenMeter


class Visit:
    """Adds up what is taken."""

    spent = 0

    def charge(self, num_tokens):
        self.spent += num_tokens


@pytest.fixture
def visit():
    return Visit()


def usage(prompt_tokens, completion_tokens):
    return TokenUsage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cached_tokens=0,
        queue_s=0.0,
        first_token_s=0.1,
        total_s=1.0,
    )


def test_who_leaves_has_paid_the_prompt_and_what_was_said(visit):
    spending = TokenMeter(visit, 1)
    spending.began(600)
    for _ in range(7):
        spending.said(0, None)
    assert visit.spent == 607


def test_at_the_end_it_is_exact(visit):
    spending = TokenMeter(visit, 2)
    spending.began(600)
    spending.said(0, None)
    spending.said(1, None)
    spending.said(0, usage(600, 12))
    spending.said(1, usage(600, 1))
    assert visit.spent == 600 + 12 + 1


def test_a_prompt_is_paid_once_even_if_nobody_told_its_length_first(visit):
    spending = TokenMeter(visit, 2)
    spending.said(0, usage(600, 5))
    spending.said(1, usage(600, 5))
    assert visit.spent == 610


def test_a_second_try_costs_only_what_it_says(visit):
    spending = TokenMeter(visit, 1)
    spending.began(600)
    spending.said(0, None)
    spending.began(600)
    spending.said(0, usage(600, 3))
    assert visit.spent == 600 + 1 + 3
