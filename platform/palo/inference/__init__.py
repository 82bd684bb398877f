"""The engine: many requests at once through one model, token by token.

A request takes a slot, which is a row of the KV cache. Every step of the engine gives each request
that is answering its next token, and works off a bounded chunk of the prompts that wait: no stream
ever waits for another one's prompt. Blocks of prompts and answers are kept by their content, so
that what many requests begin with, the system text and the image, is computed once.

    request = Request(prompt_ids=ids, sampling=Sampling(max_tokens=256))
    with LocalEngine(Batcher(trained.model, trained.tokenizer)) as engine:
        async for output in engine.stream(request):
            print(output.text, end="")

Shapes that this package's docstrings use, beside those of `palo.model.config`:
    R: rows of a step, one for each token    K: heads of keys and values
    V: ids of the vocabulary                 G: query heads that share one of those
    W: width of a head
"""
