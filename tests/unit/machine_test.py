from palo.machine import command_lines, hardware, versions


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
