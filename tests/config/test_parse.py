from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from lab_plugin.config import CategoricalParameter, FloatParameter, IntParameter, parse, parse_amount
from lab_plugin.errors import ConfigError

Fault = Callable[[str, str], str]
Faults = Callable[[str], tuple[str, ...]]


def test_gpus_need_the_sandbox_that_has_them(valid: str, faults: Callable[[str], tuple[str, ...]]) -> None:
    wished = valid.replace("gpus    = 0", "gpus = 2")
    for kind in ("auto", "docker"):
        assert parse(wished.replace('kind = "auto"', f'kind = "{kind}"')).candidate.gpus == 2
    (only,) = faults(wished.replace('kind = "auto"', 'kind = "bubblewrap"'))
    assert only == 'lab.toml:12: candidate.gpus: the sandbox "bubblewrap" has no GPUs; only "docker" has'


def test_reads_every_table(valid: str) -> None:
    config = parse(valid, "/home/me/digits/lab.toml")
    assert config.folder == Path("/home/me/digits")
    assert (config.lab.name, config.lab.instructions) == ("digits", "PROGRAM.md")
    assert config.candidate.paths == ("train.py", "params.json")
    assert (config.candidate.timeout, config.candidate.memory, config.candidate.cpus) == (120.0, 2 << 30, 1.0)
    assert config.candidate.command == ("python", "train.py")
    assert (config.scorer.metric, config.scorer.goal) == ("accuracy", "maximize")
    assert config.decision.min_improvement == 0.01
    assert (config.budget.iterations, config.budget.hours, config.budget.crashes) == (50, 8.0, 10)
    assert config.search_space is not None
    assert dict(config.search_space.parameters) == {
        "hidden": IntParameter(type="int", low=16, high=256, log=True),
        "lr": FloatParameter(type="float", low=1e-4, high=1e-1, log=True),
        "solver": CategoricalParameter(type="categorical", choices=("adam", "sgd")),
    }
    assert list(config.search_space.parameters) == ["hidden", "lr", "solver"]


def test_the_smallest_lab_has_sound_defaults() -> None:
    config = parse(
        'lab.name = "a"\n[candidate]\npaths = ["a"]\ncommand = ["b"]\noutputs = ["c"]\n'
        '[scorer]\nfiles = ["s"]\ncommand = ["d"]\nmetric = "m"\ngoal = "minimize"\n'
        '[search_space]\nfile = "a/p.toml"\nx = { type = "float", low = 0, high = 1 }\n'
    )
    assert (config.strategy.name, config.strategy.batch) == ("random", 1)
    assert (config.sandbox.kind, config.sandbox.python) == ("auto", None)
    assert config.decision.min_improvement == 0.0
    assert config.budget.iterations is None
    assert config.candidate.network == ()


def test_further_keys_of_the_strategy_are_its_settings(valid: str) -> None:
    config = parse(valid.replace('name = "tpe"', 'name = "command"\ncommand = ["x"]\nbatch = 3\ntop.k = 1'))
    assert config.strategy.settings == {"command": ["x"], "top": {"k": 1}}
    assert config.strategy.batch == 3


def test_a_config_cannot_be_changed(valid: str) -> None:
    with pytest.raises(ValidationError):
        parse(valid).lab.name = "other"  # type: ignore[misc]


def test_scoring_rules_are_plain_and_change_with_what_makes_a_score(valid: str) -> None:
    rules = parse(valid).scoring_rules()
    assert json.loads(json.dumps(rules)) == rules
    for old, new in [
        ('"2m"', '"3m"'),
        ('"2GiB"', '"3GiB"'),
        ('"accuracy"', '"loss"'),
        ('"maximize"', '"minimize"'),
        ('["predictions.npy"]', '["p.npy"]'),
        ('["python", "train.py"]', '["python", "-O", "train.py"]'),
        ("scorer/score.py", "scorer/other.py"),
        ("min_improvement = 0.01", "min_improvement = 0.02"),
        ("min_improvement = 0.01", "seed = 4"),
    ]:
        assert parse(valid.replace(old, new)).scoring_rules() != rules, new
    for old, new in [
        ("iterations = 50", "iterations = 9"),
        ('"tpe"', '"random"'),
        ('"train.py", "params', '"params'),
    ]:
        assert parse(valid.replace(old, new)).scoring_rules() == rules, new


