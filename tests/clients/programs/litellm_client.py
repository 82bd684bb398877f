import litellm
from checks import BASE_URL, KEY, MODEL, QUESTION, raises, run, with_image

litellm.suppress_debug_info = True
way = {"model": f"openai/{MODEL}", "api_base": BASE_URL, "api_key": KEY, "max_retries": 0}
ask = {**way, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 24}


def stream():
    parts = litellm.completion(**ask, stream=True)
    return "".join(part.choices[0].delta.content or "" for part in parts if part.choices)


def response_stream():
    events = litellm.responses(**way, input=QUESTION, max_output_tokens=24, stream=True)
    return "".join(one.delta for one in events if one.type == "response.output_text.delta")


run(
    {
        "chat": lambda: litellm.completion(**ask).choices[0].message.content,
        "chat, stream": stream,
        "chat, image": lambda: (
            litellm.completion(**ask | {"messages": with_image()}).choices[0].message.content
        ),
        "responses": lambda: (
            litellm.responses(**way, input=QUESTION, max_output_tokens=24).output[0].content[0].text
        ),
        "responses, stream": response_stream,
        "wrong key": lambda: raises(
            litellm.AuthenticationError, lambda: litellm.completion(**ask | {"api_key": "sk-no"})
        ),
        "wrong model": lambda: raises(
            litellm.NotFoundError, lambda: litellm.completion(**ask | {"model": "openai/nobody"})
        ),
        "too long": lambda: raises(
            litellm.ContextWindowExceededError,
            lambda: litellm.completion(
                **ask | {"messages": [{"role": "user", "content": "word " * 50_000}]}
            ),
        ),
    }
)
