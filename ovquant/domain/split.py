"""The roles of data: search and holdout, disjoint by content, and calibration drawn from search."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import CodeType
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ovquant.domain.cache import Room, SampleCache
from ovquant.domain.content import content_digest
from ovquant.domain.labels import check_same, label_note, labels_of
from ovquant.domain.repetition import check_repetition
from ovquant.domain.sample import Dataset, Sample, Tokens
from ovquant.errors import DataError

Step = Callable[[int, int], None]
"""Called with the samples done and the samples in all."""
SMALLEST_SPLIT, SMALLEST_GROUPS = 50, 10
"""Samples, and groups of them, under which data are not split in two: neither half would say anything."""
LEAST_PER_CLASS = 4
"""Samples per class, on average, from which whole numbers as targets are taken for classes."""
CONTENT_BYTES = 6
By = str | Callable[[Sample], Any]
"""What slices or groups samples: a column of the data, "target", or a function of a sample."""


@dataclass(frozen=True)
class Subset:
    """Some samples of a dataset, by index; itself a dataset.

    `fingerprint` is of all that a score depends on: inputs, targets, slices and groups; `inputs` of the inputs alone, on
    which outputs and times depend. `slices` and `groups` hold a text per sample where the run has them; `content` six
    bytes of the digest of each sample's inputs, and `answers` six of that of its target.
    """

    dataset: Dataset = field(compare=False)
    indices: tuple[int, ...]
    fingerprint: str
    inputs: str
    slices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    content: bytes = b""
    answers: bytes = b""

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.indices[index]]

    def only(self, places: Sequence[int], what: str = "") -> "Subset":
        """Return the samples at some places of this subset; `what` names them in the fingerprint, else the places do."""
        named = what or list(places)
        return Subset(
            self.dataset,
            tuple(self.indices[place] for place in places),
            _short(f"{self.fingerprint}:{named}"),
            _short(f"{self.inputs}:{named}"),
            tuple(self.slices[place] for place in places) if self.slices else (),
            tuple(self.groups[place] for place in places) if self.groups else (),
            _picked(self.content, places),
            _picked(self.answers, places),
        )


@dataclass(frozen=True)
class Splits:
    """The roles of the data of one run, and what the user should know about them.

    `training` is what numbers are trained on, where that is not the search data.
    `classes` counts the classes of the search data, 0 where targets are none. `doubts` are what may be wrong with the data, and
    worth saying only where something seems to be.
    """

    search: Subset
    holdout: Subset
    calibration: Subset
    notes: tuple[str, ...] = ()
    classes: int = 0
    doubts: tuple[str, ...] = ()
    training: Subset | None = None

    @property
    def lessons(self) -> Subset:
        """Return what numbers are trained on."""
        return self.search if self.training is None else self.training


def short_digest(hexadecimal: str) -> bytes:
    """Return the bytes of a digest that are kept of each sample."""
    return bytes.fromhex(hexadecimal[: 2 * CONTENT_BYTES])


def _picked(pieces: bytes, places: Sequence[int]) -> bytes:
    return b"".join(pieces[CONTENT_BYTES * place : CONTENT_BYTES * (place + 1)] for place in places)


def digest(sample: Sample) -> str:
    """Return a fingerprint of a sample's inputs: equal bytes, equal fingerprint."""
    hasher = sha256()
    inputs = sample.inputs
    arrays: Iterable[Any]
    if isinstance(inputs, Mapping):
        arrays = [part for name in sorted(inputs) for part in (name, inputs[name])]
    elif isinstance(inputs, np.ndarray):
        arrays = [inputs]
    else:
        arrays = inputs
    for part in arrays:
        array = np.ascontiguousarray(part)
        hasher.update(f"{array.dtype}{array.shape}".encode())
        hasher.update(array.tobytes() if array.dtype != object else repr(part).encode())
    return hasher.hexdigest()


def digest_of(dataset: Dataset, sample: Sample, index: int) -> str:
    """Return the digest by which a dataset's sample is known: of its inputs, and of what it is a part of, if of anything."""
    part_of: Callable[[int], str] | None = getattr(dataset, "part_of", None)
    return digest(sample) if part_of is None else content_digest([digest(sample), part_of(index)])


