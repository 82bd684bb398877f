"""Between the engine's requests and outputs and those of the protocol."""

import dataclasses

from palo.api_errors import APIError, APIErrorCode
from palo.inference.request import Output, Sampling, Token
from palo.serve.protocol.generate import Delta, TokenText
from palo.text.tokenizer import TextTokenizer


def sampling_for(sampling: Sampling, choice: int, stop_ids: tuple[int, ...]) -> Sampling:
    """Returns how one of several answers is drawn: each from a seed of its own.

    Args:
        sampling: What the request says.
        choice: Number of the answer.
        stop_ids: What ends answers of the model.
    """
    seed = None if sampling.seed is None else sampling.seed + choice
    return dataclasses.replace(sampling, seed=seed, stop_ids=stop_ids)


def piece_of(choice: int, output: Output, tokenizer: TextTokenizer | None) -> Delta | APIError:
    """Returns what an output of the engine adds to an answer.

    Args:
        choice: Number of the answer.
        output: The output.
        tokenizer: For the text of tokens; None if nobody asked for them.
    """
    if output.finish == "cancelled":
        return APIError(
            "the replica that answered is going away",
            fix="Ask again.",
            code=APIErrorCode.REPLICA_LOST,
        )
    if output.finish == "error":
        return APIError(
            output.error.fact if output.error else "the model failed",
            fix="Ask again.",
            code=APIErrorCode.INTERNAL,
        )
    tokens = () if tokenizer is None else output.tokens
    return Delta(
        choice=choice,
        text=output.text,
        tokens=tuple(_text_of(token, tokenizer) for token in tokens if tokenizer is not None),
        finish=output.finish,
        usage=output.usage,
    )


def _text_of(token: Token, tokenizer: TextTokenizer) -> TokenText:
    return TokenText(
        data=_bytes_of(token.id, tokenizer),
        logprob=token.logprob or 0.0,
        top=tuple((_bytes_of(other, tokenizer), logprob) for other, logprob in token.top),
    )


def _bytes_of(token_id: int, tokenizer: TextTokenizer) -> bytes:
    return b"" if tokenizer.is_special(token_id) else tokenizer.token_bytes(token_id)
