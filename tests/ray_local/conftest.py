"""One private Ray for all local-Ray tests: starting one takes seconds."""

import pytest


@pytest.fixture(scope="session")
def local_ray():
    """A private Ray with four logical CPUs, so that trainers leave some for data tasks."""
    from palo.session import ray_session

    with ray_session(num_cpus=4):
        yield
