"""The worlds and their yardsticks, as fixtures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from decot.rl.worlds import World, kalman_bps, make


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def world() -> Callable[..., World]:
    """world("planted", n, seed, …)"""
    return make


@pytest.fixture(scope="session")
def kalman() -> Callable[..., float]:
    return kalman_bps
