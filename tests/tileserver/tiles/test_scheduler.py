from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import Sequence

import numpy as np
import pytest

from engine.errors import UnpinnedRead
from engine.imagery import Imagery, Pixels
from engine.pictures.pinned import Pinned
from engine.pictures.probe import Waves
from engine.pictures.super_resolution import Halved
from engine.window import Window
from tests.support.pictures import NOTHING, Gated, Sourceless
from tests.support.waiting import LIMIT_SECONDS, wait_until_async
from tileserver.errors import Overloaded
from tileserver.tiles.draw_queue import Drawn
from tileserver.tiles.neighbours import rectangle
from tileserver.tiles.scheduler import Scheduler

SIDE = 256


def cell(row: int, col: int) -> Window:
    return Window(row * SIDE, col * SIDE, SIDE, SIDE)


def drawn(scheduler: Scheduler, picture: Gated, wanted: list[Window]) -> list[Drawn]:
    """Draws the windows, all but the first asked for while the first is being drawn."""

    async def scenario() -> list[Drawn]:
        tasks = [asyncio.create_task(scheduler.draw(picture, wanted[0], NOTHING))]
        await asyncio.to_thread(picture.entered.wait, LIMIT_SECONDS)
        for window in wanted[1:]:
            tasks.append(asyncio.create_task(scheduler.draw(picture, window, NOTHING)))
            await asyncio.sleep(0)
        picture.gate.set()
        return await asyncio.gather(*tasks)

    try:
        return asyncio.run(scenario())
    finally:
        scheduler.close()


def test_neighbours_that_wait_together_are_drawn_as_one_window() -> None:
    picture, wanted = Gated(), [cell(9, 9), cell(0, 0), cell(0, 1), cell(1, 0), cell(1, 1)]
    results = drawn(Scheduler(99, 16, 60), picture, wanted)
    assert picture.reads == [cell(9, 9), Window(0, 0, 2 * SIDE, 2 * SIDE)]
    assert [result.merged for result in results] == [1, 4, 4, 4, 4]
    for window, result in zip(wanted, results, strict=True):
        assert np.array_equal(result.pixels, Waves().read(window))


def test_the_newest_window_is_drawn_first() -> None:
    picture = Gated()
    drawn(Scheduler(99, 16, 60), picture, [cell(9, 9), cell(0, 0), cell(3, 3), cell(6, 6)])
    assert picture.reads == [cell(9, 9), cell(6, 6), cell(3, 3), cell(0, 0)]


def test_merging_stops_at_its_limit() -> None:
    picture = Gated()
    drawn(Scheduler(99, 2, 60), picture, [cell(9, 9), cell(0, 0), cell(0, 1), cell(0, 2)])
    assert sorted(window.width for window in picture.reads) == [SIDE, SIDE, 2 * SIDE]


def test_windows_of_several_viewers_are_drawn_as_one_batch() -> None:
    picture = Gated()
    wanted = [cell(9, 9), cell(0, 0), cell(0, 1), cell(4, 4), cell(20, 3)]
    results = drawn(Scheduler(99, 16, 60, batched_windows=8), picture, wanted)
    first, batch = picture.batches
    assert first == [cell(9, 9)], "it came alone"
    assert batch == [cell(20, 3), cell(4, 4), Window(0, 0, SIDE, 2 * SIDE)]
    assert [result.merged for result in results] == [1, 4, 4, 4, 4]
    for window, result in zip(wanted, results, strict=True):
        assert np.array_equal(result.pixels, Waves().read(window))


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        ([(0, 0)], [(0, 0)]),
        ([(0, 0), (0, 1), (1, 0)], [(0, 0), (0, 1)]),
        ([(0, 0), (2, 2), (-1, 0)], [(-1, 0), (0, 0)]),
        ([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)], None),
    ],
)
def test_rectangles_hold_waiting_windows_only(
    waiting: list[tuple[int, int]], expected: list[tuple[int, int]] | None
) -> None:
    cells = {cell(row, col) for row, col in waiting}
    grown = rectangle(cell(0, 0), cells, 16)
    assert set(grown) == ({cell(*place) for place in expected} if expected else cells)


