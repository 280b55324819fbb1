"""Models stay loaded while there is room, and go by least use when there is none, never out of anybody's hands."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.engines import warm
from core.engines.memory import device_memory_bytes, is_out_of_memory
from core.engines.warm import WarmModels


class Model:
    """A model that knows whether it was closed."""

    def __init__(self, name: str) -> None:
        self.name, self.closed = name, False

    def close(self) -> None:
        self.closed = True


class Stop(Exception):
    """What a caller's ``wait`` raises."""


def never() -> None:
    raise AssertionError("nothing to wait for")


def stop() -> None:
    raise Stop


class Shelf:
    """``WarmModels`` of 10 bytes, and what was loaded through it."""

    def __init__(self, limit_bytes: int = 10) -> None:
        self.limit_bytes = limit_bytes
        self.models = WarmModels(lambda: self.limit_bytes, interval_seconds=0.001)
        self.loads: list[str] = []

    def hold(self, name: str, size_bytes: int = 4, wait: Callable[[], None] = never):
        return self.models.hold(name, size_bytes, lambda: self.load(name), wait)

    def load(self, name: str) -> Model:
        self.loads.append(name)
        return Model(name)

    def use(self, *names: str, size_bytes: int = 4) -> None:
        for name in names:
            with self.hold(name, size_bytes) as model:
                assert model.name == name

    @property
    def loaded(self) -> list[str]:
        return list(self.models.loaded())


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_a_model_is_loaded_at_its_first_use_and_kept(shelf: Shelf) -> None:
    assert shelf.loaded == []
    shelf.use("a", "a", "a")
    assert (shelf.loads, shelf.loaded) == (["a"], ["a"])


def test_the_least_recently_used_goes_first(shelf: Shelf) -> None:
    shelf.use("a", "b", "a", "c")
    assert shelf.loaded == ["a", "c"]


def test_use_ends_when_the_hold_does(shelf: Shelf) -> None:
    with shelf.hold("a"):
        shelf.use("b")
    shelf.use("c")
    assert shelf.loaded == ["a", "c"]


def test_only_as_many_go_as_must(shelf: Shelf) -> None:
    shelf.use("a", "b", size_bytes=3)
    shelf.use("c", size_bytes=6)
    assert shelf.loaded == ["b", "c"]


def test_what_goes_is_closed_and_nobody_refers_to_it_any_more(shelf: Shelf) -> None:
    with shelf.hold("a", 8) as model:
        pass
    closed, gone = [], weakref.ref(model)
    model.close = lambda: closed.append("a")  # type: ignore[method-assign] # the model itself must not be kept
    del model
    shelf.use("b")
    gc.collect()
    assert closed == ["a"]
    assert gone() is None


def test_a_model_without_close_may_go_too(shelf: Shelf) -> None:
    with shelf.models.hold("plain", 8, lambda: [1, 2], never) as model:
        assert model == [1, 2]
    shelf.use("a")
    assert shelf.loaded == ["a"]


def test_what_is_held_never_goes(shelf: Shelf) -> None:
    with shelf.hold("a"), shelf.hold("b"):
        with pytest.raises(Stop), shelf.hold("c", wait=stop):
            pytest.fail("there is no room")
        assert shelf.loaded == ["a", "b"]
    shelf.use("c")
    assert "c" in shelf.loaded


def test_while_too_much_is_held_the_free_ones_stay_as_well(shelf: Shelf) -> None:
    shelf.use("free")
    with shelf.hold("a"):
        with pytest.raises(Stop), shelf.hold("b", 7, wait=stop):
            pytest.fail("there is no room")
        assert shelf.loaded == ["free", "a"]


def test_whoever_waits_is_served_when_there_is_room(shelf: Shelf) -> None:
    held, waits = ExitStack(), []

    def wait() -> None:
        waits.append(1)
        if len(waits) == 3:
            held.close()

    held.enter_context(shelf.hold("a", 8))
    with shelf.hold("b", 8, wait=wait) as model:
        assert model.name == "b"
    assert len(waits) == 3
    assert shelf.loaded == ["b"]


def test_a_wait_that_was_ended_leaves_no_trace(shelf: Shelf) -> None:
    with shelf.hold("a", 8), pytest.raises(Stop), shelf.hold("b", 8, wait=stop):
        pytest.fail("there is no room")
    shelf.use("b")
    assert shelf.loads == ["a", "b"]


def test_a_model_larger_than_the_limit_is_loaded_alone(shelf: Shelf) -> None:
    shelf.use("a", "b")
    with shelf.hold("large", 99):
        assert shelf.loaded == ["large"]
        with pytest.raises(Stop), shelf.hold("a", wait=stop):
            pytest.fail("it is not alone")
    shelf.use("a")
    assert shelf.loaded == ["a"]


def test_a_model_larger_than_the_limit_waits_until_nothing_is_held(shelf: Shelf) -> None:
    held = ExitStack()
    held.enter_context(shelf.hold("a", 1))
    with shelf.hold("large", 99, wait=held.close):
        assert shelf.loaded == ["large"]


