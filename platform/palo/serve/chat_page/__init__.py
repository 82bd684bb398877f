"""The chat page: images and questions in a browser, in every language of the registry.

It talks HTTP, through `palo.client` alone, so that any server of OpenAI's protocol will do:

    from palo.serve.chat_page.mount import mount_page
    from palo.serve.chat_page.settings import PageSettings
    mount_page(app, PageSettings(endpoint=Endpoint(url="http://127.0.0.1:8000"), login=True))

Its texts are in `palo/webui/texts/`, a file for each language. Nothing is loaded from the internet.
"""
