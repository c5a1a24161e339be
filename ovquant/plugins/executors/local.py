"""No workers elsewhere."""

from dataclasses import dataclass

from ovquant.domain.task import Job


@dataclass(frozen=True)
class Local:
    """Score in the process that measures, which is the default."""

    def gather(self, job: Job) -> None:
        """Return no team."""
