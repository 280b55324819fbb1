"""What a job's stems were made by."""

from __future__ import annotations

import numpy as np

from core.generation.receipt import Maker, library_versions
from core.ports import EngineInfo
from tests.toy_engine import TOY, ToyEngine


def test_the_libraries_that_a_loader_names_have_their_versions_and_what_is_missing_has_none() -> None:
    assert library_versions("numpy") == {"numpy": np.__version__}
    assert library_versions("no-such-library or numpy") == {"numpy": np.__version__}
    assert library_versions("no-such-library") == {}


def test_other_weights_another_version_or_another_model_is_another_maker() -> None:
    def maker(engine: EngineInfo = TOY, model: str = "small", weights: str = "a") -> Maker:
        toy = ToyEngine()
        toy.weights = weights
        return Maker.of(engine, engine.model(model), toy)

    newer = EngineInfo(**{**vars(TOY), "version": "2"})
    assert maker() == maker()
    assert len({repr(each) for each in (maker(), maker(newer), maker(model="melody"), maker(weights="b"))}) == 4
