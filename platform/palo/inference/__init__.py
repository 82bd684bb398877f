"""The inference engine: continuous batching with chunked prefill and a prefix cache.

A request becomes a sequence, which takes a slot: a row of the KV cache. Every step of the scheduler
decodes one token for each running sequence and prefills a bounded chunk of the waiting prompts, so
that no stream waits for another one's prompt. Blocks of the KV cache are kept by their content, so
that a shared beginning, such as the system text and the image, is computed once.

    request = Request(prompt_ids=ids, sampling=Sampling(max_tokens=256))
    with LocalEngine(Scheduler(trained.model, trained.tokenizer)) as engine:
        async for output in engine.stream(request):
            print(output.text, end="")

Shapes that this package's docstrings use, beside those of `palo.model.config`:
    R: rows of a step, one for each token    K: heads of keys and values
    V: ids of the vocabulary                 G: query heads that share one of those
    W: width of a head
"""
