import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from palo.model import attention

LENGTHS = [5, 3, 3, 1, 7, 3]


@pytest.fixture
def language_model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
        attn_implementation=attention.NAME,
    )
    return LlamaForCausalLM(config).eval()


def packed(lengths: list[int]) -> dict[str, torch.Tensor]:
    return {
        "input_ids": torch.randint(0, 50, (1, sum(lengths))),
        "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
    }


def ends(lengths: list[int]) -> torch.Tensor:
    return torch.tensor([0, *lengths]).cumsum(0).int()


@torch.no_grad()
@pytest.mark.parametrize("lengths", [LENGTHS, [22], [1], [4, 4, 4], [1, 1, 1]])
def test_each_segment_is_as_if_alone(language_model, lengths) -> None:
    row = packed(lengths)
    got = language_model(**row, cu_seq_lens_q=ends(lengths), use_cache=False).logits[0]
    alone = [language_model(ids).logits[0] for ids in row["input_ids"].split(lengths, dim=1)]
    torch.testing.assert_close(got, torch.cat(alone), rtol=0, atol=1e-5)


@torch.no_grad()
def test_without_segments_it_is_sdpa_with_padding(language_model) -> None:
    ids = torch.randint(0, 50, (2, 9))
    mask = torch.ones_like(ids)
    mask[0, :4] = 0
    got = language_model(ids, attention_mask=mask).logits
    language_model.set_attn_implementation("sdpa")
    assert torch.equal(got, language_model(ids, attention_mask=mask).logits)


@torch.no_grad()
def test_without_segments_it_is_sdpa_with_a_cache(language_model) -> None:
    ids = torch.randint(1, 50, (2, 9))
    whole = language_model(ids).logits
    first = language_model(ids[:, :4], use_cache=True)
    rest = language_model(ids[:, 4:], past_key_values=first.past_key_values)
    torch.testing.assert_close(rest.logits, whole[:, 4:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_generation_equals_sdpas(language_model, cache: str) -> None:
    ids = torch.randint(1, 50, (2, 9))
    options = {
        "attention_mask": torch.ones_like(ids).index_fill_(1, torch.tensor([0]), 0),
        "max_new_tokens": 8,
        "do_sample": False,
        "cache_implementation": cache,
        "disable_compile": True,
        "pad_token_id": 0,
    }
    got = language_model.generate(ids, **options)
    language_model.set_attn_implementation("sdpa")
    assert torch.equal(got, language_model.generate(ids, **options))


def test_a_packed_row_without_lengths_is_an_error(language_model) -> None:
    with pytest.raises(ValueError, match="cu_seq_lens_q is missing"):
        language_model(**packed(LENGTHS), use_cache=False)


@pytest.mark.parametrize("lengths", [[5, 3], [*LENGTHS, 1]])
def test_lengths_must_add_up_to_the_row(language_model, lengths) -> None:
    with pytest.raises(ValueError, match="a packed batch is one row without a cache"):
        language_model(**packed(LENGTHS), cu_seq_lens_q=ends(lengths), use_cache=False)


def test_a_batch_of_rows_is_not_packed(language_model) -> None:
    ids = torch.zeros(2, 6, dtype=torch.long)
    with pytest.raises(ValueError, match="one row"):
        language_model(ids, cu_seq_lens_q=ends([3, 3]), use_cache=False)


def test_the_cache_of_an_earlier_row_is_not_packed(language_model) -> None:
    cache = language_model(torch.zeros(1, 4, dtype=torch.long), use_cache=True).past_key_values
    with pytest.raises(ValueError, match="without a cache"):
        language_model(
            torch.zeros(1, 6, dtype=torch.long),
            cu_seq_lens_q=ends([3, 3]),
            past_key_values=cache,
        )


def test_flash_attention_gets_the_arguments_that_transformers_defines() -> None:
    cpu = torch.device("cpu")
    got = attention.packing_arguments(ends(LENGTHS), "flash_attention_2", cpu)
    assert (got["max_length_q"], got["max_length_k"]) == (7, 7)
    assert got["cu_seq_lens_q"].tolist() == got["cu_seq_lens_k"].tolist() == ends(LENGTHS).tolist()


def test_other_implementations_take_no_packed_rows() -> None:
    with pytest.raises(ValueError, match="'eager' takes no packed rows"):
        attention.packing_arguments(ends(LENGTHS), "eager", torch.device("cpu"))


@torch.no_grad()
def test_attention_of_variable_lengths_is_that_of_segments_off_a_gpu(language_model) -> None:
    row = packed(LENGTHS)
    expected = language_model(**row, cu_seq_lens_q=ends(LENGTHS), use_cache=False).logits
    language_model.set_attn_implementation(attention.VARLEN)
    arguments = attention.packing_arguments(ends(LENGTHS), attention.VARLEN, torch.device("cpu"))
    assert torch.equal(language_model(**row, **arguments, use_cache=False).logits, expected)
    padded = {"input_ids": row["input_ids"], "attention_mask": torch.ones(1, 22)}
    assert torch.isfinite(language_model(**padded).logits).all()


def test_gradients_reach_every_segment(language_model) -> None:
    row = packed(LENGTHS)
    embeds = language_model.get_input_embeddings()(row["input_ids"]).detach().requires_grad_()
    logits = language_model(
        inputs_embeds=embeds,
        position_ids=row["position_ids"],
        cu_seq_lens_q=ends(LENGTHS),
        use_cache=False,
    ).logits
    # The third segment's logits must depend on its own tokens and on no others.
    start, end = ends(LENGTHS)[2:4].tolist()
    logits[0, end - 1].sum().backward()
    touched = embeds.grad[0].abs().sum(-1) > 0
    assert touched.tolist() == [start <= place < end for place in range(sum(LENGTHS))]
