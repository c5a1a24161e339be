"""Progress of a long step."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, and how much of how much is done."""


BESIDE = " · "
"""What stands between what is being done and what may change while it is the same step."""


def silent(what: str, done: int, total: int) -> None:
    """Show no progress."""


def told(progress: Progress, what: str) -> Callable[[int, int], None]:
    """Return a progress callback that says what is being done."""
    return lambda done, total: progress(what, done, total)
