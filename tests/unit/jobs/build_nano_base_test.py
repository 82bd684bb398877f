import pytest
from jobs import build_nano_base

from palo.errors import ConfigError
from palo.scenes.nano_base import build


@pytest.fixture
def built(monkeypatch):
    """Folders that would be built."""
    folders = []
    monkeypatch.setattr(build, "build_nano_base", lambda folder, *rest: folders.append(folder))
    return folders


def test_help_is_printed_and_nothing_built(built, capsys):
    """Regression: --help began hours of training, into a folder of that name."""
    with pytest.raises(SystemExit) as end:
        build_nano_base.main(["--help"])
    assert not end.value.code
    assert "FOLDER" in capsys.readouterr().out.upper()
    with pytest.raises(ConfigError, match="--folder"):
        build_nano_base.main(["--folder", "x"])
    assert not built


def test_a_folder_is_built_and_by_default_the_packages_own(built, tmp_path):
    build_nano_base.main([str(tmp_path)])
    build_nano_base.main([])
    assert built[0] == tmp_path
    assert (built[1] / "tower").is_dir()
