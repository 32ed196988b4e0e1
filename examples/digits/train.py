"""Train a network of one hidden layer on the digits, and write its predictions."""

import json
import os
from pathlib import Path

import numpy as np
from digits import load

BATCH = 200
CLASSES = 10
PROXY = 0.1  # share of its epochs that an idea trains for at the tier `proxy`
ACTIVATIONS = {  # each with its slope, from its own output
    "relu": (lambda x: np.maximum(x, 0), lambda y: y > 0),
    "tanh": (np.tanh, lambda y: 1 - y**2),
}


def epochs_of(params: dict, tier: str) -> int:
    """How many epochs a tier trains for."""
    return max(1, round(PROXY * params["epochs"])) if tier == "proxy" else params["epochs"]


def train(images: np.ndarray, labels: np.ndarray, params: dict, epochs: int, seed: int) -> list[np.ndarray]:
    """Return the weights and biases of both layers, fitted by Adam to the cross-entropy."""
    rng = np.random.default_rng(seed)
    sizes = [(images.shape[1], params["hidden"]), (params["hidden"], CLASSES)]
    network = []
    for size in sizes:
        bound = np.sqrt(6 / sum(size))
        network += [rng.uniform(-bound, bound, size), np.zeros(size[1])]
    means = [np.zeros_like(part) for part in network]
    squares = [np.zeros_like(part) for part in network]
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for batch in np.array_split(order, max(1, len(images) // BATCH)):
            step += 1
            rate = params["learning_rate"] * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            slopes = gradients(network, images[batch], np.eye(CLASSES)[labels[batch]], params)
            for part, slope, mean, square in zip(network, slopes, means, squares, strict=True):
                mean += 0.1 * (slope - mean)
                square += 0.001 * (slope**2 - square)
                part -= rate * mean / (np.sqrt(square) + 1e-8)
    return network


def forward(network: list[np.ndarray], images: np.ndarray, params: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return the hidden layer's output, and the score of each class."""
    first, first_bias, second, second_bias = network
    hidden = ACTIVATIONS[params["activation"]][0](images @ first + first_bias)
    return hidden, hidden @ second + second_bias


def gradients(
    network: list[np.ndarray], images: np.ndarray, answers: np.ndarray, params: dict
) -> list[np.ndarray]:
    """Return the slope of the loss, with its penalty on large weights, by each part of the network."""
    hidden, scores = forward(network, images, params)
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    error = (chances / chances.sum(axis=1, keepdims=True) - answers) / len(images)
    behind = error @ network[2].T * ACTIVATIONS[params["activation"]][1](hidden)
    slopes = [images.T @ behind, behind.sum(axis=0), hidden.T @ error, error.sum(axis=0)]
    for layer in (0, 2):
        slopes[layer] += params["alpha"] / len(images) * network[layer]
    return slopes


def main() -> None:
    params = json.loads(Path("params.json").read_text())
    images, labels, unseen = load()
    epochs = epochs_of(params, os.environ.get("LAB_TIER", "final"))
    network = train(images, labels, params, epochs, int(os.environ.get("LAB_SEED", "0")))
    print(f"trained for {epochs} epochs")
    predictions = forward(network, unseen, params)[1].argmax(axis=1)
    np.save(Path(os.environ["LAB_OUTPUTS"]) / "predictions.npy", predictions.astype(np.int64))


if __name__ == "__main__":
    main()
