"""Trials on other machines: what travels through the git remote, who runs it, and what comes back."""

from lab_plugin.remote._depot import Depot
from lab_plugin.remote._desk import RemoteDesk
from lab_plugin.remote._dispatcher import Dispatcher, Ended
from lab_plugin.remote._kit import Kit
from lab_plugin.remote._order import Kind, TrialOrder, ref_of
from lab_plugin.remote._patience import Tell
from lab_plugin.remote._result import Result, Returned
from lab_plugin.remote._runner import OwnersGate, RemoteRunner
from lab_plugin.remote._site import REMOTE_VARIABLE
from lab_plugin.remote._work import Work, open_work, worker_name

__all__ = [
    "REMOTE_VARIABLE",
    "Depot",
    "Dispatcher",
    "Ended",
    "Kind",
    "Kit",
    "OwnersGate",
    "RemoteDesk",
    "RemoteRunner",
    "Result",
    "Returned",
    "Tell",
    "TrialOrder",
    "Work",
    "open_work",
    "ref_of",
    "worker_name",
]
