"""A container that was made ahead holds what one made for its job does: the same tests, of the same."""

import asyncio
from collections.abc import Iterator

import pytest

from lab_plugin.sandbox import Sandbox
from tests.sandbox.docker_ahead import AheadSandbox, History, WatchedSandbox
from tests.sandbox.test_attacks import (
    test_a_storage_full_of_empty_files_is_bounded,
    test_killing_everybody_kills_only_itself,
    test_nothing_is_left_behind,
    test_proc_devices_and_privileges_lead_nowhere,
)
from tests.sandbox.test_conformance import (
    test_a_command_that_cannot_be_executed,
    test_a_crash_is_data,
    test_a_daemon_that_keeps_the_pipes_open_is_ended,
    test_a_disk_filler_is_ended,
    test_a_flood_is_read_and_dropped,
    test_a_fork_bomb_is_held,
    test_a_hang_that_ignores_sigterm_ends_in_time,
    test_a_memory_hog_is_ended,
    test_cancellation_ends_the_job_first,
    test_cpu_time_is_held,
    test_environment_is_an_allow_list,
    test_inputs_directory_and_interpreter,
    test_memory_of_a_child_that_was_killed_is_seen,
    test_no_descriptor_of_the_launcher_is_inherited,
    test_outputs_are_read_as_an_attacker_would_have_them,
    test_runs_and_returns_declared_outputs,
    test_sparse_outputs_do_not_add_up_beyond_the_disk_limit,
)

__all__ = [
    "test_a_command_that_cannot_be_executed",
    "test_a_crash_is_data",
    "test_a_daemon_that_keeps_the_pipes_open_is_ended",
    "test_a_disk_filler_is_ended",
    "test_a_flood_is_read_and_dropped",
    "test_a_fork_bomb_is_held",
    "test_a_hang_that_ignores_sigterm_ends_in_time",
    "test_a_memory_hog_is_ended",
    "test_a_storage_full_of_empty_files_is_bounded",
    "test_cancellation_ends_the_job_first",
    "test_cpu_time_is_held",
    "test_environment_is_an_allow_list",
    "test_inputs_directory_and_interpreter",
    "test_killing_everybody_kills_only_itself",
    "test_memory_of_a_child_that_was_killed_is_seen",
    "test_no_descriptor_of_the_launcher_is_inherited",
    "test_nothing_is_left_behind",
    "test_outputs_are_read_as_an_attacker_would_have_them",
    "test_proc_devices_and_privileges_lead_nowhere",
    "test_runs_and_returns_declared_outputs",
    "test_sparse_outputs_do_not_add_up_beyond_the_disk_limit",
]


@pytest.fixture
def sandbox(engine: str) -> Iterator[Sandbox]:
    inner = WatchedSandbox()
    history = History(inner)
    yield AheadSandbox(inner)
    asyncio.run(inner.close())
    assert history.waiting() == []


@pytest.fixture
def contained(sandbox: Sandbox) -> Sandbox:
    return sandbox
