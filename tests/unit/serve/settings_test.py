from pathlib import Path

import pytest

from palo import config
from palo.errors import ConfigError
from palo.serve.settings import ModelSource, ServeSettings

_MODELS = (ModelSource(name="palo", folder=Path("runs/palo")),)


@pytest.mark.parametrize("path", [None, "/chat", "/chat/", "/palo/chat"])
def test_a_page_has_a_path_of_this_server(path):
    config.check(ServeSettings(models=_MODELS, page_path=path))


@pytest.mark.parametrize("path", ["", "/", "//evil.example/", "/a//b", "http://x/", "/\\evil"])
def test_the_root_leads_nowhere_else(path):
    with pytest.raises(ConfigError, match="page_path"):
        config.check(ServeSettings(models=_MODELS, page_path=path))
