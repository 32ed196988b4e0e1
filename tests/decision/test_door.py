import subprocess
import sys

import lab_plugin.decision


def test_all_that_the_door_names_is_there_and_sorted():
    names = lab_plugin.decision.__all__
    assert names == sorted(names)
    assert all(hasattr(lab_plugin.decision, name) for name in names)


def test_a_decision_waits_for_no_large_import():
    code = """
import sys
from lab_plugin.decision import *
noise, pairs = estimate_noise([0.1, 0.2, 0.15]), Pairs((0.5,) * 6, (0.1,) * 6)
rules = Rules(metric="m", goal="maximize")
decide(rules, {"m": noise}, Evidence(metrics={"m": pairs}), ErrorBudget(0.05).level(1))
print(sorted({"numpy", "scipy", "pydantic"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
