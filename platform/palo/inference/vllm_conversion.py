"""Conversion to and from vLLM's types: engine arguments, sampling, prompts and tokens."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from palo.inference.engine import EngineSettings
from palo.inference.request import Token
from palo.inference.sequence import SequenceState

if TYPE_CHECKING:
    from palo.model import PaloForConditionalGeneration


def engine_arguments(
    settings: EngineSettings, max_context: int, language_model: Path, dtype: torch.dtype
) -> dict[str, Any]:
    """Returns vLLM's engine arguments.

    Args:
        settings: Sizes of the engine.
        max_context: Longest prompt with its answer, in tokens.
        language_model: Folder of the language model.
        dtype: Type of its weights.
    """
    return {
        "model": str(language_model),
        "skip_tokenizer_init": True,
        "enable_prompt_embeds": True,
        "enable_prefix_caching": settings.prefix_cache_bytes > 0,
        "max_model_len": max_context,
        "max_num_seqs": settings.num_slots,
        "gpu_memory_utilization": settings.gpu_memory_share,
        "dtype": str(dtype).removeprefix("torch."),
        "disable_log_stats": True,
        "enable_log_requests": False,
    }


def prompt_for(model: "PaloForConditionalGeneration", sequence: SequenceState) -> dict[str, Any]:
    """Returns a sequence's prompt for vLLM: its embeddings and cache salt.

    Args:
        model: The model.
        sequence: The sequence.
    """
    salt = sequence.request.salt
    return {"prompt_embeds": _embeddings_of(model, sequence)} | (
        {"cache_salt": salt} if salt else {}
    )


@torch.inference_mode()
def _embeddings_of(model: "PaloForConditionalGeneration", sequence: SequenceState) -> Tensor:
    """Returns the embeddings (L, H) of a sequence's prompt, in main memory."""
    request = sequence.request
    features = [request.features[image_id] for image_id in request.image_ids]
    ids = torch.tensor([sequence.prompt], device=model.device)
    stacked = torch.stack(features).to(model.device, model.dtype) if features else None
    return model.embed(ids, features=stacked)[0].cpu()


def sampling_params(sequence: SequenceState, allowed_ids: list[int] | None) -> Any:  # noqa: ANN401 - a class of vLLM's
    """Returns vLLM's sampling parameters for a sequence.

    Args:
        sequence: The sequence.
        allowed_ids: Ids that may be sampled; None for all of the model's.
    """
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    sampling, num_begun = sequence.request.sampling, len(sequence.request.begun_ids)
    return SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        repetition_penalty=sampling.repetition_penalty,
        # The random numbers of an answer that goes on must not be those of its beginning again.
        seed=None if sampling.seed is None else sampling.seed + num_begun,
        max_tokens=sequence.max_tokens - num_begun,
        stop_token_ids=list(sampling.stop_ids),
        ignore_eos=True,
        logprobs=sampling.num_logprobs,
        allowed_token_ids=allowed_ids,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
    )


def tokens_from(completion: Any, num_logprobs: int | None) -> Iterator[Token]:  # noqa: ANN401 - a class of vLLM's
    """Yields the tokens of one of vLLM's outputs.

    Args:
        completion: The output.
        num_logprobs: Most probable ids to report beside each token; None for no log probabilities.
    """
    for place, token_id in enumerate(completion.token_ids):
        if num_logprobs is None:
            yield Token(id=int(token_id))
            continue
        logprobs = completion.logprobs[place]
        likeliest = sorted(logprobs.items(), key=lambda pair: -pair[1].logprob)[:num_logprobs]
        yield Token(
            id=int(token_id),
            logprob=float(logprobs[token_id].logprob),
            top=tuple((int(other), float(value.logprob)) for other, value in likeliest),
        )