def test_a_full_queue_refuses_the_oldest_which_would_come_too_late() -> None:
    picture, scheduler = Gated(), Scheduler(2, 1, 60)

    async def scenario() -> None:
        first = asyncio.create_task(scheduler.draw(picture, cell(0, 0), NOTHING))
        await asyncio.to_thread(picture.entered.wait, LIMIT_SECONDS)
        others = []
        for number in range(3):
            others.append(
                asyncio.create_task(scheduler.draw(picture, cell(5 + 2 * number, 5), NOTHING))
            )
            await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await others[0]
        picture.gate.set()
        await asyncio.gather(first, *others[1:])

    asyncio.run(scenario())
    scheduler.close()
    assert scheduler.shed == 1
    assert cell(5, 5) not in picture.reads


def test_the_queue_holds_what_can_be_drawn_before_the_deadline() -> None:
    class Slow(Sourceless):
        def read_many(
            self, windows: Sequence[Window], source: Imagery | None = None
        ) -> list[Pixels]:
            time.sleep(0.05)
            return super().read_many(windows)

    scheduler = Scheduler(1000, 1, deadline_seconds=0.5)

    async def scenario() -> list[Drawn | BaseException]:
        assert scheduler.room_tiles == 1000
        await scheduler.draw(Slow(), cell(0, 0), NOTHING)
        assert 1 <= scheduler.room_tiles <= 10
        picture = Slow()
        tasks = [scheduler.draw(picture, cell(2 * number, 0), NOTHING) for number in range(40)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(scenario())
    scheduler.close()
    refused = [isinstance(result, Overloaded) for result in results]
    assert 20 <= sum(refused) < 40
    assert not refused[-1], "the newest is drawn"


def test_windows_that_nobody_awaits_any_more_are_not_drawn() -> None:
    picture, scheduler = Gated(), Scheduler(9, 1, 60)

    async def scenario() -> None:
        first = asyncio.create_task(scheduler.draw(picture, cell(0, 0), NOTHING))
        await asyncio.to_thread(picture.entered.wait, LIMIT_SECONDS)
        left = asyncio.create_task(scheduler.draw(picture, cell(5, 5), NOTHING))
        stays = asyncio.create_task(scheduler.draw(picture, cell(7, 7), NOTHING))
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        picture.gate.set()
        await asyncio.gather(first, stays)

    asyncio.run(scenario())
    scheduler.close()
    assert picture.reads == [cell(0, 0), cell(7, 7)]
    assert scheduler.disconnected == 1


def test_a_failure_is_answered_and_the_next_window_drawn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Sourceless):
        def read_many(
            self, windows: Sequence[Window], source: Imagery | None = None
        ) -> list[Pixels]:
            raise OSError("the device is gone")

    scheduler = Scheduler(9, 9, 60)

    async def scenario() -> None:
        with pytest.raises(OSError, match="device is gone"):
            await scheduler.draw(Broken(), cell(0, 0), NOTHING)
        assert (await scheduler.draw(Sourceless(), cell(0, 0), NOTHING)).pixels.shape == (
            3,
            SIDE,
            SIDE,
        )

    asyncio.run(scenario())
    scheduler.close()
    assert "drawing failed" in caplog.text


def test_whoever_waits_when_it_closes_is_told_to_come_again() -> None:
    picture, scheduler = Gated(), Scheduler(9, 1, 60)

    async def scenario() -> None:
        first = asyncio.create_task(scheduler.draw(picture, cell(0, 0), NOTHING))
        await asyncio.to_thread(picture.entered.wait, LIMIT_SECONDS)
        second = asyncio.create_task(scheduler.draw(picture, cell(5, 5), NOTHING))
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(scheduler.close))
        with pytest.raises(Overloaded):
            await second
        picture.gate.set()
        await asyncio.gather(first, closing)
        with pytest.raises(Overloaded):
            await scheduler.draw(picture, cell(0, 0), NOTHING)

    asyncio.run(scenario())


