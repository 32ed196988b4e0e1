"""Push a cart left or right so that the pole on it stays up."""

import json
from pathlib import Path

gains = json.loads(Path("policy.json").read_text())


def act(state: dict[str, float]) -> int:
    """Return 1 to push to the right, -1 to the left."""
    return 1 if sum(gains[name] * value for name, value in state.items()) > 0 else -1
