import subprocess

from palo.machine import checkout_state, command_lines, hardware, versions


def test_hardware_names_the_processor_and_the_load():
    machine = hardware()
    assert machine["processor"]
    assert machine["num_cpus"] >= 1
    assert machine["load_before"] >= 0


def test_versions_name_python_and_the_packages():
    assert set(versions(["pytest"])) == {"python", "pytest"}


def test_a_program_that_is_missing_or_fails_gives_no_lines():
    assert command_lines("no-such-program") == []
    assert command_lines("false") == []
    assert command_lines("printf", "a\\nb") == ["a", "b"]


def test_a_checkout_has_a_commit_and_may_differ_from_it(tmp_path):
    def git(*arguments):
        names = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *names, *arguments], check=True)

    git("init", "--quiet")
    (tmp_path / "file").write_text("1")
    git("add", ".")
    git("commit", "--quiet", "--message", "first")
    state = checkout_state(tmp_path)
    assert len(state["commit"]) == 40
    assert not state["dirty"]
    (tmp_path / "file").write_text("2")
    assert checkout_state(tmp_path) == {**state, "dirty": True}
    # A folder within it is another program's, such as an environment with this package.
    (tmp_path / "within").mkdir()
    assert checkout_state(tmp_path / "within") == {"commit": "", "dirty": False}