def pin(window: Window) -> Pinned:
    """What the 2x2 means of waves read."""
    return Pinned([(window.children(), Waves().read(window.children()))])


def test_a_picture_is_drawn_from_what_its_windows_bring() -> None:
    class Forbidden:
        def read(self, window: Window) -> Pixels:
            raise AssertionError("the denoiser reads nothing")

    scheduler, picture = Scheduler(99, 16, 60, batched_windows=4), Halved(Forbidden())
    wanted = [cell(0, 0), cell(0, 1), cell(4, 4), cell(1, 0), cell(1, 1)]

    async def scenario() -> list[Drawn]:
        draws = [scheduler.draw(picture, window, pin(window)) for window in wanted]
        return await asyncio.gather(*draws)

    results = asyncio.run(scenario())
    scheduler.close()
    for window, result in zip(wanted, results, strict=True):
        assert np.array_equal(result.pixels, Halved(Waves()).read(window))


def test_a_window_that_brings_too_little_fails_and_is_not_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scheduler, picture = Scheduler(9, 9, 60), Halved(Waves())

    async def scenario() -> None:
        for brought in (NOTHING, pin(cell(0, 1)), pin(Window(0, 0, SIDE, SIDE - 1))):
            with pytest.raises(UnpinnedRead, match="is not pinned"):
                await scheduler.draw(picture, cell(0, 0), brought)
        await scheduler.draw(picture, cell(0, 0), pin(cell(0, 0)))

    asyncio.run(scenario())
    scheduler.close()
    assert "drawing failed" in caplog.text


def test_what_a_window_brings_is_let_go_when_it_is_drawn_left_refused_or_fails(
    caplog: pytest.LogCaptureFixture,
) -> None:
    picture, scheduler = Gated(), Scheduler(2, 1, 60)
    caplog.set_level(
        "CRITICAL", "tileserver.tiles.scheduler"
    )  # captured records would hold the error

    async def scenario() -> None:
        sources = {name: pin(cell(0, 0)) for name in ("drawn", "left", "refused", "waits")}
        held = {name: weakref.ref(source) for name, source in sources.items()}
        tasks = {}
        for number, name in enumerate(("drawn", "left", "refused", "waits")):
            window = cell(3 * number, 0)
            draw = scheduler.draw(picture, window, sources.pop(name))
            tasks[name] = asyncio.create_task(draw)
            del draw
            await asyncio.sleep(0)
            if name == "drawn":
                await asyncio.to_thread(picture.entered.wait, LIMIT_SECONDS)
            if name == "refused":
                left = tasks.pop("left")
                left.cancel()
                await asyncio.wait([left])
                del left
        tasks["more"] = asyncio.create_task(scheduler.draw(picture, cell(20, 0), NOTHING))
        with pytest.raises(Overloaded):
            await tasks.pop("refused")

        def alive() -> list[str]:
            gc.collect()
            return [name for name, source in held.items() if source() is not None]

        async def wait_for(names: list[str]) -> None:
            """The loop holds what woke this task, and the thread what it answered, for a moment."""
            await wait_until_async(lambda: alive() == names, f"no {names}")

        await wait_for(["drawn", "waits"])
        picture.gate.set()
        await asyncio.gather(tasks["drawn"], tasks["waits"], tasks["more"])
        await wait_for([])
        short = pin(cell(0, 1))
        held["fails"] = weakref.ref(short)
        with pytest.raises(UnpinnedRead):
            await scheduler.draw(Halved(Waves()), cell(0, 0), short)
        del short
        await wait_for([])

    asyncio.run(scenario())
    scheduler.close()
