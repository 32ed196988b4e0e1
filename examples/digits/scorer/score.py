"""Compare predictions with the labels, which lie beside this file and nowhere in the candidate's reach."""

import json
import os
from pathlib import Path

import numpy as np

CLASSES = 10
labels = np.array(json.loads(Path("scorer/labels.json").read_text()), dtype=np.int64)


def read_predictions(path: Path) -> np.ndarray:
    """Read a hostile .npy file: version, dtype and shape are checked before any array is made of it."""
    with path.open("rb") as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise SystemExit("predictions.npy is not a .npy file of version 1.0")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=1_000)
        if shape != labels.shape or fortran or dtype != np.dtype("<i8"):
            raise SystemExit(f"predictions.npy must be int64 of shape {labels.shape}, not {dtype} {shape}")
        data = stream.read(labels.nbytes + 1)
    if len(data) != labels.nbytes:
        raise SystemExit("predictions.npy has the wrong length")
    return np.frombuffer(data, dtype="<i8")


predictions = read_predictions(Path(os.environ["LAB_OUTPUTS"]) / "predictions.npy")
hits = predictions == labels
recall = {f"recall_{digit}": float(hits[labels == digit].mean()) for digit in range(CLASSES)}
worst = min(recall, key=recall.__getitem__)
scorecard = {
    "metrics": {"accuracy": float(hits.mean()), **recall},
    "samples": [{"id": str(index), "score": float(hit)} for index, hit in enumerate(hits)],
    "feedback": f"{int((~hits).sum())} of {len(labels)} are wrong; the weakest digit is {worst[-1]}",
}
Path(os.environ["LAB_SCORECARD"]).write_text(json.dumps(scorecard))
