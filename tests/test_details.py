"""What a scoring said, in git: bound to its tree, shared where it is equal, bounded and without secrets."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab_plugin.details import Details, end_of_stderr, read_details, write_details
from lab_plugin.errors import LedgerError
from lab_plugin.redaction import Redactor
from lab_plugin.repository import Repository
from lab_plugin.scorer import Sample
from tests.conftest import git

NAMES = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)
SAMPLES = st.dictionaries(
    NAMES, st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=3))
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("repo")
    git(folder, "init", "-q")
    return Repository.open(folder)


def same(text: str) -> str:
    return text


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=SAMPLES, feedback=st.text(max_size=5), stderr=st.text(max_size=5))
def test_what_is_written_is_read_back(
    found: dict[str, tuple[float, str]], feedback: str, stderr: str, repository: Repository
) -> None:
    samples = tuple(Sample(name, *rest) for name, rest in found.items())
    tree = write_details(repository, Details(samples, feedback, stderr), same)
    read = read_details(repository, tree)
    assert read.samples == tuple(sorted(samples, key=lambda sample: sample.id))
    assert (read.feedback, read.stderr) == (feedback, stderr)
    assert (tree == "") == (not (samples or feedback or stderr))
    assert read_details(repository, tree, samples=False).samples == ()


def test_ids_are_stored_once_for_all_ideas(repository: Repository) -> None:
    samples = [Sample(f"{number:05d}", number / 7) for number in range(2_000)]
    first = repository.folder(write_details(repository, Details(tuple(samples)), same))
    others = [Sample(sample.id, sample.score + 1) for sample in reversed(samples)]
    second = repository.folder(write_details(repository, Details(tuple(others)), same))
    assert first["ids.json"] == second["ids.json"]
    assert first["scores.f64"] != second["scores.f64"]


def test_secrets_are_not_kept(repository: Repository) -> None:
    redact = Redactor({"MY_TOKEN": "correct-horse"}).text
    samples = (Sample("a", 1.0, "said correct-horse"), Sample("correct-horse", 2.0))
    tree = write_details(repository, Details(samples, "correct-horse", "correct-horse"), redact)
    blobs = [repository.read_blob(entry.oid) for entry in repository.folder(tree).values()]
    assert not any(b"correct-horse" in blob for blob in blobs)
    assert read_details(repository, tree).samples == (Sample("a", 1.0, "said [redacted]"),)


def test_damage_is_told(repository: Repository) -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        read_details(repository, "0" * 40)


def test_the_end_of_stderr_is_clean_and_bounded(tmp_path: Path) -> None:
    log = tmp_path / "stderr.log"
    log.write_bytes(
        b"start\n" * 5_000 + "\x1b[31mred\x1b[0m \u202e\u200bend ä correct-horse\0\x07\n".encode()
    )
    redact = Redactor({"MY_TOKEN": "correct-horse"}).text
    text = end_of_stderr(log, redact, 40)
    assert text.endswith("red end ä [redacted]")
    assert len(text.encode()) <= 40
    # A secret that the cut would run through is found before it is cut.
    log.write_bytes(b"x" * 100 + b" correct-horse 1234")
    assert end_of_stderr(log, redact, 10) == "cted] 1234"
    log.unlink()
    assert end_of_stderr(log, redact, 10) == ""
