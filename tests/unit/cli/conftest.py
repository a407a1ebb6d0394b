import random

import pytest
from drover_cli.local.ports import choose_port


@pytest.fixture
def free_port() -> int:
    return choose_port(None, set(), random.SystemRandom())
