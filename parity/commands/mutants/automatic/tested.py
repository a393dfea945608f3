"""The project's tests as checks: which lines each executes, and which fails with an edit.

A test runs in its process; what it starts as another process has the port without the edit.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from parity.commands.mutants.automatic.edit import ROOT
from parity.commands.mutants.lines import lines

# Assertions as they are: pytest would rewrite those of modules that are imported already.
OPTIONS = ("-q", "--assert=plain", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"))


class Traced:
    """A plugin that notes the lines of each test and the seconds it takes.

    What prepares one test of a file may serve the later ones: the lines of all preparations are
    those of every test of the file.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = folders
        self._prepared: dict[str, set[int]] = {}
        self._called: dict[str, Mapping[str, set[int]]] = {}
        self._seconds: dict[str, float] = {}
        self._not_passed: set[str] = set()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Notes the lines of what prepares."""
        began = time.process_time()
        with lines(self._folders) as seen:
            result = yield
        _add(self._prepared, seen)
        self._seconds[item.nodeid] = time.process_time() - began
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Notes the lines of the test."""
        began = time.process_time()
        with lines(self._folders) as seen:
            result = yield
        self._called[item.nodeid] = seen
        self._seconds[item.nodeid] += time.process_time() - began
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notes what did not pass: a skipped test, or one that a trace disturbs, says nothing."""
        if report.outcome != "passed":
            self._not_passed.add(report.nodeid)

    def found(self) -> dict[str, tuple[float, dict[str, set[int]]]]:
        """Of each test that passed: its seconds and lines."""
        passed = {n: each for n, each in self._called.items() if n not in self._not_passed}
        return {name: (self._seconds[name], self._of(called)) for name, called in passed.items()}

    def _of(self, called: Mapping[str, set[int]]) -> dict[str, set[int]]:
        found = {file: set(numbers) for file, numbers in self._prepared.items()}
        _add(found, called)
        return found


def _add(found: dict[str, set[int]], more: Mapping[str, set[int]]) -> None:
    for file, numbers in more.items():
        found.setdefault(file, set()).update(numbers)


class _Watching:
    """A plugin that tells each test before it begins, and keeps what the first failure says."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told
        self.count, self.failed, self.problem = 0, "", ""

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.count += 1
        self._told(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid
            self.problem = report.longreprtext.strip().splitlines()[-1]


def trace(file: str, folders: Sequence[str]) -> dict[str, tuple[float, dict[str, set[int]]]]:
    """The tests of a file that pass: seconds of the processor, and lines of the folders."""
    os.chdir(ROOT)
    plugin = Traced(folders)
    with Path(os.devnull).open("w") as nothing, contextlib.redirect_stdout(nothing):
        pytest.main([*OPTIONS, file], plugins=[plugin])
    return plugin.found()


def first_failure(names: Sequence[str], told: Callable[[str], None]) -> tuple[str, str, int]:
    """The first test that fails, what it says, how many were run; empty texts if all pass.

    Args:
        names: pytest's, below the project's folder.
        told: is called with each before it begins.
    """
    plugin = _Watching(told)
    code = pytest.main([*OPTIONS, "-x", *(f"{ROOT}/{name}" for name in names)], plugins=[plugin])
    if code == pytest.ExitCode.OK:
        return "", "", plugin.count
    if plugin.failed:
        return plugin.failed, plugin.problem, plugin.count
    return "collection", f"pytest ended with {code!r}", plugin.count
