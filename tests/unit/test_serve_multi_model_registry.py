from __future__ import annotations

import gc
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serve.multi_model.registry import ModelRegistry
from serve.multi_model.remembered import read_remembered
from serve.multi_model.trials import Trials
from serve.refusals import Refusal
from tests.hosted_models import HostedModels

MB = 1024 * 1024


@pytest.fixture(scope="module")
def trials() -> Iterator[Trials]:
    trials = Trials(seconds=60.0)
    yield trials
    trials.stop()


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> HostedModels:
    hosted = HostedModels(tmp_path_factory.mktemp("ml"))
    for name in ("one", "two", "three"):
        hosted.add(name)
    return hosted


@pytest.fixture(autouse=True)
def own_temporary_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let registries leave nothing behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture
def registry(hosted: HostedModels, trials: Trials) -> ModelRegistry:
    return ModelRegistry(hosted.settings, trials=trials, unload_s=10.0)


def _url(hosted: HostedModels, name: str) -> str:
    return str(hosted.root / "models" / name / "model")


def test_a_loaded_model_predicts_and_is_listed(
    registry: ModelRegistry, hosted: HostedModels
) -> None:
    registry.load("b", _url(hosted, "one"))
    registry.load("a", _url(hosted, "two"))

    with registry.use("a") as predictor:
        predictor.check()

    assert registry.urls() == {"a": _url(hosted, "two"), "b": _url(hosted, "one")}
    assert list(registry.urls()) == ["a", "b"]
    assert registry.url_of("b") == _url(hosted, "one")


def test_a_name_is_taken_until_its_model_is_unloaded(
    registry: ModelRegistry, hosted: HostedModels
) -> None:
    registry.load("m", _url(hosted, "one"))

    assert _status(lambda: registry.load("m", _url(hosted, "two"))) == 409
    registry.unload("m")
    registry.load("m", _url(hosted, "two"))

    assert registry.url_of("m") == _url(hosted, "two")


def test_what_is_not_loaded_is_404_for_everyone(
    registry: ModelRegistry, hosted: HostedModels
) -> None:
    registry.load("m", _url(hosted, "one"))
    registry.unload("m")

    assert _status(lambda: registry.unload("m")) == 404
    assert _status(lambda: registry.url_of("m")) == 404
    assert _status(lambda: registry.use("m").__enter__()) == 404


def test_a_model_that_is_refused_leaves_its_name_free(
    registry: ModelRegistry, hosted: HostedModels
) -> None:
    bad = hosted.add_damaged("refused", "xgboost: truncated")

    assert _status(lambda: registry.load("m", bad)) == 400
    assert registry.urls() == {}
    registry.load("m", _url(hosted, "one"))


@pytest.mark.parametrize("name", ["", "x" * 1025, "\ud800"])
def test_a_name_has_1_to_1024_characters(
    name: str, registry: ModelRegistry, hosted: HostedModels
) -> None:
    assert _status(lambda: registry.load(name, _url(hosted, "one"))) == 400


def test_without_memory_a_load_is_507_and_the_others_stay(
    hosted: HostedModels, trials: Trials
) -> None:
    free = [1000 * MB]
    registry = ModelRegistry(hosted.settings, trials=trials, memory=lambda: free[0])
    registry.load("m", _url(hosted, "one"))
    free[0] = 15 * MB

    assert _status(lambda: registry.load("n", _url(hosted, "two"))) == 507
    assert list(registry.urls()) == ["m"]


def test_of_two_loads_of_a_name_at_once_one_is_409(
    registry: ModelRegistry, hosted: HostedModels
) -> None:
    for _ in range(5):
        seen = _at_once(8, lambda: registry.load("m", _url(hosted, "one")))

        assert seen == [200] + [409] * 7
        registry.unload("m")


def test_of_two_unloads_of_a_name_at_once_one_is_404(
    registry: ModelRegistry, hosted: HostedModels
) -> None:
    registry.load("m", _url(hosted, "one"))

    assert _at_once(4, lambda: registry.unload("m")) == [200, 404, 404, 404]


def test_different_models_may_be_loaded_at_once(
    registry: ModelRegistry, hosted: HostedModels
) -> None:
    names = iter(["one", "two", "three"])

    def load() -> None:
        name = next(names)
        registry.load(name, _url(hosted, name))

    assert _at_once(3, load) == [200, 200, 200]
    assert list(registry.urls()) == ["one", "three", "two"]


def test_an_unload_waits_for_requests_in_flight_and_lets_no_new_one_in(
    registry: ModelRegistry, hosted: HostedModels
) -> None:
    registry.load("m", _url(hosted, "one"))
    order: list[str] = []

    def unload() -> None:
        registry.unload("m")
        order.append("unloaded")

    with registry.use("m") as predictor:
        thread = threading.Thread(target=unload)
        thread.start()
        while registry.urls():  # the unload has begun once it is no longer listed
            pass
        assert _status(lambda: registry.use("m").__enter__()) == 404
        predictor.check()
        order.append("used")
    thread.join()

    assert order == ["used", "unloaded"]


