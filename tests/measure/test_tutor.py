"""Numbers that learn: made from a recipe's own, kept in files, and known again."""

import itertools
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch

from ovquant.domain.profile import Profile
from ovquant.domain.recipe import Recipe
from ovquant.domain.sample import Sample
from ovquant.domain.split import Subset, whole
from ovquant.errors import DataError, ModelError
from ovquant.graph.numbers import stored_numbers
from ovquant.measure.tutor import Tutor, digest_of, divided, read_numbers, with_learned, write_numbers
from ovquant.plugins.loaders import load_model
from ovquant.quantization import Compressed, quantize
from ovquant.testing.trainers import rounded

SIZE, SAMPLES = 32, 120
RECIPE = Recipe(
    algorithm="weights", weight_bits=4, group_size=16, trainer="end-to-end", train_seconds=6.0, calibration_size=8
)
KEY = {"model": "one"}


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have so many steps in a second, whatever else the processors do."""
    ticks = itertools.count()
    monkeypatch.setattr("ovquant.lessons.course.monotonic", lambda: next(ticks) / 40)


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = torch.nn.Sequential(
            torch.nn.Linear(SIZE, 48), torch.nn.ReLU(), torch.nn.Linear(48, 48), torch.nn.ReLU(), torch.nn.Linear(48, 6)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


@pytest.fixture(scope="module")
def samples() -> Subset:
    random = np.random.default_rng(0)
    rows = (random.normal(size=(SAMPLES, 6)) @ random.normal(size=(6, SIZE))).astype(np.float32)
    return whole([Sample(row) for row in rows])


@pytest.fixture(scope="module")
def base(samples: Subset) -> Compressed:
    model = load_model((Net(), torch.zeros(1, SIZE)))
    made = quantize(model, RECIPE.untrained, calibration=[samples[place].inputs[None] for place in range(8)])
    assert isinstance(made, Compressed)
    return made


@pytest.fixture
def tutor(tmp_path: Path) -> Tutor:
    return Tutor(tmp_path / "work", Profile(tmp_path / "profile.jsonl"), Net())


def error(base: Compressed, samples: Subset) -> float:
    """Return the squared error of a model's outputs relative to float's."""
    inputs = np.stack([samples[place].inputs for place in range(SAMPLES)])
    properties = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    found, wanted = (
        openvino.Core().compile_model(model, "CPU", properties)([inputs])[0] for model in (base.build(), base.original)
    )
    return float(((found - wanted) ** 2).sum() / (wanted**2).sum())


def test_what_is_learned_answers_nearer_to_float_and_is_known_again(
    tutor: Tutor, base: Compressed, samples: Subset
) -> None:
    assert tutor.known(RECIPE, KEY) is None
    file = tutor.learn(RECIPE, KEY, base, samples, 0)
    assert error(with_learned(base, file), samples) < 0.9 * error(base, samples)
    found = Tutor(tutor.folder, Profile(tutor.profile.path)).known(RECIPE, KEY)
    assert found is not None
    taught, again = found
    assert again == file
    assert taught is not None
    assert taught.numbers == digest_of(file)
    assert taught.after < taught.before
    assert taught.curve[0] == (0, taught.before)
    assert (taught.samples, taught.data, taught.seed) == (SAMPLES, samples.inputs, 0)
    assert {"torch", "openvino"} <= set(taught.versions)
    assert [path.suffix for path in tutor.folder.iterdir()] == [".safetensors"]
    # Only weights in four bits learn.
    assert set(read_numbers(file)) == set(stored_numbers(base.model))


def test_the_module_that_was_given_is_not_changed(tutor: Tutor, base: Compressed, samples: Subset) -> None:
    before = {name: value.clone() for name, value in tutor.module.state_dict().items()}
    tutor.learn(RECIPE, KEY, base, samples, 0)
    assert list(tutor.module.state_dict()) == list(before)
    assert all((tutor.module.state_dict()[name] == value).all() for name, value in before.items())


def test_the_callers_random_numbers_stay_as_they_are(tutor: Tutor, base: Compressed, samples: Subset) -> None:
    before = torch.get_rng_state()
    tutor.learn(RECIPE, KEY, base, samples, 0)
    torch.testing.assert_close(torch.get_rng_state(), before)


def test_without_safetensors_nothing_is_begun(
    tutor: Tutor, base: Compressed, samples: Subset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ModelError, match=r"pip install ovquant\[train\]"):
        tutor.learn(RECIPE, KEY, base, samples, 0)
    assert not tutor.folder.exists()


def test_numbers_that_are_gone_or_changed_are_told(tutor: Tutor, base: Compressed, samples: Subset) -> None:
    file = tutor.learn(RECIPE, KEY, base, samples, 0)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="not there any more"):
        tutor.known(RECIPE, KEY)


def test_a_plan_names_its_numbers(tutor: Tutor, base: Compressed, samples: Subset, tmp_path: Path) -> None:
    file = tutor.learn(RECIPE, KEY, base, samples, 0)
    known = Recipe(**{**RECIPE.to_json(), "trained": digest_of(file)})
    given = Tutor(tmp_path / "other", Profile())
    with pytest.raises(ModelError, match="plan.safetensors is not beside it"):
        given.known(known, KEY)
    given.given = file
    assert given.known(known, KEY) == (None, file)
    other = write_other(tmp_path / "other.safetensors", base)
    given.given = other
    with pytest.raises(ModelError, match="does not hold the numbers"):
        given.known(known, KEY)


def write_other(file: Path, base: Compressed) -> Path:
    write_numbers(file, stored_numbers(base.model))
    return file


def test_numbers_of_another_model_are_refused(base: Compressed, tmp_path: Path) -> None:
    file = tmp_path / "numbers.safetensors"
    write_numbers(file, {"body": rounded(np.ones((4, 8), np.float32) * np.arange(8))})
    with pytest.raises(ModelError, match="not of this model: 'body' does not store"):
        with_learned(base, file)
    file.write_bytes(b"no numbers")
    with pytest.raises(ModelError, match="not of this model"):
        with_learned(base, file)


def test_without_a_module_it_says_what_to_give(base: Compressed, samples: Subset, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Give it as --module"):
        Tutor(tmp_path, Profile()).learn(RECIPE, KEY, base, samples, 0)


def test_too_few_samples_are_an_error(tutor: Tutor, base: Compressed, samples: Subset) -> None:
    with pytest.raises(DataError, match="9 samples are too few"):
        tutor.learn(RECIPE, KEY, base, samples.only(range(9)), 0)


def test_where_memory_does_not_suffice_both_figures_are_told(
    tutor: Tutor, base: Compressed, samples: Subset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ovquant.runtime.free_bytes", lambda: 10**8)
    with pytest.raises(
        ModelError, match="needs about 1.0 GB of memory, and 0.1 GB are free. What takes less: --trainer by-block"
    ):
        tutor.learn(RECIPE, KEY, base, samples, 0)


def test_groups_are_kept_whole() -> None:
    groups = tuple(str(place % 10) for place in range(SAMPLES))
    data = Subset([], tuple(range(SAMPLES)), "", "", groups=groups)
    places, kept = divided(data, 0)
    assert Counter(groups[place] for place in kept) == dict.fromkeys({groups[place] for place in kept}, SAMPLES // 10)
    assert not {groups[place] for place in kept} & {groups[place] for place in places}
    assert len(places) == SAMPLES - 2 * SAMPLES // 10