@dataclass(frozen=True)
class Contents:
    """What is known of every sample of a dataset once each was read: its digests, its class, and what it belongs to.

    `hashes` are of the inputs, `targets` of the targets. `handling` names how rows are made longer, where they are, and what is written of them.
    """

    dataset: Dataset
    hashes: tuple[str, ...]
    targets: tuple[str, ...]
    classes: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    handling: str = ""

    def subset(self, indices: Sequence[int]) -> Subset:
        """Return a subset whose fingerprints depend on the content of its samples and their order."""
        hashes = [self.hashes[index] for index in indices]
        slices = tuple(self.slices[index] for index in indices) if self.slices else ()
        groups = tuple(self.groups[index] for index in indices) if self.groups else ()
        scored = [hashes, [self.targets[index] for index in indices], slices, groups]
        scored += [self.handling] if self.handling else []
        return Subset(
            self.dataset,
            tuple(indices),
            content_digest(scored)[:16],
            _short("".join([*hashes, self.handling])),
            slices,
            groups,
            b"".join(map(short_digest, hashes)),
            b"".join(short_digest(self.targets[index]) for index in indices),
        )

    def whole(self) -> Subset:
        """Return all samples as a subset."""
        return self.subset(range(len(self.hashes)))

    def proving(self, indices: Sequence[int]) -> tuple[Subset, tuple[str, ...]]:
        """Return the samples that prove something: of copies the first, since the others tell nothing new; and a note."""
        first = {self.hashes[index]: index for index in reversed(indices)}
        copies = len(indices) - len(first)
        note = f"{copies} of {len(indices)} held-out samples are copies of others; each content counts once."
        return self.subset(sorted(first.values())), (note,) if copies else ()


def read_contents(
    dataset: Dataset,
    step: Step = lambda done, total: None,
    *,
    slice_by: By | None = None,
    group_by: By | None = None,
    cache: SampleCache | None = None,
) -> Contents:
    """Read every sample once, through the cache if there is one.

    Equal samples are copies, unless the data have a method part_of(index) that tells what each is a part of, such as its query, and that
    differs. Raises DataError when the data have no such column, or one of another length.
    """
    source = dataset if cache is None else cache
    hashes, targets, classes, broken, handling = [], [], [], list[int](), ""
    labels: dict[By, list[str]] = {by: [] for by in (slice_by, group_by) if by == "target" or callable(by)}
    for index in range(len(dataset)):
        sample = source[index]
        hashes.append(digest_of(dataset, sample, index))
        handling = handling or _handling(sample)
        broken += [index] if _is_broken(sample) else []
        targets.append(content_digest(sample.target))
        classes.append(class_of(sample.target))
        for by, found in labels.items():
            found.append(_text(by(sample) if callable(by) else sample.target))
        step(index + 1, len(dataset))
    check_repetition(dataset)
    for name in (slice_by, group_by):
        if isinstance(name, str) and name != "target":
            labels[name] = _column(dataset, name)
    slices, groups = (tuple(labels[by]) if by is not None else () for by in (slice_by, group_by))
    return Contents(
        source,
        tuple(hashes),
        tuple(targets),
        known_classes(classes),
        slices,
        groups,
        (*_broken_notes(broken, len(dataset)), *label_note(labels_of(dataset))),
        handling,
    )


def _handling(sample: Sample) -> str:
    """Return a digest of how a sample's rows are made longer, and of what is written of them, or ""."""
    inputs = sample.inputs
    if not isinstance(inputs, Tokens):
        return ""
    padding, generate = inputs.padding, inputs.generate
    known: list[Any] = [] if padding is None else [dict(padding.values), padding.left]
    if generate is not None:
        code = getattr(generate.decode, "__code__", None)
        known += [generate.max_new_tokens, generate.prompt, generate.stop, generate.decode, _instructions(code)]
    return content_digest(known) if known else ""


def _instructions(code: Any) -> Any:
    """Return what a function does, that of those within it included, the same in every process."""
    if not isinstance(code, CodeType):
        return repr(code)
    return [code.co_code, code.co_names, [_instructions(value) for value in code.co_consts]]


