"""Edits that are to be taken in: repositories, links, names, and files that are not the proposer's."""

from __future__ import annotations

from tests.attacks._attack import Attack, model

_GIT = "git"

EDITED = (
    Attack(
        name="a repository of its own, with a program in its settings",
        family=_GIT,
        files={
            **model("# with a repository\n"),
            ".git/HEAD": "ref: refs/heads/main\n",
            ".git/config": "[core]\nrepositoryformatversion = 0\nfsmonitor = echo BREA''CH >&2; false\n",
            ".git/objects/x": "",
            ".git/refs/x": "",
        },
        right={"*": "rejected"},
        reason=r"\.git",
        naive="git",
    ),
    Attack(
        name="a .git file that leads elsewhere",
        family=_GIT,
        files={**model("# with a gitlink\n"), "library/.git": "gitdir: @ELSEWHERE@\n", "library/x.py": ""},
        right={"*": "rejected"},
        reason=r"\.git",
        naive="git",
    ),
    Attack(
        name="a link to the labels in its tree",
        family=_GIT,
        files=model(
            """
try:
    with open(os.path.join(os.path.dirname(__file__), "notes.json")) as file:
        if file.read(1) == "[": breach("labels behind a link")
except OSError:
    pass
"""
        ),
        edit="import os\nos.symlink('../scorer/labels.json', 'notes.json')\n",
        # The link may be there; what it leads to is not.
        naive="git",
    ),
    Attack(
        name="a link out of its tree",
        family=_GIT,
        files=model(
            """
try:
    with open(os.path.join(os.path.dirname(__file__), "notes.json")) as file:
        if "CANARY" + "-" in file.read(): breach("a secret behind a link")
except OSError:
    pass
"""
        ),
        edit="import os\nos.symlink('@SECRET_FILE@', 'notes.json')\n",
        right={"*": "rejected"},
        reason="link",
        naive="git",
    ),
    Attack(
        name="a second name for a file in its tree",
        family=_GIT,
        files=model("# twice\n"),
        edit="import os\nos.link('model.py', 'again.py')\n",
        right={"*": "rejected"},
        reason="link|names",
        naive="git",
    ),
    Attack(
        name="a FIFO in its tree",
        family=_GIT,
        files=model("# with a FIFO\n"),
        edit="import os\nos.mkfifo('wait.json')\n",
        right={"*": "rejected"},
        reason="FIFO|pipe|special|neither|regular",
        naive="git",
    ),
    Attack(
        name="a name with a newline in its tree",
        family=_GIT,
        files=model("# with a name\n"),
        edit="open('a\\n-rf.py', 'w').close()\n",
        right={"*": "rejected"},
        reason="name|character|newline",
        naive="git",
    ),
    Attack(
        name="changes scorer and settings while it proposes",
        family=_GIT,
        files=model("# elsewhere\n"),
        edit="""
import os
os.makedirs("../scorer", exist_ok=True)
for name in ("../scorer/score.py", "../scorer/naive.py", "../lab.toml"):
    with open(name, "w") as file:
        file.write("import os\\nos.write(2, b'BRE' b'ACH')\\nos._exit(9)\\n")
""",
        # Refused by the sandbox, or when the edit is taken in.
        right={"*": "crashed|rejected"},
        reason="Read-only|denied|scorer|lab.toml",
        naive="git",
    ),
)
