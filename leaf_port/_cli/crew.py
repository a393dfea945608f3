"""Work that several processes share: outcomes in the order of the tasks, the same bits as of one.

Each process has one thread of torch, starts afresh (``spawn``: nothing of the parent's threads and
locks is copied) and ends with the parent: nobody holds the other end of its connection then.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import traceback
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from leaf_port._cli.refusal import refusal
from leaf_port.errors import LeafError

State = TypeVar("State")
Task = TypeVar("Task")
Result = TypeVar("Result")

_AHEAD = 4  # tasks a process that are done before an earlier one is: outcomes wait in memory
_PATIENCE = 5.0  # seconds until a process that is to end is killed


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What came of a task.

    Attributes:
        result: what the work gave.
        error: what it refused instead.
        warned: category and text of each warning.
        failure: a traceback, of anything else that it raised.
    """

    result: Result | None = None
    error: LeafError | None = None
    warned: list[tuple[type[Warning], str]] = field(default_factory=list)
    failure: str = ""

    def get(self) -> Result:
        """The result, once its warnings are given.

        Raises:
            LeafError: as the work did.
        """
        for category, text in self.warned:
            warnings.warn(text, category, stacklevel=2)
        if self.error is not None:
            raise self.error
        if self.failure:
            raise RuntimeError(f"a worker failed:\n{self.failure}")
        assert self.result is not None  # noqa: S101
        return self.result


Outcomes = Generator[Outcome[Result], None, None]


def alone(work: Callable[[Task], Result], tasks: Iterable[Task]) -> Outcomes[Result]:
    """The outcomes of ``tasks`` in this process, each when it is asked for."""
    for task in tasks:
        try:
            result = work(task)
        except LeafError as error:
            yield Outcome(error=error)
        else:
            yield Outcome(result)


def shared(
    make: Callable[[], State],
    work: Callable[[State, Task], Result],
    tasks: Iterable[Task],
    workers: int,
) -> Outcomes[Result]:
    """The outcomes of ``tasks``, in their order, by so many processes.

    Close it, and all of them end.

    Args:
        make: makes in each process what the work needs.
        work: what is done for a task.
        tasks: taken as they are needed.
        workers: how many processes.

    Raises:
        LeafError: a process has ended by itself, with the task that it was at.
    """
    pending, done = enumerate(tasks), dict[int, Outcome[Result]]()
    given = shown = 0
    with _hired(make, work, workers) as hands:
        idle, busy = list(hands), dict[Connection, _Hand]()
        while True:
            while idle and given - shown < _AHEAD * workers:
                number, task = next(pending, (-1, None))
                if number < 0:
                    break
                hand = idle.pop()
                hand.give(number, task)
                busy[hand.connection], given = hand, number + 1
            if shown in done:
                yield done.pop(shown)
                shown += 1
            elif busy:
                ready = set(wait(list(busy)))
                for connection in [each for each in busy if each in ready]:
                    hand = busy.pop(connection)
                    done[hand.number] = hand.outcome()
                    idle.append(hand)
            else:
                return


@dataclass
class _Hand:
    """A process, the connection to it, and what it is at."""

    process: BaseProcess
    connection: Connection
    number: int = -1
    task: object = None

    def give(self, number: int, task: object) -> None:
        self.number, self.task = number, task
        with contextlib.suppress(OSError):  # it has ended: its outcome tells
            self.connection.send(task)

    def outcome(self) -> Outcome[Any]:
        try:
            outcome: Outcome[Any] = self.connection.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        return outcome

    def _ended(self) -> LeafError:
        self.process.join(_PATIENCE)
        code = self.process.exitcode
        how = f"exit code {code}"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                how = signal.Signals(-code).name
        got = f"one that ended by {how} at {self.task}"
        fix = "if memory is short, give fewer workers or leave that clip out"
        return refusal("--workers", "processes that live until all is done", got, fix)


@contextlib.contextmanager
def _hired(make: Callable[[], Any], work: Callable[..., Any], count: int) -> Iterator[list[_Hand]]:
    """So many processes; none is left when the block ends, however it does."""
    context = multiprocessing.get_context("spawn")
    hands: list[_Hand] = []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, make, work), daemon=True)
            process.start()
            theirs.close()  # so that its end is known here
            hands.append(_Hand(process, ours))
        yield hands
    finally:
        for hand in hands:
            hand.process.terminate()
        for hand in hands:
            hand.process.join(_PATIENCE)
            if hand.process.is_alive():
                hand.process.kill()
                hand.process.join()
            hand.connection.close()


def _serve(connection: Connection, make: Callable[[], Any], work: Callable[..., Any]) -> None:
    """Does the tasks that come; what a process is for."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, who ends all
    torch.set_num_threads(1)
    state: list[Any] = []
    with contextlib.suppress(EOFError, BrokenPipeError):  # the parent has ended
        while True:
            connection.send(_outcome(state, make, work, connection.recv()))


def _outcome(
    state: list[Any], make: Callable[[], Any], work: Callable[..., Any], task: Any
) -> Outcome[Any]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result, error, failure = None, None, ""
        try:
            if not state:
                state.append(make())
            result = work(state[0], task)
        except LeafError as told:
            error = LeafError(told.owner, told.argument, told.expected, str(told.got), told.fix)
        except Exception:  # anything: the parent raises it
            failure = traceback.format_exc()
    return Outcome(result, error, [(each.category, str(each.message)) for each in caught], failure)
