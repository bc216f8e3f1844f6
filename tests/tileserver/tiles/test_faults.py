"""The faults of `make faults`, a few seconds each: never a wrong tile, and back without hands."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.benchmarks import cache_faults, source_faults
from tests.benchmarks.site import Outcome, Site, prepared
from tests.support.waiting import LIMIT_SECONDS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = prepared(tmp_path_factory.mktemp("site"), depth=0)
    assert len(site.clean) >= 6
    return site


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        lambda site: cache_faults.killed(site, kills=2),
        cache_faults.damaged,
        cache_faults.full,
        source_faults.replaced,
        source_faults.deleted,
        source_faults.hanging,
        cache_faults.hanging_cache,
        source_faults.half_copied,
    ],
    ids=[
        "killed",
        "damaged",
        "full",
        "replaced",
        "deleted",
        "hanging",
        "hanging cache",
        "half copied",
    ],
)
def test_no_tile_is_wrong_and_all_come_back(
    site: Site, fault: Callable[[Site], Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_faults, "HEALTH_SECONDS", LIMIT_SECONDS)  # other tests run beside it
    outcome = fault(site)
    assert outcome.wrong == [], outcome.figures
