"""Cut a text into the words that a search would look for."""

import json
import re
import unicodedata
from pathlib import Path

options = json.loads(Path("options.json").read_text())


def tokens(text: str) -> list[str]:
    """Return the words of a text, in order."""
    if options["case"] == "lower":
        text = text.lower()
    if options["accents"] == "strip":
        text = "".join(
            part for part in unicodedata.normalize("NFKD", text) if not unicodedata.combining(part)
        )
    pattern = r"\w+" if options["digits"] == "keep" else r"[^\W\d]+"
    return [word for word in re.findall(pattern, text) if len(word) >= options["shortest"]]
