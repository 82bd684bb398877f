"""A browser, and the chat page in front of a small server, for the tests of this folder."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.fixtures.browser_pages import served
from tests.fixtures.chat_server import ChatServer, running_chat_server

from palo.serve.served_runs import TRAIN_COMMAND

KEY = "sk-browser"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what is in this folder."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


@dataclass(kw_only=True)
class Page:
    """The chat page as it is served.

    Attributes:
        url: Its address.
        chat: The server behind it.
        feedback: Its folder of opinions.
        foreign: Addresses elsewhere that browsers asked for.
        faults: What browsers said went wrong.
    """

    url: str
    chat: ChatServer
    feedback: Path
    foreign: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Debian's chromium, headless. Playwright's event loop must not outlive its tests."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("needs Debian's package chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright from PyPI")
    arguments = ["--disable-gpu", "--use-fake-device-for-media-stream"]
    arguments += ["--use-fake-ui-for-media-stream"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page, served from a thread of this process."""
    from palo.client import Endpoint
    from palo.serve.chat_page.mount import mount_page
    from palo.serve.chat_page.settings import PageSettings

    folder = tmp_path_factory.mktemp("feedback")
    with running_chat_server() as chat:
        chat.key = KEY
        settings = PageSettings(
            endpoint=Endpoint(url=chat.url),
            login=True,
            feedback=folder,
            train_command=TRAIN_COMMAND,
        )
        # Where Ray Serve has it: whatever browsers ask for must lie below this path.
        with served(lambda app: mount_page(app, settings), "/chat") as url:
            yield Page(url=url, chat=chat, feedback=folder)


@pytest.fixture
def visit(chromium: Any, page: Page) -> Iterator[Callable[..., Any]]:
    """Opens the page as somebody with a language and a screen, and logs in."""
    contexts = []

    def open_page(language: str, **screen: Any) -> Any:
        context = chromium.new_context(locale=language, permissions=["camera"], **screen)
        context.set_default_timeout(90_000)
        contexts.append(context)
        tab = context.new_page()
        here = (page.url, "data:", "blob:")
        tab.on("request", lambda r: r.url.startswith(here) or page.foreign.append(r.url))
        tab.on("pageerror", lambda error: page.faults.append(str(error)))
        tab.goto(page.url)
        tab.fill("#key", KEY)
        tab.keyboard.press("Enter")
        tab.wait_for_selector(f"html[data-palo=ready][lang={language}]")
        return tab

    yield open_page
    page.chat.pause_s, page.chat.endless = 0.0, False
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def violations() -> Callable[[Any], list[str]]:
    """Returns what axe-core finds wrong with a tab for people with disabilities."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-core")

    def found(tab: Any) -> list[str]:
        results = axe.Axe().run(tab, options={"resultTypes": ["violations"]}).response
        return [
            f"{one['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
            for one in results["violations"]
            for node in one["nodes"]
        ]

    return found


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A scene with two red circles, large as a photo is."""
    import random

    from palo.scenes.draw import draw_scene
    from palo.scenes.scene import Scene, Thing

    things = tuple(Thing(cell=cell, shape="circle", colour="red") for cell in (0, 4))
    drawn = draw_scene(Scene(things=things), random.Random(1))
    path = tmp_path / "scene.png"
    drawn.resize((384, 384)).save(path)
    return path


@pytest.fixture
def keep_screenshot() -> Callable[[Any, str], None]:
    """Keeps what a tab shows, for people to look at, in the folder that PALO_SCREENSHOTS names."""
    folder = os.environ.get("PALO_SCREENSHOTS")

    def keep(tab: Any, name: str) -> None:
        if folder is not None:
            tab.wait_for_timeout(600)
            tab.screenshot(path=f"{folder}/{name}.png")

    return keep
