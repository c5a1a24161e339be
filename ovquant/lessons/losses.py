"""How far a student's outputs are from its teacher's."""

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional

from ovquant.lessons.rows import Batch

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def divergence(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the mean Kullback-Leibler divergence of the student's distributions, `[..., classes]` logits each, from the teacher's."""
    theirs, mine = functional.log_softmax(teacher, dim=-1), functional.log_softmax(student, dim=-1)
    return (theirs.exp() * (theirs - mine)).sum(-1).mean()


def angle(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the mean of 1 - cosine of vectors `[..., size]`, and how far apart their likenesses to each other are."""
    mine, theirs = (functional.normalize(found.reshape(-1, found.shape[-1]), dim=-1) for found in (student, teacher))
    loss = (1 - (mine * theirs).sum(-1)).mean()
    return loss + functional.mse_loss(mine @ mine.T, theirs @ theirs.T) if student.dim() == 2 else loss


def squared(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Return the squared error relative to the teacher's squares."""
    return ((student - teacher) ** 2).sum() / (teacher**2).sum().clamp_min(1e-12)


def loss_for(module: nn.Module, batch: Batch, outputs: Sequence[torch.Tensor]) -> Loss:
    """Return the loss that suits a module, from a batch and what it answers.

    Where it is asked with token ids, outputs as long as its vocabulary are logits, and others are embeddings.
    """
    if all(value.is_floating_point() for value in batch.values()):
        return squared
    vocabulary = max((part.num_embeddings for part in module.modules() if isinstance(part, nn.Embedding)), default=0)
    return divergence if outputs and outputs[0].shape[-1] == vocabulary else angle
