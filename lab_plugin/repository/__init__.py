"""The user's git repository: objects, refs, workspaces, the lease, and the safe way in for edits."""

from lab_plugin.repository._bundle import unpack_bundle
from lab_plugin.repository._diff import DiffStat
from lab_plugin.repository._git import user_settings
from lab_plugin.repository._intake import IntakeLimits, IntakeResult, may_change, take_in
from lab_plugin.repository._lease import (
    EXPIRY_SECONDS,
    HEARTBEAT_SECONDS,
    DeadLease,
    Holder,
    Lease,
    dead_lease,
    held_by,
    holder,
    read_holder,
    require_free,
)
from lab_plugin.repository._objects import EMPTY_TREE
from lab_plugin.repository._raw import RawCommit
from lab_plugin.repository._refs import RefChange
from lab_plugin.repository._remote import Remote, shown_address
from lab_plugin.repository._repository import IDENTITY, Commit, Repository
from lab_plugin.repository._token import AccessToken
from lab_plugin.repository._trees import Blob, Change, Entry
from lab_plugin.repository._unattended import run_unattended, unattended
from lab_plugin.repository._workspaces import Workspace, WorkspacePool

__all__ = [
    "EMPTY_TREE",
    "EXPIRY_SECONDS",
    "HEARTBEAT_SECONDS",
    "IDENTITY",
    "AccessToken",
    "Blob",
    "Change",
    "Commit",
    "DeadLease",
    "DiffStat",
    "Entry",
    "Holder",
    "IntakeLimits",
    "IntakeResult",
    "Lease",
    "RawCommit",
    "RefChange",
    "Remote",
    "Repository",
    "Workspace",
    "WorkspacePool",
    "dead_lease",
    "held_by",
    "holder",
    "may_change",
    "read_holder",
    "require_free",
    "run_unattended",
    "shown_address",
    "take_in",
    "unattended",
    "unpack_bundle",
    "user_settings",
]
