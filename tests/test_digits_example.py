"""The example that `make demo` runs: its data, its network and its tiers."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lab_plugin.config import load
from lab_plugin.promotion import Quantile

FOLDER = Path(__file__).parents[1] / "examples" / "digits"
PARAMS = json.loads((FOLDER / "params.json").read_text())


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import digits
    import train

    yield digits, train
    for name in ("digits", "train"):
        sys.modules.pop(name)


def test_the_data_are_those_of_scikit_learn_and_the_labels_the_scorers(example):
    from sklearn.datasets import load_digits

    digits, _ = example
    images, labels, unseen = digits.load()
    whole = load_digits()
    order = np.random.default_rng(20_260_101).permutation(len(whole.data))
    np.testing.assert_array_equal(images, whole.data[order[360:]] / 16)
    np.testing.assert_array_equal(labels, whole.target[order[360:]])
    np.testing.assert_array_equal(unseen, whole.data[order[:360]] / 16)
    assert json.loads((FOLDER / "scorer" / "labels.json").read_text()) == whole.target[order[:360]].tolist()


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_gradients_are_the_slopes_of_the_loss(example, activation):
    _, train = example
    rng, params = np.random.default_rng(1), {**PARAMS, "activation": activation, "alpha": 0.5}
    images, answers = rng.random((7, 5)), np.eye(10)[rng.integers(10, size=7)]
    network = [rng.standard_normal(shape) for shape in ((5, 4), (4,), (4, 10), (10,))]

    def loss():
        scores = train.forward(network, images, params)[1]
        chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        penalty = params["alpha"] / 2 * sum((network[layer] ** 2).sum() for layer in (0, 2))
        return (penalty - np.log((chances * answers).sum(axis=1)).sum()) / len(images)

    for part, slope in zip(network, train.gradients(network, images, answers, params), strict=True):
        place = tuple(rng.integers(size) for size in part.shape)
        before, values = part[place], []
        for step in (1e-6, -1e-6):
            part[place] = before + step
            values.append(loss())
        part[place] = before
        assert slope[place] == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-4, abs=1e-7)


def test_the_seed_decides_and_training_helps(example):
    digits, train = example
    images, labels, _ = digits.load()

    def right(epochs, seed):
        network = train.train(images, labels, PARAMS, epochs, seed)
        return float((train.forward(network, images, PARAMS)[1].argmax(axis=1) == labels).mean())

    assert right(4, 0) == right(4, 0) != right(4, 1)
    assert right(PARAMS["epochs"], 0) > 0.9 > right(4, 0)


def test_a_cheap_tier_promotes_to_one_that_trains_whole(example):
    proxy, final = load(FOLDER / "lab.toml").tiers
    assert (proxy.name, final.name) == ("proxy", "final")
    assert isinstance(proxy.promote, Quantile)
    cheap, whole = (example[1].epochs_of(PARAMS, tier.name) for tier in (proxy, final))
    assert 0 < cheap <= whole / 4
    assert whole == PARAMS["epochs"]


def test_it_imports_no_more_than_it_needs():
    program = "import sys, train; print('sklearn' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-B", "-c", program], cwd=FOLDER, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
