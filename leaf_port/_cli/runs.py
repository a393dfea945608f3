"""The command ``features``: what is to be read and written, and a run of it."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from leaf_port import _checks
from leaf_port._cli import crew, outputs, progress, summary, work
from leaf_port._cli.extraction import Extractor
from leaf_port._cli.failures import Failures
from leaf_port._cli.finding import Found, Source, find_clips, told
from leaf_port._cli.outputs import Staging
from leaf_port._cli.refusal import WHERE, refusal
from leaf_port._cli.sharding import Shard
from leaf_port._cli.text import printable
from leaf_port._cli.work import Done, Output, Recipe, Task
from leaf_port.errors import LeafError

if TYPE_CHECKING:  # it needs safetensors
    from leaf_port._cli import store

NPY, SAFETENSORS = "npy", "safetensors"


@dataclass(frozen=True)
class Request:
    """What a run is asked for.

    Attributes:
        clips: files and folders.
        recipe: of the extractor.
        out: where arrays go; None for none.
        plot: where pictures go; None for none.
        form: of the arrays: ``"npy"``, a file a clip, or ``"safetensors"``, a file for many.
        shard_size: clips in one of the latter; None for the default.
        force: whether outputs that exist are replaced.
        skip_bad: whether clips that fail are left out.
        workers: processes.
        shard: which part of the clips.
    """

    clips: Sequence[Path]
    recipe: Recipe
    out: Path | None
    plot: Path | None
    form: str
    shard_size: int | None
    force: bool
    skip_bad: bool
    workers: int
    shard: Shard

    def check(self) -> None:
        """Refuses options that do not go together."""
        _checks.at_least(WHERE, "--workers", self.workers)
        if self.form == SAFETENSORS:
            if self.out is None:
                raise refusal("--format", "--out FOLDER beside it", "no --out", "say where")
            if self.plot is not None:
                fix = "draw pictures in a run of their own"
                raise refusal("--plot", f"no --format {SAFETENSORS} beside it", self.plot, fix)
        elif self.shard_size is not None:
            fix = "leave it out: each clip has a file"
            raise refusal("--shard-size", f"--format {SAFETENSORS} beside it", self.form, fix)


@dataclass(frozen=True)
class _Job:
    """A clip and where its outputs go; None for an output that is not asked for."""

    source: Source
    array: Path | None
    picture: Path | None


def run(request: Request) -> Failures:
    """Computes, writes and prints; gives the clips that failed.

    Raises:
        LeafError: bad input, or the first clip that fails where none is to be skipped.
    """
    request.check()
    extractor = request.recipe.extractor()  # refuses options before clips are looked for
    found = find_clips(request.clips)
    request = _with_rate(request, extractor, found)
    extractor.weights_rate = request.recipe.weights_rate
    run_all = _run_store if request.form == SAFETENSORS else _run_files
    return run_all(request, extractor, found)


def _with_rate(request: Request, extractor: Extractor, found: Found) -> Request:
    """Weights that tell no sample rate are for that of the corpus' first clip, in all parts."""
    if extractor.sample_rate_is_told or len(found.sources) < 2:
        return request
    recipe = request.recipe
    rate = work.first_rate((source.path for source in found.sources), recipe.mono)
    recipe = Recipe(recipe.asked, recipe.sample_rate, recipe.weights, recipe.mono, rate)
    return Request(**{**vars(request), "recipe": recipe})


def _note_parts(request: Request, found: Found, mine: int) -> None:
    """Tells what is left out, once nothing is refused any more."""
    if found.passed_over:
        print(f"note: passed over: {printable(told(found.passed_over))}", file=sys.stderr)
    shard = request.shard
    if shard.told_by or (shard.count > 1 and not mine):
        by = f" ({shard.told_by})" if shard.told_by else ""
        clips = f"{mine} of {len(found.sources)} clips"
        print(f"note: shard {shard}{by}: {clips}", file=sys.stderr)


def _title(request: Request) -> str:
    return "features" if request.shard.count == 1 else f"features, shard {request.shard}"


# A file a clip


def _plan(request: Request, found: Found) -> list[_Job]:
    """What to read and write; refuses what could not be written."""
    if request.plot is not None:
        importlib.import_module("matplotlib")  # missed here rather than in every worker
    many = len(request.clips) > 1 or request.clips[0].is_dir()
    mine = [each for k, each in enumerate(found.sources) if request.shard.takes(k)]
    planned: list[Sequence[Path | None]] = []
    for option, given, suffix in (("--out", request.out, ".npy"), ("--plot", request.plot, ".png")):
        if given is None:
            planned.append([None] * len(mine))
            continue
        paths = outputs.targets(option, given, suffix, found.sources, many)
        own = [path for k, path in enumerate(paths) if request.shard.takes(k)]
        outputs.refuse_existing(option, own, request.force)
        planned.append(own)
    return [_Job(*job) for job in zip(mine, *planned, strict=True)]


