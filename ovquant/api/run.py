"""A run: from described model and data to a search, and from its outcome to a result."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from ovquant import runtime
from ovquant.api.options import Options
from ovquant.api.prepare import Described
from ovquant.api.result import Result
from ovquant.api.workspace import Work, save_plan, take_model
from ovquant.domain.budget import Budget
from ovquant.domain.checks import BOTH
from ovquant.domain.digest import model_digest
from ovquant.domain.holdout_log import remember
from ovquant.domain.objective import GENERATING
from ovquant.domain.plan import Plan
from ovquant.domain.recipe import FLOATS, Recipe
from ovquant.domain.result import CANDIDATE, Data, Provenance
from ovquant.domain.split import By, Splits
from ovquant.domain.table import TRAINED, UNROUNDED, PartNames
from ovquant.domain.trial import WHERE, Scores, Trial
from ovquant.errors import LostError, MetricError, ModelError, UsageError
from ovquant.measure.instruments import Details
from ovquant.measure.workbench import FAILURES, Workbench
from ovquant.plugins.metrics.checks import callable_name
from ovquant.plugins.recipes import offered_parts, opening_parts, read_recipe, split_parts
from ovquant.plugins.registry import Registry
from ovquant.search.gains import Gains
from ovquant.search.holdout import Outcome, lost
from ovquant.search.loop import Search
from ovquant.search.standings import Offer


@dataclass(frozen=True)
class Run:
    """One run of a public function: its model and metrics, how it was asked to go, and where it measures.

    `begin` is when it began, by time.monotonic(), and `command` how it was called, if that was at a shell.
    """

    described: Described
    settings: Options
    budget: Budget
    bench: Workbench
    begin: float
    command: str = ""

    def search(
        self,
        on_trial: Callable[[Trial], None],
        on_best: Callable[[Trial], None] = lambda trial: None,
        *,
        to_the_end: bool = False,
    ) -> Search:
        """Return the search over the recipes asked for, or over all that suit the model.

        to_the_end: go on as long as the strategy does, though nothing is gained, as for a profile.
        """
        settings, kept = self.settings, self.described.kept
        start = Recipe(keep_float_types=kept.types, keep_float_names=kept.names, graph=self.described.graph)

        def read(names: Sequence[str]) -> Recipe:
            recipe = read_recipe([part for name in names for part in split_parts(name)], start=start)
            trained = self.described.trained_fingerprint
            return replace(recipe, trained=trained) if recipe.algorithm == TRAINED else recipe

        return Search(
            self.bench,
            self.budget,
            Registry("strategies").resolve(settings.strategy),
            self._offer(read),
            read,
            until=float("inf") if settings.time_budget is None else self.begin + settings.time_budget,
            most_trials=settings.max_trials,
            pareto=settings.pareto,
            on_trial=on_trial,
            on_best=on_best,
            gains=Gains(ends=not to_the_end and not settings.says_how_long),
        )

    def _offer(self, read: Callable[[PartNames], Recipe]) -> Offer:
        """Return the recipe parts that may be tried: those asked for, or all that suit the model and the objective."""
        settings = self.settings
        asked = tuple(settings.recipes)
        parts = self._with_trained(asked or tuple(offered_parts(self.described.operations)))
        weights = tuple(part for part in parts if read((part,)).algorithm == "weights")
        few_bits = any(read((part,)).weight_bits < 8 for part in weights)
        smallest = settings.optimize == "size" and few_bits and self.budget.max_latency_ms is None
        weights_alone = not asked and (settings.optimize in GENERATING or smallest)
        if weights_alone:
            # A token takes what it takes to read the weights, and they are what has a size; rounding activations as well would only
            # cost accuracy.
            parts = tuple(part for part in parts if part in {*weights, TRAINED, UNROUNDED})
        # A recipe that was asked for is tried as it is, and other algorithms take none of the settings of quantization.
        apart = {part for part in parts if read((part,)).algorithm != "post-training"}
        plain = read(()).sketch
        free = {part for part in parts if read((part,)) != read(()) and read((part,)).sketch == plain}
        default = self.bench.conditions.circumstances["precision"]
        precision = settings.deployment().properties.get(runtime.PRECISION, default)
        for part in parts:
            kind = read((part,)).algorithm
            if kind in FLOATS and kind != precision:
                raise UsageError(
                    f"The recipe '{part}' is for devices that compute float in {kind}, and {settings.device} computes it in "
                    f"{precision} here. Leave it out."
                )
        anywhere = self.bench.conditions.circumstances["int8"] == BOTH
        opening = () if asked else weights[:1] if weights_alone else opening_parts(parts, anywhere=anywhere)
        pinning = precision if precision in FLOATS and not asked else ""
        sets = (frozenset(parts if asked else apart), frozenset(free))
        return Offer(parts, *sets, settings.seed, opening, pinning, self._training())

    def _training(self) -> str:
        """Return the part that trains numbers, "" where that was not asked for; raises UnknownPluginError for a way that there is not."""
        settings = self.settings
        if settings.train is None:
            return ""
        Registry("trainers").resolve(settings.trainer)
        return f"train:trainer={settings.trainer},seconds={settings.train:g}"

    def _with_trained(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """Return parts with that of the trained model first, where one was given; raises UsageError where it is asked for and was not."""
        if self.described.trained_fingerprint:
            return (TRAINED, *(part for part in parts if part != TRAINED))
        if TRAINED in parts:
            raise UsageError(
                f"The recipe '{TRAINED}' is of a model that was trained; give that, and the float one as --reference."
            )
        return parts

    def finish(self, outcome: Outcome, work: Work) -> Result:
        """Put the chosen model into the work folder, describe the run, and give the folder its final name."""
        splits = self.bench.conditions.splits
        outcome = self._documented(outcome)
        chosen, baseline = (self._with_memory(trial) for trial in (outcome.chosen, outcome.baseline))
        for samples in (splits.search, splits.holdout, splits.calibration):
            remember(self.bench.profile, samples)
        take_model(self.bench.instruments.build(chosen.plan), work.folder)
        for number, trial in enumerate(outcome.front, start=1):
            save_plan(self.bench, trial, work.folder / "pareto" / f"{number:02}")
        if outcome.candidate is not None:
            save_plan(self.bench, outcome.candidate, work.folder / CANDIDATE)
        chosen, elsewhere_notes = self._elsewhere(chosen)
        # It is timed once no other process is at work.
        plain = plainly(self.bench, chosen, self.budget)
        (operations, lost_samples), more_notes = self._details(chosen.plan)
        result = Result(
            verdict=outcome.verdict,
            trial=chosen,
            baseline=baseline,
            trials=outcome.trials,
            walked=outcome.walked,
            budget=self.budget,
            metric=self.described.metrics[0].name,
            higher_is_better=self.described.metrics[0].higher_is_better,
            provenance=self._provenance(chosen, splits),
            notes=(
                *self.described.notes,
                *splits.notes,
                *outcome.notes,
                *plain_notes(plain, chosen),
                *taught_notes(chosen, outcome.trials, asked=self.settings.train is not None),
                *elsewhere_notes,
                *more_notes,
                *self.bench.instruments.notes,
            ),
            front=outcome.front,
            plain=plain,
            candidate=outcome.candidate,
            operations=operations,
            lost=lost_samples,
            model_digest=model_digest(work.folder),
            folder=work.folder,
        )
        return work.finish(result)

    def _details(self, plan: Plan) -> tuple[Details, list[str]]:
        """Return the operations of the returned model, with what putting each back alone gained, the samples that it loses, and notes."""
        if self._late:
            return ((), ()), []
        try:
            found, lost = self.bench.instruments.details(plan)
        except Exception as error:
            # The search is done, and what only a report shows must not cost its result.
            return ((), ()), [f"What the report shows of operations and samples could not be measured: {error}"]
        lost = lost if self.settings.show_samples else tuple(sample.hidden for sample in lost)
        parts = plan.name.partition(", ")[0].split("+")
        key = {**self.bench.conditions.key(replace(plan, layers={})), "parts": parts}
        rows = self.bench.profile.recall("layers", key) or []
        gains = {row["name"]: row["gain"] for row in sorted(rows, key=lambda row: float(row["gain"]))}
        return (tuple(replace(operation, gain=gains.get(operation.name)) for operation in found), lost), []

    def _documented(self, outcome: Outcome) -> Outcome:
        """Return an outcome whose plans say, where they are kept as files, how the normal form was made."""
        tell = self.bench.documented
        return replace(
            outcome,
            chosen=tell(outcome.chosen),
            walked=tuple(map(tell, outcome.walked)),
            front=tuple(map(tell, outcome.front)),
            candidate=None if outcome.candidate is None else tell(outcome.candidate),
        )

    def _elsewhere(self, chosen: Trial) -> tuple[Trial, list[str]]:
        """Return the returned plan with how it fares with the other int8 arithmetic, which is simulated, and what to say of it."""
        if self.settings.processors == "any":
            return chosen, anywhere_notes(chosen)
        if not self.bench.conditions.elsewhere or not chosen.plan.runs_int8:
            return chosen, []
        if self._late:
            return chosen, ["How it fares with the other int8 arithmetic was not simulated: time was up."]
        try:
            scores = self.bench.instruments.score(chosen.plan, "holdout", self.budget, told="elsewhere")
        except FAILURES as error:
            return chosen, [f"How it fares with the other int8 arithmetic is not known: {error}"]
        return replace(chosen, elsewhere=scores), elsewhere_notes(scores)

    @property
    def _late(self) -> bool:
        """Tell whether the time budget is used up."""
        budget = self.settings.time_budget
        return budget is not None and time.monotonic() - self.begin > budget

    def _with_memory(self, trial: Trial) -> Trial:
        known = trial.memory_bytes or self.bench.instruments.footprint(trial.plan)
        return replace(trial, memory_bytes=known)

    def _provenance(self, chosen: Trial, splits: Splits) -> Provenance:
        settings = self.settings
        roles = {"search": splits.search, "holdout": splits.holdout, "calibration": splits.calibration}
        return Provenance(
            model_name=self.described.name,
            model_fingerprint=self.bench.conditions.fingerprint,
            objective=settings.optimize,
            device=asdict(runtime.capabilities(settings.device)),
            data={role: Data(len(samples), samples.fingerprint) for role, samples in roles.items()},
            batch=settings.batch or 1,
            seed=settings.seed,
            seconds=time.monotonic() - self.begin,
            command=self.command,
            metrics=tuple(metric.given for metric in self.described.metrics),
            slice_by=_by_text(settings.slice_by),
            group_by=_by_text(settings.group_by),
            served=self.bench.instruments.served(chosen.plan),
            model_source=self.described.source,
            model_structure=self.described.structure,
            normal_structure=self.described.normal_structure,
            friendly_name=self.described.friendly_name,
            torch_weights=self.described.torch_weights,
            input_shape=settings.input_shape or "",
            processors=settings.processors,
            show_samples=settings.show_samples,
            generation=settings.generation() if settings.optimize in GENERATING else None,
        )


def _by_text(by: By | None) -> str:
    """Return the column, or the function's name and (): who verifies the result later must give the function again."""
    return by if isinstance(by, str) else f"{callable_name(by)}()" if by is not None else ""


