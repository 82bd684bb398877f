"""One private Ray for all local-Ray tests: starting one takes seconds."""

import signal

import pytest
from tests.fixtures.s3 import S3_ENVIRONMENT


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """Lets tests press Ctrl-C: shells have it ignored in what they run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def sigterms():
    """Which SIGTERMs reached the handler that was there before Ray was started."""
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    yield received
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def local_ray(sigterms):
    """A private Ray with four logical CPUs, so that trainers leave some for data tasks."""
    from palo.session import ray_session

    with pytest.MonkeyPatch.context() as patch:
        for name, value in S3_ENVIRONMENT.items():  # workers have what Ray was started with
            patch.setenv(name, value)
        with ray_session(num_cpus=4):
            yield
