"""Runs tests of CPython's own as an activity, and tells what became of each."""

import os
import unittest

from wasmworker import activity


class Result(unittest.TestResult):
    def __init__(self, skip: list[str]) -> None:
        super().__init__()
        self.skip = skip

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        # Should the instance end, the last heartbeat tells which test has ended it.
        activity.heartbeat(test.id())


def without(suite: unittest.TestSuite, skip: list[str]) -> unittest.TestSuite:
    kept = unittest.TestSuite()
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            kept.addTest(without(test, skip))
        elif test.id() not in skip:
            kept.addTest(test)
    return kept


@activity.defn(name="Run")
def run(names: list[str], skip: list[str]) -> dict:
    os.chdir("/tmp")
    result = Result(skip)
    for name in names:
        without(unittest.defaultTestLoader.loadTestsFromName(name), skip).run(result)
    failed = [(test.id(), trace[-1500:]) for test, trace in result.failures + result.errors]
    failed += [(test.id(), "unexpected success") for test in result.unexpectedSuccesses]
    return {
        "run": result.testsRun,
        "skipped": [(test.id(), why) for test, why in result.skipped],
        "failed": failed,
    }
