import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("engine", deadline=None, derandomize=True, max_examples=30, database=None)
settings.load_profile("engine")


@pytest.fixture
def rng():
    return np.random.default_rng(0)
