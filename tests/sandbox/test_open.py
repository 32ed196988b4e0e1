import asyncio
import os
import sys

import pytest

from lab_plugin.errors import SandboxError, SandboxUnavailable
from lab_plugin.sandbox import BubblewrapSandbox, ProcessSandbox, open_sandbox, warning


def test_auto_is_bubblewrap_and_never_process(monkeypatch, tmp_path):
    assert isinstance(open_sandbox("auto"), BubblewrapSandbox)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/engine.sock")
    with pytest.raises(SandboxUnavailable, match="bubblewrap is not installed; docker: the engine cannot"):
        open_sandbox("auto")
    assert isinstance(open_sandbox("process"), ProcessSandbox)


def test_an_unknown_kind_lists_the_known_ones():
    with pytest.raises(SandboxError) as caught:
        open_sandbox("jail")
    assert "auto, bubblewrap, docker, process" in caught.value.remedy


def test_only_process_carries_the_warning():
    assert "does not contain a hostile candidate" in warning("process")
    assert warning("bubblewrap") == ""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    def install(source: str) -> None:
        (tmp_path / "jail_plugin.py").write_text(source)
        info = tmp_path / "jail-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: jail\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            "[lab_plugin.sandboxes]\njail = jail_plugin:Jail\nprocess = x:y\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "jail_plugin", raising=False)

    return install


def test_a_plugin_is_found_by_name_and_cannot_take_a_known_one(plugin):
    plugin(
        "from lab_plugin.sandbox import ProcessSandbox\n"
        "class Jail(ProcessSandbox):\n"
        "    def __init__(self, *, python, mounts): super().__init__(python=python); self.seen = mounts\n"
    )
    made = open_sandbox("jail", mounts=(os.curdir,))
    assert type(made).__name__ == "Jail"
    assert made.seen == (os.curdir,)
    assert type(open_sandbox("process")) is ProcessSandbox
    asyncio.run(made.close())


@pytest.mark.parametrize("source", ["raise RuntimeError('broken')", "", "Jail = dict"])
def test_a_broken_plugin_is_named(plugin, source):
    plugin(source)
    with pytest.raises(SandboxError, match="plug-in 'jail'"):
        open_sandbox("jail")


@pytest.mark.parametrize("kind", ["bubblewrap", "process"])
def test_a_python_that_does_not_work_is_named(kind, tmp_path):
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\necho hello\n")
    fake.chmod(0o755)
    for python in (fake, tmp_path / "missing"):
        with pytest.raises(SandboxError, match="is no working Python"):
            open_sandbox(kind, python=python)


def test_an_interpreter_whose_folder_is_the_home_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.prefix", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "me"))
    with pytest.raises(SandboxError, match="would show the whole of it"):
        open_sandbox("bubblewrap")
