"""What there is: cores, cards by what the machine says, and what no machine can give."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.config import Config, load
from lab_plugin.errors import ConfigError
from lab_plugin.slots import _cards, capacity_of, find_cards, needs_of, open_slots

A, B, C = (f"GPU-{letter * 8}-0000-0000-0000-000000000000" for letter in "abc")
PART = "MIG-11111111-2222-3333-4444-555555555555"

Configured = Callable[..., Config]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make a machine whose `nvidia-smi -L` prints this."""
    monkeypatch.setattr(_cards, "_DRIVER", tmp_path / "none")
    for name in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "bin"
    folder.mkdir()

    def say(text: str) -> None:
        (folder / "said").write_text(text)
        program = folder / "nvidia-smi"
        program.write_text(f'#!/bin/sh\n[ "$1" = -L ] && cat {folder}/said\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    return say


@pytest.fixture
def configured(make_lab: Callable[..., Path]) -> Configured:
    def make(resources: str = "", **replace: str) -> Config:
        table = f"[resources]\n{resources}\n\n[budget]"
        changes = {
            "[candidate]": "[candidate]\n" + "\n".join(f"{key} = {value}" for key, value in replace.items())
        }
        return load(make_lab(replace={"[budget]": table, **changes}) / "lab.toml")

    return make


def listed(*cards: str) -> str:
    return "".join(f"GPU {index}: NVIDIA H200 (UUID: {card})\n" for index, card in enumerate(cards))


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, (A, B, C)),
        ({"CUDA_VISIBLE_DEVICES": "2,0"}, (C, A)),
        ({"CUDA_VISIBLE_DEVICES": "GPU-bbbb"}, (B,)),
        ({"CUDA_VISIBLE_DEVICES": "1,-1,0"}, (B,)),
        ({"CUDA_VISIBLE_DEVICES": ""}, ()),
        ({"CUDA_VISIBLE_DEVICES": "7"}, ()),
        ({"NVIDIA_VISIBLE_DEVICES": "all"}, (A, B, C)),
        ({"NVIDIA_VISIBLE_DEVICES": "void"}, ()),
        ({"NVIDIA_VISIBLE_DEVICES": "1"}, (B,)),
        # Given to this container as 4, 5 and 6 of the host, and counted from 0 inside.
        ({"NVIDIA_VISIBLE_DEVICES": "4,5,6"}, (A, B, C)),
        ({"CUDA_VISIBLE_DEVICES": "0", "NVIDIA_VISIBLE_DEVICES": "4,5,6"}, (A,)),
    ],
)
def test_cards_that_this_process_may_use(
    machine: Callable[[str], None], environment: dict[str, str], found: tuple[str, ...]
) -> None:
    machine(listed(A, B, C))
    assert find_cards(environment) == found


def test_a_card_in_parts_counts_as_its_parts(machine: Callable[[str], None]) -> None:
    machine(
        listed(A) + f"  MIG 1g.18gb     Device  0: (UUID: {PART})\n" + f"GPU 1: NVIDIA H200 (UUID: {B})\n"
    )
    assert find_cards({}) == (PART, B)


@pytest.mark.parametrize("said", ["", "No devices were found\n", "GPU 0: (UUID: \x00)\n", "\xff" * 100])
def test_what_says_nothing_of_cards(machine: Callable[[str], None], said: str) -> None:
    machine(said)
    assert find_cards({}) == ()


def test_the_driver_says_it_where_its_program_is_missing(
    machine: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for minor, name, address in ((1, B, "0000:01:00.0"), (0, A, "0000:02:00.0")):
        folder = tmp_path / "gpus" / address
        folder.mkdir(parents=True)
        (folder / "information").write_text(
            f"Model: \t\t NVIDIA\nGPU UUID: \t {name}\nDevice Minor: \t {minor}\n"
        )
    monkeypatch.setattr(_cards, "_DRIVER", tmp_path / "gpus")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_cards({}) == (A, B)


def test_what_lab_toml_says_goes_first(machine: Callable[[str], None], configured: Configured) -> None:
    machine(listed(A, B))
    config = configured('cpus = 7.5\ngpus = [3, "GPU-x"]\njobs_per_gpu = 2')
    capacity = capacity_of(config, jobs=16)
    assert (capacity.cpus, capacity.cards, capacity.jobs_per_gpu) == (7.5, ("3", "GPU-x"), 2)
    assert str(capacity) == "7.5 cores, 2 GPUs, 2 jobs on each"


def test_without_a_word_there_is_a_core_per_iteration(
    machine: Callable[[str], None], configured: Configured
) -> None:
    machine(listed(A, B))
    config = configured("gpus = 1")
    assert capacity_of(config, jobs=1_000).cpus == 1_000
    assert capacity_of(config, jobs=1).cpus >= 1
    assert capacity_of(config).cards == (A,)


def test_what_can_never_be_had_is_refused_with_its_line(
    machine: Callable[[str], None], configured: Configured
) -> None:
    machine(listed(A, B))
    config = configured("cpus = 0.5", cpus="2", gpus="3")
    with pytest.raises(ConfigError, match="more than this machine has") as caught:
        open_slots(config, jobs=8)
    assert [fault.partition(": ")[2] for fault in caught.value.faults] == [
        "candidate.cpus: 2 cores are asked for, and there are 0.5",
        "scorer.cpus: 1 cores are asked for, and there are 0.5",
        f"candidate.gpus: 3 cards are asked for, and there are 2 ({A}, {B})",
    ]
    assert caught.value.faults[0].startswith("lab.toml:") and "[resources]" in caught.value.remedy


def test_a_scorer_beside_its_candidate_takes_room_too(make_lab: Callable[..., Path]) -> None:
    config = load(make_lab() / "lab.toml")
    assert needs_of(config).execution.cpus == config.candidate.cpus
    assert needs_of(config).scoring.cpus == config.scorer.cpus
    served = config.model_copy(update={"scorer": config.scorer.model_copy(update={"contract": "served"})})
    assert needs_of(served).execution.cpus == config.candidate.cpus + config.scorer.cpus
    assert needs_of(served).scoring.cpus == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpus = -1", "must be a number of cards"),
        ("gpus = true", "must be a number of cards"),
        ("gpus = [0, 0]", '"0" is given twice'),
        ('gpus = ["a b"]', "a card has an index or an id"),
        ("jobs_per_gpu = 0", "greater than or equal to 1"),
        ("cpus = 0", "greater than 0"),
        ("cards = 1", "'cards'"),
    ],
)
def test_a_fault_in_the_table_has_its_line(configured: Configured, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(text)
    assert message in caught.value.faults[0] and "lab.toml:" in caught.value.faults[0]
