import subprocess
import sys

import lab_plugin.promotion


def test_all_that_the_door_names_is_there_and_sorted():
    names = lab_plugin.promotion.__all__
    assert names == sorted(names)
    assert all(hasattr(lab_plugin.promotion, name) for name in names)


def test_it_is_pure():
    code = """
import sys
import lab_plugin.promotion
print(sorted(name for name in sys.modules if name.startswith("lab_plugin.") and "promotion" not in name))
print(sorted({"numpy", "scipy", "pydantic", "prefect", "mlflow"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"
