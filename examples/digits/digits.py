"""The public side of the data: training images with labels, test images without.

scikit-learn ships the data set with its labels, so this example shows the mechanics and not a secret: a real
lab keeps its labels in the scorer alone.
"""

import numpy as np
from sklearn.datasets import load_digits

_SPLIT_SEED = 20_260_101
_TEST_SIZE = 360


def load() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training images (n, 64) in [0, 1], training labels (n,) and test images (360, 64)."""
    data = load_digits()
    images = data.data / 16.0
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(images))
    test, train = order[:_TEST_SIZE], order[_TEST_SIZE:]
    return images[train], data.target[train], images[test]