def plainly(bench: Workbench, chosen: Trial, budget: Budget) -> Trial | None:
    """Return how a plan does where an application compiles it with no properties; None where that changes nothing."""
    plan = replace(chosen.plan, name=f"{chosen.plan.name}, compiled with no properties", properties={})
    try:
        if bench.instruments.served(plan) == bench.instruments.served(chosen.plan):
            return None
        score = bench.instruments.score(plan, "holdout", budget, told="here")
        return replace(chosen, plan=plan, search=None, holdout=score, timing=bench.timing(plan))
    except (LostError, MetricError, ModelError) as error:
        return Trial(plan, problem=str(error))


def plain_notes(plain: Trial | None, chosen: Trial) -> list[str]:
    """Say where a plain `core.compile_model` would break what was measured."""
    if plain is None:
        return []
    remedy = "Compile it with the properties in compile.json, or with ovquant.Core."
    if plain.holdout is None or plain.timing is None:
        return [f"With no properties the model cannot be served: {plain.problem} {remedy}"]
    speed = f"{plain.timing.speedup:.2f}× float's speed"
    if not plain.holdout.holds and (chosen.holdout is None or chosen.holdout.inside):
        return [f"Compiled with no properties it loses {lost(plain.holdout)}, outside the budget. {remedy}"]
    return [f"Compiled with no properties it loses {lost(plain.holdout)}, at {speed}. {remedy}"]


