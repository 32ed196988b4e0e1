"""Record scores of real ideas on real seeds: `python -m tests.benchmarks.decision_record > FILE`.

The ideas are parameters of scikit-learn's network on the data of `examples/digits`, drawn around a start;
each is trained and scored with the same seeds. Takes some minutes. The file is the fixture of
`tests/decision/test_recorded_log.py`.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np

IDEAS = 40
SEEDS = 24
START = {"hidden": 24, "learning_rate": 0.003, "alpha": 0.0001, "epochs": 15, "activation": "relu"}


def ideas() -> list[dict[str, object]]:
    """The start, and changes of one or two of its parameters."""
    rng, found = np.random.default_rng(20_260_101), [dict(START)]
    for _ in range(IDEAS):
        idea = dict(START)
        for name in rng.choice(["hidden", "learning_rate", "alpha", "alpha", "epochs", "activation"], 2):
            idea[str(name)] = {
                "hidden": int(round(24 * 2 ** rng.uniform(-1, 1.2))),
                "learning_rate": round(float(0.003 * 10 ** rng.uniform(-0.6, 0.6)), 5),
                "alpha": round(float(10 ** rng.uniform(-6, -2)), 7),
                "epochs": int(rng.choice([10, 15, 20, 25])),
                "activation": str(rng.choice(["relu", "tanh"])),
            }[str(name)]
        found.append(idea)
    return found


def main() -> None:
    folder = Path(__file__).parents[2] / "examples" / "digits"
    sys.path.insert(0, str(folder))
    from digits import load
    from sklearn.neural_network import MLPClassifier

    images, answers, unseen = load()
    labels = np.array(json.loads((folder / "scorer" / "labels.json").read_text()))
    warnings.simplefilter("ignore")
    log = []
    for idea in ideas():
        scores = []
        for seed in range(SEEDS):
            model = MLPClassifier(
                hidden_layer_sizes=(idea["hidden"],),
                learning_rate_init=idea["learning_rate"],
                alpha=idea["alpha"],
                max_iter=idea["epochs"],
                activation=idea["activation"],
                random_state=seed,
            )
            scores.append(int((model.fit(images, answers).predict(unseen) == labels).sum()))
        log.append({"params": idea, "right": scores})
        print(f"{len(log)} of {IDEAS + 1}", file=sys.stderr, flush=True)
    lines = ",\n".join(json.dumps(entry) for entry in log)
    print(f'{{"questions": {len(labels)}, "ideas": [\n{lines}\n]}}')


if __name__ == "__main__":
    main()
