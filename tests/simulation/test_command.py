"""The command, on a real ledger and on none."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from lab_plugin.cli import main
from lab_plugin.lab import Lab
from tests.campaign.conftest import Runner, lock
from tests.program import LAB

MADE_UP = ("simulate", "--synthetic", "seconds=60")


def call(*arguments: str, cwd: Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([LAB, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


TIERS = """
[tiers.proxy]
seeds = 1
promote = { top_k = 3, of = 4 }

[tiers.last]
seeds = [0]

[budget]"""


async def test_a_real_ledger_is_replayed_and_searched_again(make_lab, run: Runner):
    folder = make_lab(replace={"[budget]": TIERS})
    assert "the lab is not locked" in call("simulate", cwd=folder, code=1).stderr
    await lock(folder)
    done = call("simulate", cwd=folder, code=1)
    assert "no idea of epoch 1 has a verdict" in done.stderr
    assert "--synthetic" in done.stderr
    await run(folder, 12)
    lab = Lab.open(folder)
    verdicts = list(lab.ledger.state().ideas.values())
    lab.close()
    before = subprocess.run(["git", "for-each-ref"], cwd=folder, capture_output=True, text=True).stdout
    told = json.loads(call("simulate", "--json", "--jobs", "1,3", "--overhead-ms", "0", cwd=folder).stdout)
    alone, three = told["runs"]
    assert (told["metric"], told["saturates_at"], alone["ideas"]) == ("value", None, 12)
    # One slot and the lab's own tiers are what happened.
    assert {tier: found["trials"] for tier, found in alone["tiers"].items()} == {"proxy": 12, "last": 9}
    assert alone["hours"] == pytest.approx(sum(verdict.seconds for verdict in verdicts) / 3600)
    assert alone["hours"] / 3 <= three["hours"] < alone["hours"]
    kept = [verdict for verdict in verdicts if verdict.verdict == "kept"]
    assert [best["idea"] for best in alone["best"]] == [verdict.number for verdict in kept]
    assert alone["best"][-1]["quality"] == kept[-1].value
    plain = json.loads(call("simulate", "--json", "--jobs", "1", "--tier", "none", cwd=folder).stdout)
    assert plain["runs"][0]["tiers"].keys() == {"last"}
    orchestration = median(verdict.orchestration_seconds for verdict in verdicts)
    assert sum(plain["orchestration"].values()) == pytest.approx(orchestration)
    searched = call("simulate", "--strategy", "tpe", "-n", "15", "--jobs", "2", cwd=folder, code=1).stderr
    assert "9 scored points" in searched
    after = subprocess.run(["git", "for-each-ref"], cwd=folder, capture_output=True, text=True).stdout
    assert after == before


def test_a_made_up_lab_needs_no_lab(tmp_path):
    tier = "proxy:cost=0.1,rho=0.8,promote=quantile:0.25"
    shown = call(*MADE_UP, "-n", "200", "--jobs", "1,8", "--tier", tier, cwd=tmp_path).stdout
    assert "hours at proxy" in shown
    assert "The lab is made up" in shown
    (tmp_path / "plan.toml").write_text(
        "[synthetic]\nseconds = 60\n[tiers.proxy]\ncost = 0.1\nrho = 0.8\npromote = { quantile = 0.25 }\n"
    )
    again = call("simulate", "--plan", "plan.toml", "-n", "200", "--jobs", "1,8", cwd=tmp_path).stdout
    assert again == shown
    assert list(tmp_path.iterdir()) == [tmp_path / "plan.toml"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["simulate"], "There is no lab.toml"),
        ([*MADE_UP, "--jobs", "0"], "--jobs '0'"),
        ([*MADE_UP, "--jobs", "4,"], "--jobs '4,'"),
        ([*MADE_UP, "--jobs", "-1"], "--jobs '-1'"),
        ([*MADE_UP, "-n", "0"], "1 idea or more"),
        ([*MADE_UP, "--overhead-ms", "inf"], "--overhead-ms"),
        (["simulate", "--synthetic", "seconds=1e308"], "--synthetic.seconds"),
        ([*MADE_UP, "--strategy", "tp"], "Did you mean 'tpe'?"),
        ([*MADE_UP, "--strategy", "command"], "it makes edits"),
        (["simulate", "--plan", "no.toml"], "no.toml cannot be read"),
        (["simulate", "--tier", "proxy"], "NAME:KEY=VALUE"),
    ],
)
def test_faults_are_told_with_a_remedy(tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    for more in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", ["lab", *arguments, *more])
        with pytest.raises(SystemExit) as end:
            main()
        told = capsys.readouterr()
        assert (end.value.code, told.out) == (1, "")
        if more:
            error = json.loads(told.err)["error"]
            told = f"{error['message']} {error['remedy']}"
        else:
            told = told.err
        assert said in told


@pytest.mark.parametrize("arguments", [["--help"], ["--synthetic", "seconds=1", "-n", "20"]])
def test_nothing_large_is_imported(arguments):
    code = f"""
import sys
from lab_plugin.cli import main
sys.argv = ["lab", "simulate", *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(sorted({{"prefect", "mlflow", "optuna", "numpy"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
