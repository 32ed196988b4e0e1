"""What the words of a text are; the candidate never sees this file."""

import pytest
from lab_candidate import CandidateError, call

CASES = {
    "lower case": ("Hello World", ["hello", "world"]),
    "accents": ("café crème", ["cafe", "creme"]),
    "two letters": ("to be or not", ["to", "be", "or", "not"]),
    "no single letters": ("a word", ["word"]),
    "no numbers": ("route 66 west", ["route", "west"]),
    "punctuation": ("well-known, isn't it?", ["well", "known", "isn", "it"]),
    "nothing": ("", []),
}


@pytest.mark.parametrize("name", CASES)
def test_words(name: str) -> None:
    text, expected = CASES[name]
    assert call("tokens", text) == expected


def test_only_texts_have_words() -> None:
    with pytest.raises(CandidateError):
        call("tokens", 7)