def test_all_faults_are_told_at_once_in_the_order_of_the_file(valid: str, faults: Faults) -> None:
    text = (
        valid.replace("timeout =", "timout =")
        .replace('"maximize"', '"maximise"')
        .replace("hours = 8", "hours = -1")
        .replace('"params.json"]', '"/etc/passwd"]')
    )
    found = faults(text)
    assert [fault.split(":")[1] for fault in found] == ["6", "9", "19", "35"]
    assert all(fault.startswith("lab.toml:") for fault in found)
    assert "did you mean 'timeout'?" in found[1]
    assert "did you mean 'maximize'?" in found[2]
    assert "greater than 0" in found[3]


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("timeout =", "timout =", 9, "unknown key 'timout' in [candidate]; did you mean 'timeout'?"),
        ("cpus    = 1", 'metric = "a"', 11, "unknown key 'metric' in [candidate]; it belongs to [scorer]"),
        ("cpus    = 1", "iteration = 1", 11, "did you mean 'iterations' of [budget]?"),
        ("cpus    = 1", "zzz = 1", 11, "unknown key 'zzz' in [candidate]; known are command, cpus, cred"),
        ("[budget]", "[budgt]", 33, "did you mean [budget]?"),
        ("[budget]", "[tiers.proxy]", 33, "the key 'seeds' is missing in [tiers.proxy]"),
        ("[budget]", "[gates]", 33, "this version does not have gates"),
        ("[budget]", "[proposers]", 33, "this version does not have proposers"),
        ("[budget]", "[scorer.holdout]", 33, "the key 'files' is missing in [scorer.holdout]"),
        (
            "[lab]\n",
            "timeout = 5\n[lab]\n",
            1,
            "unknown table or key 'timeout'; it belongs to [candidate] or [scorer]",
        ),
        (
            "log = true }\nlr",
            "logs = true }\nlr",
            26,
            "unknown key 'logs' in [search_space.hidden]; did you mean 'log'?",
        ),
        ("goal    =", "source =", 19, "unknown key 'source'"),
    ],
)
def test_names_the_nearest_valid_key(
    valid: str, faults: Faults, old: str, new: str, line: int, words: str
) -> None:
    assert any(f"lab.toml:{line}: " in fault and words in fault for fault in faults(valid.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('name = "digits"', 'name = "Digits"', "a to z"),
        ('name = "digits"', 'name = "a/b"', "a to z"),
        ('name = "digits"', 'name = "-a"', "a to z"),
        ('name = "digits"', f'name = "{"a" * 41}"', "1 to 40"),
        ('name = "digits"', 'name = "a\\n"', "a to z"),
        ('name = "digits"', "name = 5", "must be a string, not 5"),
        ('command = ["python", "train.py"]', 'command = "python train.py"', "must be a list"),
        ('command = ["python", "train.py"]', "command = []", "must not be empty"),
        ('command = ["python", "train.py"]', 'command = ["", "x"]', "first word"),
        ('command = ["python", "train.py"]', 'command = ["python", 5]', "command[1]: must be a string"),
        ('command = ["python", "train.py"]', 'command = ["a\\u0000"]', "NUL"),
        ('outputs = ["predictions.npy"]', 'outputs = ["../x"]', '".."'),
        ('outputs = ["predictions.npy"]', 'outputs = ["a", "a"]', "given twice"),
        ('outputs = ["predictions.npy"]', 'outputs = ["a", "a-b", "a/b"]', "lies within"),
        ('outputs = ["predictions.npy"]', "outputs = []", "must not be empty"),
        ('timeout = "2m"', 'timeout = "2 minutes"', "a duration is written"),
        ('timeout = "2m"', "timeout = 0", "greater than 0"),
        ('timeout = "2m"', "timeout = true", "a duration is written"),
        ('timeout = "2m"', "timeout = nan", "nan"),
        ('memory  = "2GiB"', 'memory = "2G"', "may mean GB or GiB"),
        ('memory  = "2GiB"', "memory = 5", "greater than or equal to 1048576"),
        ("cpus    = 1", 'cpus = "1"', "must be a number, not '1'"),
        ("cpus    = 1", "cpus = inf", "inf"),
        ("gpus    = 0", "gpus = -1", "greater than or equal to 0"),
        ('kind = "auto"', 'kind = "process"\nimage = "a"', 'image: the sandbox "process" has no image'),
        ('kind = "auto"', 'image = "a"\ndockerfile = "image/Dockerfile"', "sandbox.image is given too"),
        ('kind = "auto"', 'dockerfile = "Dockerfile"', "folder of its own"),
        ('kind = "auto"', 'dockerfile = "scorer/Dockerfile"', 'scorer.files "scorer/**"'),
        ('kind = "auto"', 'dockerfile = "train.py/Dockerfile"', 'candidate.paths "train.py" overlap'),
        ('kind = "auto"', 'dockerfile = "../Dockerfile"', '".."'),
        ("network = []", 'network = ["10.0.0.1", "*"]', "rule 2"),
        ("network = []", 'network = ["pypi.org"]\n[proposer]\nfiles = {"a" = "wr"}', "rw"),
        ("network = []", 'network = ["pypi.org"]\n[proposer]\nfiles = {"../a" = "rw"}', "must not leave"),
        ('metric  = "accuracy"', 'metric = "a\\nb"', "letters, digits"),
        ('metric  = "accuracy"', 'metric = "../a"', "shorter"),
        ('metric  = "accuracy"', f'metric = "{"m" * 251}"', "250"),
        ('metric  = "accuracy"', 'metric = ""', "1 to 250"),
        ('files   = ["scorer/**"]', "files = []", "must not be empty"),
        ('files   = ["scorer/**"]', 'files = ["./scorer/**"]', '"."'),
        ('files   = ["scorer/**"]', 'files = ["scorer/**", "scorer/**"]', "twice"),
        ("min_improvement = 0.01", 'min_improvement = "a bit"', "or a part of the champion's value"),
        ("min_improvement = 0.01", "min_improvement = -1", "not negative"),
        ("min_improvement = 0.01", "min_improvement = true", "a number in the metric's units"),
        ("min_improvement = 0.01", 'policy = "sequential"', "must be 'significant'"),
        ("min_improvement = 0.01", "confidence = 1.0", "less than 1"),
        ("min_improvement = 0.01", 'policy = "threshold"', "needs decision.bar"),
        ("min_improvement = 0.01", "bar = 0.9", 'only "threshold" has'),
        ("min_improvement = 0.01", "repeats = 3", "give max_repeats"),
        ("min_improvement = 0.01", "tolerance = 0.1", "no decision.objectives"),
        ("min_improvement = 0.01", 'tie_break = "latency"', "none of the objectives"),
        ("min_improvement = 0.01", "guards = { size = {} }", "a guard has one of"),
        ("min_improvement = 0.01", "guards = { size = { at_least = 1, least = 2 } }", "unknown key 'least'"),
        ("min_improvement = 0.01", 'guards = { "usage.joules" = { at_most = 1 } }', "does not measure"),
        ("min_improvement = 0.01", "guards = { size = 5 }", "must be a table"),
        ("min_improvement = 0.01", "objectives = { size = {} }", "'goal' is missing"),
        (
            "min_improvement = 0.01",
            'objectives = { accuracy = { goal = "minimize" } }',
            "is the lab's metric",
        ),
        (
            "min_improvement = 0.01",
            'policy = "exact"\nobjectives = { size = { goal = "minimize" } }',
            'only the policy "significant"',
        ),
        ("min_improvement = 0.01", "simplicity = { margin = 0.1, by = [] }", "must not be empty"),
        ("min_improvement = 0.01", "simplicity = { margin = 0.1, bye = [] }", "did you mean 'by'?"),
        ("iterations = 50", "iterations = 5.0", "must be a whole number"),
        ("iterations = 50", "iterations = true", "must be a whole number"),
        ("iterations = 50", "iterations = 0", "greater than or equal to 1"),
        ("iterations = 50", "iterations = 0xFFFFFFFFFFFFFFFFFF", "64 bits"),
        ("iterations = 50", "iterations = 1979-05-27", "date"),
        ('kind = "auto"', 'kind = ""', "not empty"),
        ('name = "tpe"', 'name = "tpe"\nx = [1, nan]', "strategy.x[1]"),
        ('name = "tpe"', 'name = "tpe"\nbatch = 0', "greater than or equal to 1"),
    ],
)
def test_refuses_a_wrong_value(fault: Fault, old: str, new: str, words: str) -> None:
    assert words in fault(old, new)


