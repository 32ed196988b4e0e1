"""Results and the whole ledger as files: tables, JSON, and an archive that proves itself anywhere."""

from lab_plugin.exporting._archive import put_in_place, write_archive
from lab_plugin.exporting._documents import Form, render
from lab_plugin.exporting._manifest import Manifest
from lab_plugin.exporting._proof import ArchiveProof, verify_archive

__all__ = [
    "ArchiveProof",
    "Form",
    "Manifest",
    "put_in_place",
    "render",
    "verify_archive",
    "write_archive",
]
