"""What Gradio does for pages that it launches itself, done for pages that are mounted.

Gradio looks at the paths that visitors send only if `launch()` was called, and its files lie in a
folder that every user of the machine can read. A test tells when another version changes either.
"""

import functools
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
import gradio.routes


@functools.cache
def _private_folder() -> "tempfile.TemporaryDirectory[str]":
    # Readable by its owner alone, and gone with this process.
    return tempfile.TemporaryDirectory(
        prefix="palo-uploads-", dir=os.environ.get("GRADIO_TEMP_DIR") or None
    )


def make_private(public: Sequence[Path] = ()) -> None:
    """Gives Gradio a folder of this process's own; to be called before a page is made.

    Args:
        public: Folders with files that everybody may see, which are served from where they are.
    """
    folder = str(Path(_private_folder().name).resolve())
    os.environ["GRADIO_TEMP_DIR"] = folder
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    gradio.routes.DEFAULT_TEMP_DIR = folder  # read from the environment when it was imported
    gr.set_static_paths([str(path) for path in public])


def as_if_launched(page: gr.Blocks) -> None:
    """Turns on the checks of paths that Gradio leaves out before a page is launched.

    Args:
        page: The page, already mounted.
    """
    page.has_launched = True
    # Else a path that ends in .svg would count as one that the page itself shows to everybody.
    page.is_running = True
