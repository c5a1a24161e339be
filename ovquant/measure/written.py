"""What a model writes itself, beside its outputs."""

from dataclasses import replace

import numpy as np
import openvino

from ovquant.domain.sample import GENERATED, Array, Dataset, Tokens
from ovquant.runtime import Block
from ovquant.runtime.writer import Writer


def with_generated(compiled: openvino.CompiledModel, dataset: Dataset, block: Block) -> Block:
    """Return a block with what the model writes of each of its samples, where these say what is to be written; others as they are."""
    writer: Writer | None = None
    outputs = list[dict[str, Array]]()
    for index, known in zip(block.indices, block.outputs, strict=True):
        sample = dataset[index]
        generate = sample.inputs.generate if isinstance(sample.inputs, Tokens) else None
        if generate is None:
            return block
        writer = writer or Writer(compiled)
        ids = writer.write(sample, generate)
        found = np.array(ids, np.int64) if generate.decode is None else np.array(generate.decode(ids))
        outputs.append({**known, GENERATED: found[None]})
    return replace(block, outputs=outputs)
