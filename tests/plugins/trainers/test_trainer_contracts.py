"""Every built-in trainer is held to the contract."""

import pytest

from ovquant.plugins.registry import Registry
from ovquant.protocols import Trainer
from ovquant.testing import TrainerContract

TRAINERS = ("end-to-end",)


class TestBuiltIn(TrainerContract):
    @pytest.fixture(params=TRAINERS)
    def trainer(self, request: pytest.FixtureRequest) -> Trainer:
        found: Trainer = Registry("trainers").resolve(request.param)
        return found
