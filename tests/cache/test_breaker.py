from __future__ import annotations

import logging

import pytest

from cache.breaker import Breaker, summarise_error


class Service:
    def __init__(self) -> None:
        self.well, self.calls = True, 0

    def __call__(self) -> str:
        self.calls += 1
        if not self.well:
            raise OSError("away")
        return "value"


def test_a_failing_service_is_left_alone_and_taken_up_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("cache.breaker.time.monotonic", lambda: now)
    service, breaker = Service(), Breaker("service", (OSError,), open_seconds=5)
    assert breaker.call(service, "none") == "value"
    service.well = False
    with caplog.at_level(logging.INFO):
        for second in range(21):
            now = float(second)
            for _ in range(10):
                assert breaker.call(service, "none") == "none"
        assert service.calls == 1 + 5, "one try at 0, 5, 10, 15 and 20 seconds"
        assert breaker.is_open
        service.well, now = True, 30.0
        assert [breaker.call(service, "none") for _ in range(3)] == ["value"] * 3
    assert not breaker.is_open
    assert breaker.failures == 5
    assert [record.message for record in caplog.records] == [
        "service: circuit breaker open: OSError: away",
        "service: circuit breaker closed",
    ]


def test_after_a_rest_one_caller_tries_while_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr("cache.breaker.time.monotonic", lambda: now)
    breaker = Breaker("service", (OSError,), open_seconds=5)
    breaker.record_failure(OSError())
    now = 6.0
    assert [breaker.allows() for _ in range(3)] == [True, False, False]


def test_of_two_threads_that_find_a_service_well_one_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    breaker = Breaker("service", (OSError,))

    class Overtaken:
        """A lock that another thread holds first, to say the same."""

        def __enter__(self) -> None:
            breaker._lock = lock
            breaker.record_success()
            lock.acquire()

        def __exit__(self, *_: object) -> None:
            lock.release()

    breaker.record_failure(OSError())
    lock = breaker._lock
    breaker._lock = Overtaken()  # type: ignore[assignment]  # a lock that another thread overtakes
    breaker.record_success()
    assert [record.message for record in caplog.records][1:] == ["service: circuit breaker closed"]


def test_other_errors_are_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        Breaker("service", (OSError,)).call(lambda: 1 // 0, 0)


def test_a_logged_error_is_one_line_without_a_signature() -> None:
    error = OSError("GET https://host/container/tile?sig=SECRET&x=1 failed\nDebug source: SECRET")
    assert summarise_error(error) == "OSError: GET https://host/container/tile?... failed"


def test_a_try_that_is_withdrawn_is_the_next_caller_s(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("cache.breaker.time.monotonic", lambda: now)
    breaker = Breaker("service", (OSError,), open_seconds=5)
    breaker.withdraw()
    assert not breaker.is_open
    breaker.record_failure(OSError())
    now = 6.0
    assert breaker.allows()
    breaker.withdraw()
    assert breaker.is_open
    assert [breaker.allows() for _ in range(2)] == [True, False]
