import openai
from checks import MODEL, QUESTION, image_url, raises, run
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

chat = ChatOpenAI(model=MODEL, max_tokens=24, max_retries=0)
responses = ChatOpenAI(model=MODEL, max_tokens=24, max_retries=0, use_responses_api=True)
image = HumanMessage(
    [
        {"type": "text", "text": QUESTION},
        {"type": "image_url", "image_url": {"url": image_url()}},
    ]
)


class Found(BaseModel):
    colour: str


run(
    {
        "chat": lambda: chat.invoke(QUESTION).content,
        "chat, stream": lambda: "".join(part.content for part in chat.stream(QUESTION)),
        "chat, image": lambda: chat.invoke([image]).content,
        "responses": lambda: responses.invoke(QUESTION).text,
        "responses, image": lambda: responses.invoke([image]).text,
        "responses, stream": lambda: "".join(part.text for part in responses.stream(QUESTION)),
        "wrong key": lambda: raises(
            openai.AuthenticationError, lambda: ChatOpenAI(api_key="sk-no", model=MODEL).invoke("?")
        ),
        "structured output": lambda: raises(
            openai.BadRequestError, lambda: chat.with_structured_output(Found).invoke(QUESTION)
        ),
        "too long": lambda: raises(
            ContextOverflowError,
            lambda: chat.invoke("word " * 50_000),
        ),
    }
)
