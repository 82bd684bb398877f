"""The job that imports, and jobs that take foreign checkpoints where they take a model."""

from pathlib import Path

import pytest
from jobs import import_checkpoint, serve
from tests.fixtures import layouts as tiny
from tests.fixtures.damaged_layouts import change_json

from palo.checkpoint.finished import is_finished
from palo.checkpoint.importing import open_model
from palo.errors import ConfigError, MismatchError
from palo.pipeline.job import imported, recipe_job
from palo.pipeline.starts import with_start
from palo.recipes import RECIPES


def test_it_says_what_it_found_and_what_is_next(imports, palo_folder, capsys):
    import_checkpoint.main([str(palo_folder)])
    text = capsys.readouterr().out
    stage = open_model(palo_folder)
    assert "PALO), projector mlp2x_gelu" in text
    assert f"model      {stage}" in text
    assert "MiB  projector.safetensors" in text
    assert f"python jobs/chat.py {palo_folder} --image PATH" in text


def test_it_writes_to_a_folder_of_choice(imports, tmp_path, tiny_palo, capsys):
    tiny.write_lora(tmp_path / "lora", tiny_palo)
    base = tiny.write_language_model(tmp_path / "base", tiny_palo)
    tower = tiny.write_clip(tmp_path / "tower", tiny_palo)
    output = tmp_path / "mine"
    named = ["--base", str(base), "--tower", str(tower), "--output", str(output)]
    import_checkpoint.main([str(tmp_path / "lora"), *named])
    assert is_finished(output)
    text = capsys.readouterr().out
    assert f"base: {base}" in text
    assert "with a LoRA adapter" in text
    assert f"python jobs/serve.py {output}" in text


def test_a_model_of_ours_is_not_said_to_be_written_elsewhere(imports, palo_folder, tmp_path):
    """Regression: --output was dropped in silence, and the job ended well."""
    stage = open_model(palo_folder)
    for flag in ("--output", "--base", "--tower"):
        with pytest.raises(ConfigError, match=f"used where it lies: {stage}"):
            import_checkpoint.main([str(stage), flag, str(tmp_path / "copy")])
    assert not (tmp_path / "copy").exists()


def test_it_needs_a_source():
    with pytest.raises(ConfigError, match="folder of the checkpoint is missing"):
        import_checkpoint.main([])


def test_a_part_is_told_from_a_model(imports, tmp_path, tiny_palo):
    folder = tiny.write_language_model(tmp_path / "vicuna", tiny_palo)
    with pytest.raises(MismatchError, match="only a part of a model"):
        import_checkpoint.main([str(folder)])


def test_models_to_serve_are_imported_and_keep_their_names(imports, palo_folder, finished_stage):
    found = serve._open_models([palo_folder, finished_stage])
    assert found == {"palo": open_model(palo_folder), "stage": finished_stage}
    with pytest.raises(ConfigError, match="two models have one name: palo"):
        serve._open_models([palo_folder, palo_folder])


def test_a_recipes_parts_and_start_are_imported(imports, tmp_path, tiny_palo):
    vicuna = tiny.write_language_model(tmp_path / "vicuna", tiny_palo)
    clip = tiny.write_clip(tmp_path / "clip", tiny_palo)
    path = tiny.write_projector_file(tmp_path / "mm_projector.bin", tiny_palo)
    recipe = with_start(RECIPES["7b"](), path)
    assert recipe.pretrain is None
    from dataclasses import replace

    parts = replace(recipe.parts, tower=clip, language_model=vicuna, tokenizer=vicuna)
    opened = imported(replace(recipe, parts=parts))
    assert opened.projector is not None
    assert (opened.projector / "projector.safetensors").is_file()
    assert {opened.parts.tower.parent, opened.parts.language_model.parent} == {imports}
    assert opened.parts.tokenizer == vicuna


@pytest.mark.parametrize("arguments", [["--start-from"], ["--start-from", "--output"]])
def test_a_start_without_a_path_is_told(arguments):
    with pytest.raises(ConfigError, match="--start-from has no value"):
        recipe_job("jobs/finetune.py", lambda recipe: None)(["7b", *arguments])


def test_the_help_of_a_recipe_names_the_shortcuts(capsys):
    with pytest.raises(SystemExit):
        recipe_job("jobs/finetune.py", lambda recipe: None)(["7b", "--help"])
    printed = capsys.readouterr().out
    assert "--start-from PATH  a run, a finished stage or a released projector" in printed
    assert "--data FILE" in printed


def test_a_start_that_is_missing_is_left_to_the_training(tmp_path):
    recipe = with_start(RECIPES["7b"](), tmp_path / "missing")
    assert imported(recipe).projector == Path(tmp_path / "missing")


def test_a_folder_without_a_model_is_told_as_before(imports, tmp_path):
    from palo.checkpoint.finished import describe_stage
    from palo.errors import DataError

    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no finished model here"):
        describe_stage(open_model(tmp_path / "empty"))


def test_a_change_of_the_template_is_no_business_of_the_name(imports, palo_folder):
    """A folder's name decides nothing: neither the template nor whether the model sees."""
    renamed = palo_folder.rename(palo_folder.with_name("plain-text-model"))
    change_json(renamed / "config.json", model_type="llama", architectures=["LlamaForCausalLM"])
    assert is_finished(open_model(renamed))