@pytest.mark.parametrize(
    "path",
    [
        "/a",
        "~/a",
        "a/../b",
        "./a",
        "a/",
        "a//b",
        "a\\\\b",
        ".git/x",
        "a/.GIT",
        "",
        "a\\nb",
        "*.py",
        "x" * 256,
    ],
)
def test_refuses_a_path_that_is_not_plain(valid: str, faults: Faults, path: str) -> None:
    found = faults(valid.replace('["train.py", "params.json"]', f'["params.json", "{path}"]'))
    assert any("lab.toml:6: candidate.paths[1]: " in fault for fault in found)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"train.py", "params.json"]', '"train.py"]', "search_space.file"),
        ('"train.py", "params.json"]', '"train.py", "params.json", "PROGRAM.md"]', "the instructions"),
        ('"train.py", "params.json"]', '"params.json", "lab.toml"]', "lab.toml, the lab's own file"),
        ('"train.py", "params.json"]', '"params.json", "lab.lock"]', "lab.lock, the lab's own file"),
        ('"train.py", "params.json"]', '"params.json", "scorer/data.csv"]', "can take in"),
        ('"train.py", "params.json"]', '"params.json", "scorer"]', "can take in"),
        ('files   = ["scorer/**"]', 'files = ["train.py"]', "can take in"),
        ('files   = ["scorer/**"]', 'files = ["train.py/x"]', "can take in"),
        ('files   = ["scorer/**"]', 'files = ["*.toml"]', "takes in lab.toml"),
        ("cpus    = 1", 'data = "scorer/public"', "candidate.data"),
        ("cpus    = 1", 'data = "train.py"', "overlap"),
        ('instructions = "PROGRAM.md"', 'instructions = "train.py"', "the instructions"),
    ],
)
def test_refuses_tables_that_do_not_fit_together(
    valid: str, faults: Faults, old: str, new: str, words: str
) -> None:
    assert any(words in fault for fault in faults(valid.replace(old, new)))


