"""The fields of the JSON documents that `--json` prints and that files hold, from which their JSON Schemas are made."""

import dataclasses
import inspect
import typing
from collections.abc import Mapping
from functools import cache
from types import GenericAlias
from typing import Any

import msgspec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of document."""
    return {"$schema": DIALECT, **msgspec.json.schema(documents()[kind])}


def documents() -> dict[str, Any]:
    """Return the type of each kind of document."""
    from ovquant.api.diff import Difference
    from ovquant.api.inspect import Inspection
    from ovquant.api.preview import Preview
    from ovquant.domain.profile import Entry
    from ovquant.domain.result import Checked
    from ovquant.plugins.registry import Listing
    from ovquant.runtime import Capabilities

    device = _made("Device", _fields(Capabilities, levels=dict[str, str], meanings=list[str]), Capabilities)
    compared = dict.fromkeys(("reference_score", "drop", "drop_low", "drop_high"), float | None)
    evaluated: dict[str, Any] = {"model": str, "reference": str | None, "metric": str, "higher_is_better": bool}
    evaluated |= {"samples": int, "score": float | None, **compared, "interval_by": str, "notes": list[str]}
    return {
        "result": _result(),
        "plan": _plan(),
        "trial": _document("PickedTrial", {**_trial_fields(), "file": str}),
        "profile-line": Entry,
        "preview": _document("Preview", _fields(Preview, output=str), Preview),
        "profile": _document("Profile", {"profile": str, "measurements": int}),
        "check": _document("Check", _fields(Checked, score=_scores(), timing=_timing()), Checked),
        "export": _document("Export", {"exported": str}),
        "evaluate": _document("Evaluation", evaluated),
        "benchmark": _document("Benchmark", {"device": str, "objective": str, "models": _list(_contender())}),
        "compare": _document("Comparison", {"results": dict[str, dict[str, Any]], "notes": list[str]}),
        "diff": _document("Difference", _fields(Difference), Difference),
        "report": _document("Report", {"reports": list[str]}),
        "inspect": _document("Inspection", _fields(Inspection), Inspection),
        "devices": _document("Devices", {"devices": _list(device)}),
        "plugins": _document("Plugins", {"plugins": _list(Listing)}),
        "error": _document("Error", {"error": str, "kind": str}),
    }


def _trial_fields() -> dict[str, Any]:
    from ovquant.domain.trial import Trial

    scored: dict[str, Any] = dict.fromkeys(("search", "holdout", "elsewhere"), _scores() | None)
    return _fields(Trial, plan=_plan(), timing=_timing() | None, **scored)


def _result() -> Any:
    from ovquant.domain.result import Provenance, ResultRecord
    from ovquant.domain.trial import Trial

    trial = _made("Trial", _trial_fields(), Trial)
    trials = {
        **dict.fromkeys(("trial", "baseline"), trial),
        **dict.fromkeys(("trials", "walked", "front"), _list(trial)),
        **dict.fromkeys(("plain", "candidate"), trial | None),
    }
    fields = {**_fields(Provenance), **_fields(ResultRecord, leaving=("provenance",), **trials)}
    printed = {"document": str, "summary": str, "output": str, "files": dict[str, str]}
    return _made("Result", {"schema": int, **fields}, ResultRecord, printed)


@cache
def _scores() -> Any:
    from ovquant.domain.trial import Score

    part = _made("Part", _fields(Score, parts=list[Any]), Score)
    return _made("Scores", _fields(Score, parts=_list(part)), Score, {"workers": list[str]})


@cache
def _timing() -> Any:
    from ovquant.domain.trial import Timing

    return _made("Timing", _fields(Timing, speedup=float), Timing)


def _contender() -> Any:
    from ovquant.domain.trial import Timing

    times = {name.replace("float_", "first_"): hint for name, hint in _fields(Timing).items()}
    more = {"speedup": float, "decided": bool, "memory_bytes": int | None, "properties": dict[str, str]}
    return _made("Contender", {"model": str, **times, **more}, Timing)


def _document(name: str, fields: Mapping[str, Any], of: type | None = None) -> Any:
    """Return the type of what is printed and not kept."""
    return _made(name, {"document": str, "schema": int, **fields}, of)


@cache
def _plan() -> Any:
    from ovquant.domain.plan import Plan

    fields = _fields(Plan, leaving=("normal", "taught"))
    optional = {name: typing.get_type_hints(Plan)[name] for name in ("normal", "taught")}
    return _made("Plan", {"schema": int, **fields}, Plan, optional)


def _fields(of: type, *, leaving: tuple[str, ...] = (), **other: Any) -> dict[str, Any]:
    """Return the fields of a dataclass and their types, without some, and with other types, or more."""
    hints = typing.get_type_hints(of)
    names = [item.name for item in dataclasses.fields(of) if item.name not in leaving]
    return {name: hints[name] for name in names} | other


def _made(
    name: str, fields: Mapping[str, Any], of: type | None = None, optional: Mapping[str, Any] | None = None
) -> Any:
    """Return a type with these fields, all of which are there but for the optional ones, described as another one is."""
    wanted: list[Any] = [*fields.items(), *((key, hint, None) for key, hint in (optional or {}).items())]
    return msgspec.defstruct(name, wanted, namespace={"__doc__": of and inspect.getdoc(of)}, kw_only=True)


def _list(of: Any) -> Any:
    return GenericAlias(list, of)
