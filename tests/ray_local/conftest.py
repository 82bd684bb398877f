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


class Sigterms:
    """A handler of SIGTERM that was there before Ray was started.

    Attributes:
        expected: Whether a test sends one; any other ends the tests.
        received: How many reached it.
    """

    def __init__(self):
        self.expected = False
        self.received = 0

    def __call__(self, number, frame):
        if not self.expected:
            raise KeyboardInterrupt
        self.received += 1


@pytest.fixture(scope="session")
def sigterms():
    """Makes Python's handler of SIGTERM one that counts."""
    handler = Sigterms()
    before = signal.signal(signal.SIGTERM, handler)
    yield handler
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