def test_a_model_that_stays_in_use_stays_loaded(hosted: HostedModels, trials: Trials) -> None:
    registry = ModelRegistry(hosted.settings, trials=trials, unload_s=0.01)
    registry.load("m", _url(hosted, "one"))

    with registry.use("m"):
        assert _status(lambda: registry.unload("m")) == 503

    with registry.use("m") as predictor:
        predictor.check()
    registry.unload("m")


def test_a_loan_ends_with_an_error_as_well(registry: ModelRegistry, hosted: HostedModels) -> None:
    registry.load("m", _url(hosted, "one"))

    with pytest.raises(ZeroDivisionError), registry.use("m"):
        _ = 1 / 0

    registry.unload("m")


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm", "random_forest"])
def test_an_unloaded_model_is_gone_without_a_collection(
    algorithm: str, registry: ModelRegistry, hosted: HostedModels
) -> None:
    """A cycle would keep a model in memory until the collector happens to come by."""
    registry.load("m", hosted.add(f"gone-{algorithm}", algorithm))
    with registry.use("m") as predictor:
        kind = type(predictor.selection)
        before = _n_alive(kind)
    del predictor
    gc.disable()
    try:
        registry.unload("m")
        after = _n_alive(kind)
    finally:
        gc.enable()

    assert before - after == 1


def test_a_worker_that_takes_over_knows_the_models(hosted: HostedModels, trials: Trials) -> None:
    registry = _prepared(hosted, trials)
    registry.load("käse/é", _url(hosted, "one"))
    registry.load("n", _url(hosted, "two"))
    registry.unload("n")

    _begin_anew(registry)

    assert registry.urls() == {"käse/é": _url(hosted, "one")}
    assert _status(lambda: registry.load("käse/é", _url(hosted, "two"))) == 409
    assert _at_once(6, lambda: registry.use("käse/é").__enter__().check()) == [200] * 6


def test_a_taken_over_model_can_be_unloaded_unread(hosted: HostedModels, trials: Trials) -> None:
    registry = _prepared(hosted, trials)
    registry.load("m", _url(hosted, "one"))
    _begin_anew(registry)

    registry.unload("m")

    assert registry.urls() == {}
    assert registry._remembered is not None
    assert read_remembered(registry._remembered) == {}


def test_a_taken_over_model_that_no_longer_loads_is_dropped(
    hosted: HostedModels, trials: Trials, capfd: pytest.CaptureFixture[str]
) -> None:
    url = hosted.add("fades")
    registry = _prepared(hosted, trials)
    registry.load("m", url)
    registry.load("n", _url(hosted, "one"))
    _begin_anew(registry)
    (Path(url) / "manifest.json").unlink()

    assert _status(lambda: registry.use("m").__enter__()) == 404

    assert registry.urls() == {"n": _url(hosted, "one")}
    assert '"event":"model_dropped","model":"m"' in capfd.readouterr().out
    with registry.use("n") as predictor:
        predictor.check()


def test_a_taken_over_model_stays_where_memory_is_short(
    hosted: HostedModels, trials: Trials
) -> None:
    free = [1000 * MB]
    registry = ModelRegistry(hosted.settings, trials=trials, memory=lambda: free[0])
    registry.prepare()
    registry.load("m", _url(hosted, "one"))
    _begin_anew(registry)
    free[0] = 0

    assert _status(lambda: registry.use("m").__enter__()) == 507

    free[0] = 1000 * MB
    with registry.use("m") as predictor:
        predictor.check()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"models": 3}', "\udcff"])
def test_a_file_of_another_kind_is_remembered_as_nothing(text: str, tmp_path: Path) -> None:
    path = tmp_path / "loaded.json"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")

    assert read_remembered(path) == {}


def test_the_folder_of_names_is_private_and_goes_with_the_server(
    hosted: HostedModels, trials: Trials
) -> None:
    registry = ModelRegistry(hosted.settings, trials=trials)
    registry.prepare()
    assert registry._remembered is not None
    folder = registry._remembered.parent

    assert folder.stat().st_mode & 0o777 == 0o700
    registry.close()

    assert not folder.exists()


def test_a_full_disk_does_not_end_serving(hosted: HostedModels, trials: Trials) -> None:
    registry = _prepared(hosted, trials)
    assert registry._remembered is not None
    registry._remembered = Path("/proc/self/nowhere/loaded.json")

    registry.load("m", _url(hosted, "one"))

    with registry.use("m") as predictor:
        predictor.check()


def _prepared(hosted: HostedModels, trials: Trials) -> ModelRegistry:
    registry = ModelRegistry(hosted.settings, trials=trials)
    registry.prepare()
    return registry


def _begin_anew(registry: ModelRegistry) -> None:
    """Do what a fresh fork of the master does."""
    registry._entries.clear()
    registry.start()


def _status(act: Callable[[], object]) -> int:
    try:
        act()
    except Refusal as refusal:
        return refusal.status
    return 200


def _at_once(n_threads: int, act: Callable[[], object]) -> list[int]:
    barrier = threading.Barrier(n_threads)
    seen: list[int] = []

    def run() -> None:
        barrier.wait()
        seen.append(_status(act))

    threads = [threading.Thread(target=run) for _ in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(seen)


def _n_alive(kind: type) -> int:
    return sum(type(found) is kind for found in gc.get_objects())
