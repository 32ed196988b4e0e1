"""The public side of the data: training images with labels, test images without.

scikit-learn ships the data set with its labels, so this example shows the mechanics and not a secret: a real
lab keeps its labels in the scorer alone.
"""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np

_SPLIT_SEED = 20_260_101
_TEST_SIZE = 360


def load() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training images (n, 64) in [0, 1], training labels (n,) and test images (360, 64)."""
    # Read from its file: importing scikit-learn takes longer than training.
    package = Path(find_spec("sklearn").origin).parent
    with gzip.open(package / "datasets" / "data" / "digits.csv.gz", "rt") as stream:
        data = np.loadtxt(stream, delimiter=",")
    images, labels = data[:, :-1] / 16.0, data[:, -1].astype(np.int64)
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(images))
    test, train = order[:_TEST_SIZE], order[_TEST_SIZE:]
    return images[train], labels[train], images[test]
