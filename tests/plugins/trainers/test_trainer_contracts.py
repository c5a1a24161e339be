"""Every built-in trainer is held to the contract."""

import pytest

from ovquant.plugins.registry import Registry
from ovquant.protocols import Trainer
from ovquant.testing import TrainerContract

TRAINERS = ("by-block", "by-block:samples=24,batch=12", "end-to-end", "end-to-end:rates=0.002,batch=8")


class TestBuiltIn(TrainerContract):
    @pytest.fixture(params=TRAINERS)
    def trainer(self, request: pytest.FixtureRequest) -> Trainer:
        found: Trainer = Registry("trainers").resolve(request.param)
        return found
