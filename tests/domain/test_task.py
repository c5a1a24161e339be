"""What is sent to workers elsewhere is plain data."""

import pickle
from pathlib import Path

from ovquant.domain.task import Job, Task


def test_both_can_be_sent() -> None:
    for sent in (
        Job("module:Class", b"given", "CPU", {"openvino": "2026.4"}),
        Task("score", (Path("a.xml"),), (1, "x")),
    ):
        assert pickle.loads(pickle.dumps(sent)) == sent
