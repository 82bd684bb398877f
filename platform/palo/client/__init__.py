"""Clients of OpenAI-compatible servers, palo's own endpoint among them.

    with ChatClient(Endpoint(url="http://127.0.0.1:8000", api_key=key)) as client:
        question = Question(model=client.models()[0], messages=(user("How many?", image),))
        with client.stream(question) as answer:
            for text in answer:
                print(text, end="")

`AsyncChatClient` is the same for programs with an event loop. Light: httpx, no torch, no Ray.
"""

from palo.client.answers import Usage
from palo.client.chat_client import Answer, AsyncAnswer, AsyncChatClient, ChatClient
from palo.client.endpoint import Endpoint
from palo.client.errors import ClientErrorCode, EndpointError
from palo.client.questions import ChatQuestion, ImageContent, Message, assistant, user

__all__ = [
    "Answer",
    "AsyncAnswer",
    "AsyncChatClient",
    "ChatClient",
    "ChatQuestion",
    "ClientErrorCode",
    "Endpoint",
    "EndpointError",
    "ImageContent",
    "Message",
    "Usage",
    "assistant",
    "user",
]
