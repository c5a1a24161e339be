"""How much of the processors others had while something was timed: what a wall clock counts and a model does not use."""

import psutil


class Load:
    """The work of all processors from when this is made, that of this process and that of others, in seconds."""

    def __init__(self) -> None:
        self._total, self._others = _seconds()

    def others(self) -> float:
        """Return the share of all processors' time that other work had since, what a hypervisor took away included."""
        total, others = _seconds()
        passed = total - self._total
        return max(0.0, min(1.0, (others - self._others) / passed)) if passed > 0 else 0.0


def _seconds() -> tuple[float, float]:
    """Return the seconds of all processors so far, and those of them in which others were at work."""
    machine, own = psutil.cpu_times(), psutil.Process().cpu_times()
    # Guests are counted in user and nice already.
    total = sum(machine) - getattr(machine, "guest", 0.0) - getattr(machine, "guest_nice", 0.0)
    idle = machine.idle + getattr(machine, "iowait", 0.0)
    return total, total - idle - own.user - own.system
