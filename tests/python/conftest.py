"""Makes the helper modules beside the tests importable, and keeps time out of the tests."""

import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(1, str(Path(__file__).parents[1]))

# Nothing is judged by how long it takes: the machines are noisy. A run fails because of a change,
# not by chance: other examples than always are those of `HYPOTHESIS_PROFILE=fresh`.
settings.register_profile("fresh", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("fresh"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


@pytest.fixture
def interruptible() -> Generator[None]:
    """What a shell runs in its background begins with SIGINT ignored, and hands that on."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