def taught_notes(chosen: Trial, trials: Sequence[Trial], *, asked: bool) -> list[str]:
    """Say what the training of the returned plan's numbers gained, or, where none were trained, that others' did not win."""
    recipe, taught = chosen.plan.recipe, chosen.plan.taught
    if recipe is None or taught is None:
        tried = [trial for trial in trials if trial.plan.recipe is not None and trial.plan.recipe.trainer]
        if asked and not tried:
            return ["Nothing was trained: no plan in four bits that is outside the budget would have won inside it."]
        return [f"{trial.plan.full_title} was not returned{_why(trial)}" for trial in tried if not trial.plan.layers]
    before = next((trial for trial in trials if trial.plan.recipe == recipe.untrained and not trial.plan.layers), None)
    after = next((trial for trial in trials if trial.plan.recipe == recipe and not trial.plan.layers), None)
    drops = ""
    if before is not None and before.search is not None and after is not None and after.search is not None:
        drops = f" On the search data all in int4 lost {after.search.main.drop:.4g}, and {before.search.main.drop:.4g} untrained."
    return [f"Its numbers were {taught.told}.{drops}"]


def _why(trial: Trial) -> str:
    return f": {trial.problem}" if trial.problem else "; it is no better than what was."


def elsewhere_notes(scores: Scores) -> list[str]:
    """Say how the returned plan fares with the int8 arithmetic that the device has not."""
    found = f"By simulation, on {scores.main.samples:,} held-out samples, it loses {lost(scores)}"
    if scores.inside:
        return [f"{found}: inside the budget there too."]
    return [
        f"{found}: outside the budget there. With --processors any the search is for a model that holds it on both."
    ]


def anywhere_notes(chosen: Trial) -> list[str]:
    """Say of a plan that had to hold with either int8 arithmetic what was measured and what was simulated."""
    there = [] if chosen.holdout is None else [score for score in chosen.holdout.all if score.arithmetic]
    if not there:
        return []
    return [
        f"The budget holds with either way of adding int8 products; that of {WHERE[there[0].arithmetic]} was simulated. Its speed is "
        "this processor's."
    ]