def test_a_fault_in_one_key_does_not_hide_that_others_do_not_fit(valid: str, faults: Faults) -> None:
    found = faults(valid.replace('"2m"', '"soon"').replace('"scorer/**"', '"train.py"'))
    assert len(found) == 2


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_numeric_strategies_need_a_search_space(valid: str, faults: Faults, name: str) -> None:
    text = valid[: valid.index("[search_space]")].replace("tpe", name)
    assert faults(text) == (f"lab.toml:22: strategy.name: '{name}' needs the table [search_space]",)


def test_someone_must_make_ideas(valid: str, faults: Faults) -> None:
    (fault,) = faults(valid[: valid.index("[strategy]")])
    assert "nothing would make ideas" in fault


@pytest.mark.parametrize("table", ["lab", "candidate", "scorer"])
def test_says_which_table_is_missing(valid: str, faults: Faults, table: str) -> None:
    assert f"lab.toml:1: the table [{table}] is missing" in faults(
        valid.replace(f"[{table}]", "[budget.x]", 1)
    )


@pytest.mark.parametrize("text", ["", " \n", "# only a comment"])
def test_refuses_a_text_without_any_key(faults: Faults, text: str) -> None:
    assert faults(text)[0].startswith("lab.toml:1: ")


@pytest.mark.parametrize("value", ["5", "[]", "[{}]", '"x"', "true"])
@pytest.mark.parametrize(
    "table", ["lab", "candidate", "scorer", "strategy", "search_space", "decision", "budget", "sandbox"]
)
def test_a_table_must_be_a_table(faults: Faults, table: str, value: str) -> None:
    assert any(f"{table}: must be a table" in fault for fault in faults(f"{table} = {value}"))


def test_a_fault_can_be_told_of_a_key_later(valid: str) -> None:
    config = parse(valid, "/x/lab.toml")
    assert config.fault(("candidate", "paths", 1), "is gone") == "lab.toml:6: is gone"
    assert config.fault(("strategy", "nowhere"), "is missing") == "lab.toml:21: is missing"


def test_a_hostile_key_does_not_break_the_message(faults: Faults) -> None:
    found = faults('[candidate]\n"a\\nlab.toml:1: forged" = 1\n"' + "x" * 50_000 + '" = 2\n')
    assert all("\n" not in fault and len(fault) < 400 for fault in found)


def test_the_error_says_how_many_and_where(valid: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(valid.replace("timeout", "timout"), "/x/lab.toml")
    assert str(caught.value).startswith("/x/lab.toml has a fault.\n  lab.toml:9: ")
    assert caught.value.remedy


def test_a_decision_as_its_owner_wishes_it(valid: str) -> None:
    config = parse(
        valid.replace(
            "min_improvement = 0.01",
            """
min_improvement = "1.5 %"
noise           = 0.02
tie_break       = "latency"
tolerance       = 0.001

[decision.guards]
size                = { may_rise = "5%" }
"usage.cpu_seconds" = { at_most = 60, shown = false }

[decision.objectives]
latency = { goal = "minimize", min_improvement = 2, tolerance = "1%" }

[decision.simplicity]
margin = 0.002
by     = ["lines", "usage.wall_seconds"]
""",
        )
    )
    decision = config.decision
    assert parse_amount(decision.min_improvement) == (0.015, True)
    assert decision.metrics("accuracy") == (
        *("accuracy", "size", "usage.cpu_seconds", "latency"),
        "usage.wall_seconds",
    )
    assert (decision.policy, decision.calibrate, decision.max_repeats) == ("significant", 5, 48)
    rules = config.scoring_rules()["decision"]
    assert isinstance(rules, dict)
    assert rules["guards"]["size"]["may_rise"] == "5%"
    assert "confirm" not in rules
