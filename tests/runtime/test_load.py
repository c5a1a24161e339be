"""What others had of the processors is what neither idled nor was this process, between two looks at the system's counters."""

from typing import NamedTuple

import psutil
import pytest

from ovquant.runtime import Load


class Machine(NamedTuple):
    """Seconds of all processors, as Linux counts them; guests are in user and nice too."""

    user: float = 0.0
    nice: float = 0.0
    system: float = 0.0
    idle: float = 0.0
    iowait: float = 0.0
    irq: float = 0.0
    softirq: float = 0.0
    steal: float = 0.0
    guest: float = 0.0
    guest_nice: float = 0.0


class Mac(NamedTuple):
    """Seconds of all processors, as other systems count them."""

    user: float
    nice: float
    system: float
    idle: float


class Own(NamedTuple):
    """Seconds of this process."""

    user: float = 0.0
    system: float = 0.0


NONE = Own()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> "Counters":
    return Counters(monkeypatch)


class Counters:
    """The counters of the system, set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def show(self, machine: tuple[float, ...], own: Own) -> None:
        self._monkeypatch.setattr(psutil, "cpu_times", lambda: machine)
        self._monkeypatch.setattr(psutil.Process, "cpu_times", lambda _: own)

    def others(self, before: tuple[float, ...], after: tuple[float, ...], own: Own, own_before: Own = NONE) -> float:
        """Return the share of others between two looks."""
        self.show(before, own_before)
        load = Load()
        self.show(after, own)
        return load.others()


def test_an_idle_machine_has_no_others(counted: Counters) -> None:
    assert counted.others(Machine(), Machine(idle=100), Own()) == 0
    assert counted.others(Machine(), Machine(idle=40, iowait=60), Own()) == 0


def test_this_process_is_no_other(counted: Counters) -> None:
    assert counted.others(Machine(), Machine(user=50, system=10, idle=40), Own(50, 10)) == 0
    assert counted.others(Machine(), Machine(user=50, system=10, idle=40), Own(20, 10)) == pytest.approx(0.3)
    assert counted.others(Machine(), Machine(user=50, system=10, idle=40), Own(50, 4)) == pytest.approx(0.06)


@pytest.mark.parametrize("name", ["user", "nice", "system", "irq", "softirq", "steal"])
def test_all_other_work_counts_what_a_hypervisor_took_too(counted: Counters, name: str) -> None:
    assert counted.others(Machine(), Machine(idle=60, **{name: 40}), Own()) == pytest.approx(0.4)


def test_guests_are_not_counted_twice(counted: Counters) -> None:
    assert counted.others(Machine(), Machine(user=25, idle=75, guest=25), Own()) == pytest.approx(0.25)
    assert counted.others(Machine(), Machine(nice=25, idle=75, guest_nice=25), Own()) == pytest.approx(0.25)


def test_only_what_came_since_counts(counted: Counters) -> None:
    before, own_before = Machine(user=1000, idle=5000, steal=300), Own(700, 100)
    after = Machine(user=1030, idle=5060, steal=310)
    assert counted.others(before, after, Own(715, 105), own_before) == pytest.approx(0.2)


def test_a_moment_is_enough(counted: Counters) -> None:
    assert counted.others(Machine(), Machine(user=0.01, idle=0.03), Own()) == pytest.approx(0.25)


def test_systems_that_count_less_are_read(counted: Counters) -> None:
    assert counted.others(Mac(0, 0, 0, 0), Mac(30, 0, 10, 60), Own(20, 10)) == pytest.approx(0.1)


def test_a_share_is_between_nothing_and_all(counted: Counters) -> None:
    """Counters of the process and of the machine are not read at one instant, nor equally exact."""
    assert counted.others(Machine(), Machine(user=10, idle=90), Own(12, 0)) == 0
    assert counted.others(Machine(), Machine(user=100), Own(), Own(5, 0)) == 1


def test_where_no_time_passed_nothing_is_said(counted: Counters) -> None:
    assert counted.others(Machine(user=10), Machine(user=10), Own(), Own(5, 0)) == 0


def test_the_real_counters_give_a_share() -> None:
    load = Load()
    sum(value * value for value in range(200_000))
    assert 0 <= load.others() <= 1