def _run_files(request: Request, extractor: Extractor, found: Found) -> Failures:
    """Nothing is written unless all succeed or are skipped; prints once everything is done."""
    jobs = _plan(request, found)
    _note_parts(request, found, len(jobs))
    bad = Failures(request.skip_bad)
    if len(jobs) > 1 and not request.skip_bad:
        _check_all(request, jobs)
    rows: list[summary.Row] = []
    done: list[_Job] = []
    with Staging() as staging:
        tasks: list[Task] = []  # as they are given out
        outcomes = _outcomes(request, extractor, _staged(jobs, staging, tasks), len(jobs))
        with contextlib.closing(outcomes):
            for number, (job, outcome) in enumerate(zip(jobs, outcomes, strict=True)):
                with bad.caught(job.source.path, partial(_drop, staging, tasks[number])):
                    rows.append(outcome.get().row)
                    done.append(job)
    _report(done, rows)
    _note_rates(extractor, rows)
    bad.show(len(jobs))
    return bad


def _check_all(request: Request, jobs: Sequence[_Job]) -> None:
    """Reads all clips, so that a bad one is known before hours of computing."""
    tasks = (Task(job.source.path) for job in jobs)
    check = partial(work.check, request.recipe.mono)
    workers = min(request.workers, len(jobs))
    mono = partial(bool, request.recipe.mono)
    outcomes = (
        crew.alone(check, tasks) if workers == 1 else crew.shared(mono, work.check, tasks, workers)
    )
    with contextlib.closing(outcomes):
        for outcome in progress.shown(outcomes, len(jobs), "checking"):
            outcome.get()


def _staged(jobs: Iterable[_Job], staging: Staging, tasks: list[Task]) -> Iterator[Task]:
    """A task for each job, with names reserved for its files."""
    for job in jobs:
        array, picture = (
            None if path is None else Output(staging.reserve(path), path)
            for path in (job.array, job.picture)
        )
        tasks.append(Task(job.source.path, array, picture))
        yield tasks[-1]


def _drop(staging: Staging, task: Task, _: LeafError) -> None:
    for output in (task.array, task.picture):
        if output is not None:
            staging.drop(output.temporary)


def _outcomes(
    request: Request, extractor: Extractor, tasks: Iterable[Task], count: int
) -> crew.Outcomes[Done]:
    """What comes of the tasks, in their order, with the progress shown."""
    workers = min(request.workers, count)
    if workers <= 1:
        made = crew.alone(partial(work.compute, extractor), tasks)
    else:
        made = crew.shared(request.recipe.extractor, work.compute, tasks, workers)
    with contextlib.closing(made):
        yield from progress.shown(made, count, _title(request))


def _report(jobs: Sequence[_Job], rows: Sequence[summary.Row]) -> None:
    """Prints the names of the outputs, or the summary if there are none."""
    written = [path for job in jobs for path in (job.array, job.picture) if path is not None]
    if not written and rows:
        summary.show(rows, Console())
    for path in written:
        print(printable(path))


def _note_rates(extractor: Extractor, rows: Sequence[summary.Row]) -> None:
    """Tells which sample rates were taken for others, or for those of the weights."""
    if rows and not extractor.sample_rate_is_told:
        tells = f"{printable(extractor.weights)} tells no sample rate"
        taken = f"the clips' {rows[0].rate} Hz was taken for its own; --sample-rate says it"
        print(f"note: {tells}: {taken}", file=sys.stderr)
    overridden = [row for row in rows if row.rate != row.own_rate]
    if overridden:
        first, more = overridden[0], len(overridden) - 1
        others = f", and {more} more likewise" if more else ""
        says = f"{first.file} says {first.own_rate} Hz and was taken as {first.rate} Hz{others}"
        print(f"note: {says}; nothing was resampled", file=sys.stderr)


# A file for many clips


def _run_store(request: Request, extractor: Extractor, found: Found) -> Failures:
    """Each file appears when its clips are done; a run that was ended goes on with the next."""
    from leaf_port._cli import store  # needs safetensors

    assert request.out is not None  # noqa: S101
    size = store.SHARD_SIZE if request.shard_size is None else request.shard_size
    _checks.at_least(WHERE, "--shard-size", size)
    outputs.refuse_no_folder("--out", request.out)
    store.refuse_names(found.sources)
    identity = store.identity(request.recipe, extractor.settings, found.sources, size)
    shard, flags = request.shard, (request.skip_bad, request.force)
    kept = store.Store(request.out, identity, found.sources, shard, *flags)
    count = sum(len(block.sources) for block in kept.blocks)
    _note_parts(request, found, count)
    if kept.ready:
        there = f"{len(kept.ready)} of {len(kept.blocks)} files were there already"
        print(f"note: {there}", file=sys.stderr)
    bad = Failures(request.skip_bad)
    rows: list[summary.Row] = []
    with kept.writing():
        for block in kept.ready:
            block.tell(bad)
        rows += _write_blocks(request, extractor, kept, bad)
    _note_rates(extractor, rows)
    bad.show(count)
    return bad


def _write_blocks(
    request: Request, extractor: Extractor, kept: store.Store, bad: Failures
) -> Iterator[summary.Row]:
    """Computes and writes what is missing; prints each file's name once it is there."""
    sources = [source for block in kept.missing for source in block.sources]
    tasks = (Task(source.path, keep=True) for source in sources)
    outcomes = _outcomes(request, extractor, tasks, len(sources))
    with contextlib.closing(outcomes):
        for block in kept.missing:
            for source in block.sources:
                outcome = next(outcomes)
                with bad.caught(source.path, partial(block.skip, source)):
                    done = outcome.get()
                    block.add(source, done)
                    yield done.row
            kept.write(block)
            print(printable(block.path), flush=True)
