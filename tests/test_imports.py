import gc
import subprocess
import sys

import pytest

from lab_plugin.imports import large_imports


def test_nothing_is_collected_meanwhile_and_afterwards_as_before():
    before = gc.get_freeze_count()
    with large_imports():
        assert not gc.isenabled()
        kept = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(kept)
    gc.unfreeze()


@pytest.mark.parametrize("enabled", [True, False])
def test_an_import_that_fails_leaves_the_collector_as_it_was(enabled):
    code = (
        "import gc; from lab_plugin.imports import large_imports\n"
        f"{'gc.enable()' if enabled else 'gc.disable()'}\n"
        "try:\n with large_imports():\n  import no_such_module\n"
        "except ImportError: print(gc.isenabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{enabled}\n"


def test_the_program_starts_without_what_only_its_commands_need():
    """Each of them would wait for it, and `lab --help` too."""
    code = "import sys, lab_plugin.cli; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    dear = {"asyncio", "git", "mlflow", "optuna", "prefect", "pydantic", "rich", "tempfile"}
    assert dear & set(done.stdout.split()) == set()


def test_the_state_of_a_lab_is_told_without_prefect_and_mlflow():
    code = "import sys, lab_plugin.cli, lab_plugin.opening, lab_plugin.summary; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    dear = {"httpx", "lab_plugin.importing", "mlflow", "numpy", "optuna", "prefect", "sqlalchemy"}
    assert dear & set(done.stdout.split()) == set()
