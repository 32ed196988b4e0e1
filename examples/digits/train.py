"""Train a multi-layer perceptron on the digits and write its predictions."""

import json
import os
import warnings
from pathlib import Path

import numpy as np
from digits import load
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

params = json.loads(Path("params.json").read_text())
train_images, train_labels, test_images = load()
model = MLPClassifier(
    hidden_layer_sizes=(params["hidden"],),
    learning_rate_init=params["learning_rate"],
    alpha=params["alpha"],
    max_iter=params["epochs"],
    activation=params["activation"],
    random_state=int(os.environ.get("LAB_SEED", "0")),
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    model.fit(train_images, train_labels)
print(f"loss {model.loss_:.4f} after {model.n_iter_} epochs")
np.save(Path(os.environ["LAB_OUTPUTS"]) / "predictions.npy", model.predict(test_images).astype(np.int64))
