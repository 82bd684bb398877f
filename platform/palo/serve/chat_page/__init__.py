"""The chat page: images and questions in a browser, in every language of the registry.

It talks HTTP, through `palo.client` alone, so that any server of OpenAI's protocol will do:

    from palo.serve.chat_page.mount import mount_page
    mount_page(app, PageSettings(endpoint=Endpoint(url="http://127.0.0.1:8000"), login=True))

`texts/` holds what it says, a file for each language. Nothing is loaded from the internet.
"""

from palo.serve.chat_page.settings import PageSettings

__all__ = ["PageSettings"]
