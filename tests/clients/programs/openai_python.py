import asyncio

import openai
from checks import MODEL, QUESTION, image_url, raises, run, with_image

client = openai.OpenAI(max_retries=0)
ask = {"model": MODEL, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 24}
response = {"model": MODEL, "input": QUESTION, "max_output_tokens": 24}


def stream():
    parts = list(client.chat.completions.create(**ask, stream=True))
    return "".join(part.choices[0].delta.content or "" for part in parts if part.choices)


async def with_event_loop():
    async with openai.AsyncOpenAI(max_retries=0) as own:
        return (await own.chat.completions.create(**ask)).choices[0].message.content


def response_with_image():
    content = [
        {"type": "input_text", "text": QUESTION},
        {"type": "input_image", "image_url": image_url(), "detail": "auto"},
    ]
    asked = [{"role": "user", "content": content}]
    first = client.responses.create(**response | {"input": asked})
    again = [*asked, *first.output, {"role": "user", "content": "And its colour?"}]
    return client.responses.create(**response | {"input": again}).output_text


def response_stream():
    with client.responses.stream(**response) as events:
        text = "".join(one.delta for one in events if one.type == "response.output_text.delta")
        assert events.get_final_response().output_text == text
    return text


run(
    {
        "models": lambda: client.models.list().data[0].id,
        "chat": lambda: client.chat.completions.create(**ask).choices[0].message.content,
        "chat, asynchronous": lambda: asyncio.run(with_event_loop()),
        "chat, stream": stream,
        "chat, image": lambda: (
            client.chat.completions.create(**ask | {"messages": with_image()})
            .choices[0]
            .message.content
        ),
        "responses": lambda: client.responses.create(**response).output_text,
        "responses, image and history": response_with_image,
        "responses, stream": response_stream,
        "wrong key": lambda: raises(
            openai.AuthenticationError, openai.OpenAI(api_key="sk-wrong").models.list
        ),
        "wrong model": lambda: raises(
            openai.NotFoundError,
            lambda: client.chat.completions.create(**ask | {"model": "nobody"}),
        ),
        "tools": lambda: raises(
            openai.BadRequestError,
            lambda: client.chat.completions.create(**ask, tools=[{"type": "function"}]),
            "tools",
        ),
        "completions": lambda: raises(
            openai.NotFoundError,
            lambda: client.completions.create(model=MODEL, prompt="Once"),
            "/v1/chat/completions",
        ),
        "embeddings": lambda: raises(
            openai.NotFoundError, lambda: client.embeddings.create(model=MODEL, input="x")
        ),
        "too long": lambda: raises(
            openai.BadRequestError,
            lambda: client.responses.create(**response | {"input": "word " * 50_000}),
            "context_length_exceeded",
        ),
    }
)
