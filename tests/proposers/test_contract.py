import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.proposers import Proposer, Setup, open_proposer
from lab_plugin.testing import ProposerContract, ScriptedProposer, Step


class _OverSpaces(ProposerContract):
    name: str

    @pytest.fixture(autouse=True, params=["floats", "mixed"])
    def _space(self, request: pytest.FixtureRequest, setup: Callable[..., Setup]) -> None:
        self.setup = setup(space=request.getfixturevalue(request.param))

    def proposer(self) -> Proposer:
        return open_proposer(self.name, self.setup)


class TestRandom(_OverSpaces):
    name = "random"


class TestTpe(_OverSpaces):
    name = "tpe"


class TestScripted(ProposerContract):
    def proposer(self) -> Proposer:
        return ScriptedProposer([Step(points=({"x": float(number)},)) for number in range(25)])


class TestScriptedEdits(ProposerContract):
    def proposer(self) -> Proposer:
        return ScriptedProposer([Step(files={"train.py": f"x = {number}\n"}) for number in range(25)])


class TestCommand(ProposerContract):
    @pytest.fixture(autouse=True)
    def _program(self, tmp_path: Path, setup: Callable[..., Setup]) -> None:
        program = tmp_path / "program.py"
        program.write_text("open('train.py', 'a').write('x = 1')\nprint('Write x')\n")
        self.setup = setup(
            settings={"command": [sys.executable, "-S", str(program)]}, space={}, writable=("train.py",)
        )

    def proposer(self) -> Proposer:
        return open_proposer("command", self.setup)