def test_the_limit_is_asked_anew_for_each_load(shelf: Shelf) -> None:
    shelf.use("a", "b")
    shelf.limit_bytes = 12
    shelf.use("c")
    assert shelf.loaded == ["a", "b", "c"]


def test_callers_of_one_key_load_once_and_hold_the_same(shelf: Shelf) -> None:
    loading, others = threading.Event(), threading.Semaphore(0)

    def load() -> Model:
        loading.set()
        for _ in range(3):
            assert others.acquire(timeout=10), "the others wait"
        return shelf.load("a")

    def first() -> Model:
        with shelf.models.hold("a", 4, load, never) as model:
            return model

    def other() -> Model:
        with shelf.hold("a", wait=others.release) as model:
            return model

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(first)]
        assert loading.wait(10)
        futures += [pool.submit(other) for _ in range(3)]
        models = {id(future.result(10)) for future in futures}
    assert len(models) == 1
    assert shelf.loads == ["a"]


def test_different_models_load_side_by_side(shelf: Shelf) -> None:
    both = threading.Barrier(2, timeout=10)

    def use(name: str) -> None:
        with shelf.models.hold(name, 4, lambda: both.wait() and Model(name), never):
            pass

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(use, ["a", "b"]))
    assert set(shelf.loaded) == {"a", "b"}


def test_a_load_that_fails_leaves_nothing_and_the_next_one_works(shelf: Shelf) -> None:
    def fail() -> Model:
        raise OSError("damaged")

    with pytest.raises(OSError, match="damaged"), shelf.models.hold("a", 8, fail, never):
        pytest.fail("it was not loaded")
    assert shelf.loaded == []
    shelf.use("b", "a", size_bytes=8)
    assert shelf.loaded == ["a"]


def test_a_model_that_fails_to_close_keeps_no_place(shelf: Shelf) -> None:
    with shelf.hold("a", 8) as model:
        model.close = stop  # type: ignore[method-assign] # what else could fail
    with pytest.raises(Stop):
        shelf.use("b", size_bytes=8)
    shelf.use("b", size_bytes=8)
    assert shelf.loaded == ["b"]


def test_whoever_waits_for_a_load_that_fails_loads_it_anew(shelf: Shelf) -> None:
    loading, waiting = threading.Event(), threading.Event()

    def fail() -> Model:
        loading.set()
        assert waiting.wait(10)
        raise OSError("damaged")

    def first() -> None:
        with shelf.models.hold("a", 4, fail, never):
            pass

    with ThreadPoolExecutor(1) as pool:
        failing = pool.submit(first)
        assert loading.wait(10)
        with shelf.hold("a", wait=waiting.set) as model:
            assert model.name == "a"
        assert isinstance(failing.exception(10), OSError)


def test_work_that_fails_releases_its_model(shelf: Shelf) -> None:
    with pytest.raises(Stop), shelf.hold("a", 8):
        raise Stop
    shelf.use("b", size_bytes=8)
    assert shelf.loaded == ["b"]


def test_many_threads_never_hold_more_than_the_limit(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "give_back_memory", int)  # a hundred times, in a large process, takes seconds
    held, lock, most = [0], threading.Lock(), [0]

    def use(number: int) -> None:
        size = 1 + number % 5
        with shelf.models.hold(size, size, lambda: Model(str(size)), lambda: None), lock:
            held[0] += 1
            most[0] = max(most[0], sum(shelf.models.loaded()))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(100)))
    assert held == [100]
    assert 5 <= most[0] <= 10


def groups(root: Path, membership: str, **limits: str) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(membership)
    for path, limit in limits.items():
        file = root / "sys/fs/cgroup" / path.replace("__", "/").replace("_DOT_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit)
    return root


@pytest.mark.parametrize(
    ("membership", "limits"),
    [
        ("0::/\n", {"memory_DOT_max": "1000000\n"}),
        ("0::/app/worker\n", {"app__worker__memory_DOT_max": "max\n", "app__memory_DOT_max": "1000000\n"}),
        ("0::/hidden\n", {"memory_DOT_max": "1000000\n"}),
        ("5:cpu,memory:/app\n1:name=systemd:/\n", {"memory__app__memory_DOT_limit_in_bytes": "1000000\n"}),
    ],
)
def test_memory_is_what_the_control_groups_grant(tmp_path: Path, membership: str, limits: dict[str, str]) -> None:
    assert device_memory_bytes("cpu", groups(tmp_path, membership, **limits)) == 1_000_000


@pytest.mark.parametrize("membership", ["0::/\n", "5:memory:/\n", "nonsense", ""])
def test_without_a_limit_memory_is_the_machines(tmp_path: Path, membership: str) -> None:
    empty = device_memory_bytes("cpu", tmp_path)
    assert empty > 2**28
    assert device_memory_bytes("cpu", groups(tmp_path, membership, memory_DOT_max="max")) == empty


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_that_ran_out_is_told_from_other_failures(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) == expected
