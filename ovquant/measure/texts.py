"""Whether texts and a language model belong together."""

import json

import openvino

from ovquant import runtime
from ovquant.domain.model_folder import CONFIG, model_in
from ovquant.domain.objective import Generation
from ovquant.domain.sample import Dataset
from ovquant.errors import DataError, UsageError
from ovquant.graph.names import names_of
from ovquant.graph.vocabulary import known_tokens
from ovquant.runtime.supplied import IDS, WRITTEN, named

LOOKED_AT = 256
"""Samples whose tokens are looked at: a tokenizer of another model shows soon."""


def check_tokens(model: openvino.Model, samples: Dataset, whose: str) -> None:
    """Raise DataError where one of the first samples holds a token that the model does not know: openvino takes it for zeros."""
    known, names = known_tokens(model), names_of(model.inputs)
    if not known:
        return
    for number in range(min(LOOKED_AT, len(samples))):
        arrays = runtime.fit(model.inputs, samples[number], what=f"sample {number} of the {whose}")
        for name, array in zip(names, arrays, strict=True):
            if name in known and array.size and not 0 <= array.min() <= array.max() < known[name]:
                odd = int(array.max() if array.max() >= known[name] else array.min())
                raise DataError(
                    f"Sample {number} of the {whose} has the token {odd} in '{name}', and the model knows {known[name]:,}, from 0 on. "
                    "Read the texts with the tokenizer that belongs to the model: tokenizer=FILE."
                )


def length_notes(model: openvino.Model, samples: Dataset, generation: Generation) -> list[str]:
    """Say that texts are scored at lengths far below those that are to be served: what goes wrong there is not seen."""
    names = [named(port, name) for port, name in zip(model.inputs, names_of(model.inputs), strict=True)]
    place = names.index(WRITTEN if WRITTEN in names else IDS)
    looked = range(min(LOOKED_AT, len(samples)))
    longest = max(runtime.fit(model.inputs, samples[number])[place].shape[-1] for number in looked)
    if longest >= generation.prompt_tokens / 2:
        return []
    return [
        f"Prompts of {generation.prompt_tokens} tokens are timed, and the longest of the first {len(looked)} texts has {longest}: how "
        "accurate a plan is on longer ones is not seen. Give texts as long as those that will be served."
    ]


def check_positions(source: str, generation: Generation) -> None:
    """Raise UsageError where a decoder is to be timed on more tokens than its config.json allows."""
    file = model_in(source) if source else None
    if file is None:
        return
    try:
        most = json.loads((file.parent / CONFIG).read_text(encoding="utf-8")).get("max_position_embeddings")
    except (OSError, ValueError, AttributeError):
        return
    asked = generation.prompt_tokens + generation.new_tokens
    if isinstance(most, int) and asked > most:
        raise UsageError(
            f"--prompt-tokens {generation.prompt_tokens} and --new-tokens {generation.new_tokens} are {asked:,} tokens, and the model is "
            f"made for {most:,} (max_position_embeddings in {CONFIG}). Give fewer."
        )