def _is_broken(sample: Sample) -> bool:
    """Tell whether a sample's inputs hold NaN or infinity."""
    inputs = sample.inputs
    arrays = inputs.values() if isinstance(inputs, Mapping) else [inputs] if isinstance(inputs, np.ndarray) else inputs
    return any(array.dtype.kind == "f" and not np.isfinite(array).all() for array in map(np.asarray, arrays))


def _broken_notes(broken: Sequence[int], count: int) -> tuple[str, ...]:
    if not broken:
        return ()
    return (
        f"{len(broken)} of {count} samples hold NaN or infinity, sample {broken[0]} first: check how they are made.",
    )


def whole(dataset: Dataset) -> Subset:
    """Return all samples of a dataset as a subset."""
    return read_contents(dataset).whole()


def _short(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def known_classes(classes: Sequence[str | None]) -> tuple[str, ...]:
    """Return the class of each sample, or nothing where some has none or they are too many to be classes."""
    few = len(set(classes)) * LEAST_PER_CLASS <= len(classes)
    return tuple(value for value in classes if value is not None) if few and None not in classes else ()


def class_of(target: Any) -> str | None:
    """Return the class that a whole number as target means, or None."""
    value = target.item() if isinstance(target, np.generic | np.ndarray) and np.size(target) == 1 else target
    return str(int(value)) if isinstance(value, int) else None


def _text(value: Any) -> str:
    plain = value.item() if isinstance(value, np.generic | np.ndarray) and np.size(value) == 1 else value
    return str(plain)


def _column(dataset: Dataset, name: str) -> list[str]:
    read = getattr(dataset, "column", None)
    if read is None:
        raise DataError(
            f"These data have no column '{name}': they are a {type(dataset).__name__}, which has none. Use 'target', give "
            "a function of a sample, or data with a method column(name)."
        )
    found = [_text(value) for value in read(name)]
    if len(found) != len(dataset):
        raise DataError(
            f"The column '{name}' has {len(found)} entries for {len(dataset)} samples; it must have one each."
        )
    return found


def split_data(
    data: Dataset,
    *,
    holdout: Dataset | None = None,
    calibration: Dataset | None = None,
    seed: int = 0,
    slice_by: By | None = None,
    group_by: By | None = None,
    step: Step = lambda done, total: None,
    room: Room | None = None,
) -> Splits:
    """Give each sample its role.

    Without a separate holdout, half of the data is held out: which half a sample falls in depends on its content and
    the seed, so equal samples fall in the same half, and so do those of one group; each class is halved where targets
    are whole numbers. Of copies among the held-out samples one is kept. Calibration samples are drawn from the search
    half unless given.
    room: for samples that are slow to read, which are kept in memory, those for search first.
    Raises DataError when there are too few samples or groups, or when roles overlap.
    """
    room = room or Room(0)
    cache = SampleCache(data, room)
    contents = read_contents(data, step, slice_by=slice_by, group_by=group_by, cache=cache)
    remarks = contents.notes
    if holdout is None:
        kept, held = _halve(contents, seed)
        (held_out, notes), theirs = contents.proving(held), "the held-out half"
    else:
        kept = list(range(len(data)))
        proof = read_contents(holdout, step, slice_by=slice_by, group_by=group_by, cache=SampleCache(holdout, room))
        check_same(labels_of(data), labels_of(holdout), "--data", "--holdout")
        (held_out, notes), theirs = proof.proving(range(len(proof.hashes))), "--holdout"
        remarks += proof.notes
        _forbid_overlap(contents.whole(), held_out, "--data", theirs)
    # Shuffled, since data often come sorted: so its first samples stand for all of it.
    search = contents.subset([kept[place] for place in np.random.default_rng(seed).permutation(len(kept))])
    cache.prefer(kept)
    classes = len({contents.classes[index] for index in kept}) if contents.classes else 0
    remarks = tuple(dict.fromkeys((*notes, *remarks)))
    if calibration is None:
        return Splits(search, held_out, search, remarks, classes)
    calibrating = read_contents(calibration, step, cache=SampleCache(calibration, room)).whole()
    _forbid_overlap(calibrating, held_out, "--calibration", theirs)
    return Splits(search, held_out, calibrating, remarks, classes)


def with_training(splits: Splits, data: Dataset, *, step: Step = lambda done, total: None) -> Splits:
    """Return splits with samples to train on; raises DataError where one of them is held out."""
    found = read_contents(data, step).whole()
    _forbid_overlap(found, splits.holdout, "--train-data", "the held-out data")
    return replace(splits, training=found)


def draw(samples: Subset, size: int, *, seed: int = 0) -> Subset:
    """Return at most `size` samples drawn without replacement, the same for the same seed."""
    if size >= len(samples):
        return samples
    return samples.only(drawn(len(samples), size, seed=seed), f"{size}:{seed}")


def drawn(count: int, size: int, *, seed: int = 0) -> list[int]:
    """Return the places of `size` of so many samples, drawn without replacement, the same for the same seed."""
    return [int(pick) for pick in np.random.default_rng(seed).permutation(count)[:size]]


def shared(mine: bytes, theirs: bytes) -> int:
    """Return how many samples of one subset are in another too, from the `content` of both."""
    known = set(_pieces(theirs))
    return sum(piece in known for piece in _pieces(mine))


def _pieces(content: bytes) -> list[bytes]:
    return [content[start : start + CONTENT_BYTES] for start in range(0, len(content), CONTENT_BYTES)]


def _halve(contents: Contents, seed: int) -> tuple[list[int], list[int]]:
    """Return the indices of both halves: units that belong together are dealt out in turn, class by class."""
    hashes = contents.hashes
    distinct = len(set(hashes))
    if distinct < SMALLEST_SPLIT:
        raise DataError(
            f"{len(hashes)} samples ({distinct} distinct) are too few to split into search and holdout; "
            f"{SMALLEST_SPLIT} distinct ones are the least, 200 or more make sense. "
            "Give more data, or a separate file with --holdout."
        )
    units = _units(contents)
    if contents.groups and len(units) < SMALLEST_GROUPS:
        raise DataError(
            f"The data have {len(units)} groups that share no sample; {SMALLEST_GROUPS} are the least to split into search "
            "and holdout. Give data with more groups, or a separate file with --holdout."
        )
    order = np.random.default_rng(seed).permutation(len(units))
    # A class is halved where its units are dealt out one after the other; the sort keeps their random order.
    dealt = sorted(order, key=lambda pick: contents.classes[units[pick][0]] if contents.classes else "")
    held: set[int] = set()
    kept_count = 0
    for pick in dealt:
        unit = units[pick]
        if len(held) <= kept_count:
            held.update(unit)
        else:
            kept_count += len(unit)
    return [index for index in range(len(hashes)) if index not in held], sorted(held)


def _units(contents: Contents) -> list[list[int]]:
    """Return the indices of samples that must stay together, by content and by group, in an order that follows content."""
    edges: list[tuple[int, int]] = []
    for names in (contents.hashes, contents.groups):
        first: dict[str, int] = {}
        edges += [(index, first.setdefault(name, index)) for index, name in enumerate(names)]
    count = len(contents.hashes)
    together = coo_array((np.ones(len(edges)), np.array(edges).T), shape=(count, count))
    _, labels = connected_components(together, directed=False)
    units: dict[int, list[int]] = {}
    for index, label in enumerate(labels.tolist()):
        units.setdefault(label, []).append(index)
    return sorted(units.values(), key=lambda unit: min(contents.hashes[index] for index in unit))


def _forbid_overlap(mine: Subset, theirs: Subset, my_role: str, their_role: str) -> None:
    both = shared(mine.content, theirs.content)
    if both:
        raise DataError(
            f"{both} of the {len(mine)} samples of {my_role} are also in {their_role}. A score on samples that were "
            f"tuned on proves nothing: take them out of one of the two."
        )
    groups = set(mine.groups) & set(theirs.groups)
    if groups:
        raise DataError(
            f"{len(groups)} groups of {my_role}, such as '{min(groups)}', are also in {their_role}. What belongs together "
            "must not be tuned on and held out: take them out of one of the two."
        )
