"""The plan: everything needed to build a model again, as a small JSON file."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ovquant.domain.layer import F32, FLOAT, LEVELS
from ovquant.domain.recipe import Recipe, digest
from ovquant.domain.taught import Taught
from ovquant.domain.titles import numbers, title
from ovquant.domain.typed import read_json, typed
from ovquant.errors import UsageError

PLAN_SCHEMA = 2
"""In schema 1 a layer of a quantized model that was put back to the device's own float had the level `f32`."""


@dataclass(frozen=True)
class NormalForm:
    """Which openvino brought a model into normal form, and what it calls operations there, by their original names."""

    openvino: str
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A recipe, the levels of the layers that differ from it, and the properties to compile with.

    `recipe` is None for the float model. `layers` maps a layer's name to its level, for the layers that were put back: to
    the device's own `float`, to `f32` where that is below it, or to `int8-weights` where weights have fewer bits; all others have the precision that the recipe gives them. `budget`
    is what it was made to hold, as `metric` and the fields of Budget; it decides nothing of what is built. `normal` is, where
    the recipe quantizes the normal form, how that came about: layers have the names that they have there. `taught` is, where numbers
    were trained, how; these lie in plan.safetensors.
    """

    name: str = FLOAT
    recipe: Recipe | None = None
    layers: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    compress_to_fp16: bool = False
    budget: Mapping[str, Any] | None = None
    normal: NormalForm | None = None
    taught: Taught | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be built: a plan may come from a file that was edited by hand."""
        for layer, level in self.layers.items():
            if level not in LEVELS:
                raise UsageError(
                    f"The plan asks for {level!r} in the layer '{layer}', which cannot be built: a layer has the precision "
                    f"that the recipe gives it, or {' or '.join(LEVELS)}. Take it out of the plan's layers."
                )

    @property
    def title(self) -> str:
        """Return what the plan is called where people read it; `name` is the recipe as it is typed."""
        return title(self.name, self.recipe)

    @property
    def full_title(self) -> str:
        """Return the title, and the numbers of the recipe, by which plans of the same operations differ."""
        behind = numbers(self.recipe)
        return f"{self.title} ({behind})" if behind else self.title

    @property
    def is_float(self) -> bool:
        """Tell whether nothing is quantized."""
        return self.recipe is None

    @property
    def quantizes(self) -> bool:
        """Tell whether it has a recipe that puts layers in lower precision than the device's float."""
        return self.recipe is not None and self.recipe.quantizes

    @property
    def runs_int8(self) -> bool:
        """Tell whether activations are quantized, so that answers depend on how a processor adds int8 products."""
        return self.recipe is not None and self.quantizes and self.recipe.algorithm != "weights"

    @property
    def key(self) -> str:
        """Return a short fingerprint of what is built and served; its name, its budget and the names of layers aside."""
        values = replace(self, normal=None, taught=None).to_json()
        del values["budget"]
        if self.quantizes:
            # Profiles of schema 1 know plans by keys in which this was what float was called.
            values["layers"] = {
                name: F32 if level == FLOAT else f"in {level}" for name, level in values["layers"].items()
            }
        return digest({**values, "schema": 1, "name": ""})

    def renamed(self, name: str) -> "Plan":
        """Return the same plan under another name."""
        return replace(self, name=name)

    def allowing(self, drop: float) -> "Plan":
        """Return the plan for a drop in the metric's unit, which changes it only where the recipe goes by it."""
        if self.recipe is None or self.recipe.algorithm != "accuracy-control":
            return self
        return replace(self, recipe=replace(self.recipe, allowed_drop=drop))

    def with_levels(self, levels: Iterable[tuple[str, str]]) -> "Plan":
        """Return a recipe's plan with layers put back to the levels given, named after it."""
        layers = dict(sorted(levels))
        if not layers:
            return self
        counts = Counter(layers.values())
        behind = [
            f"{counts[level]} layer{'s' if counts[level] > 1 else ''} in {level}" for level in LEVELS if counts[level]
        ]
        return replace(self, name=", ".join([self.name, *behind]), layers=layers)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        normal = {} if self.normal is None else {"normal": asdict(self.normal)}
        return {
            "schema": PLAN_SCHEMA,
            "name": self.name,
            "recipe": None if self.recipe is None else self.recipe.to_json(),
            "layers": dict(sorted(self.layers.items())),
            "properties": dict(sorted(self.properties.items())),
            "compress_to_fp16": self.compress_to_fp16,
            "budget": None if self.budget is None else dict(self.budget),
            **normal,
            **({} if self.taught is None else {"taught": asdict(self.taught)}),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Plan":
        """Read what `to_json` wrote."""
        if not isinstance(values, Mapping):
            raise ValueError(f"a plan is {values!r:.60}, where fields by name are expected")
        schema = values.get("schema")
        if schema not in (1, PLAN_SCHEMA):
            raise UsageError(f"This plan has schema {schema}; this version reads schemas 1 and {PLAN_SCHEMA}.")
        recipe = None if values["recipe"] is None else Recipe.from_json(values["recipe"])
        plain = {name: value for name, value in values.items() if name in Plan.__dataclass_fields__}
        plan = typed(cls, plain, recipe=recipe)
        if plan.taught is not None and recipe is not None:
            # These numbers are meant, and not those of another training.
            plan = replace(plan, recipe=replace(recipe, trained=plan.taught.numbers))
        return replace(plan, layers=dict.fromkeys(plan.layers, FLOAT)) if schema == 1 and plan.quantizes else plan

    def save(self, path: Path) -> None:
        """Write the plan as JSON."""
        path.write_text(json.dumps(self.to_json(), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """Read a plan file; raises UsageError when it is missing or no plan."""
        try:
            return cls.from_json(read_json(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"'{path}' is not a valid plan file: {error}. Give the plan.json of a result.") from error
