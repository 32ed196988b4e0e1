"""What is shown of an idea: its report, patch, logs and scorecard, kept until MLflow has them."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab_plugin.comparison_report import CHART, as_address, draw, has_chart
from lab_plugin.lab import Lab
from lab_plugin.ledger import VerdictRecord
from lab_plugin.report import iteration_report
from lab_plugin.sandbox import ACCESS_LOG
from lab_plugin.scorer import SCORECARD

_PATCH_BYTES = 256 << 10


class EvidenceDesk:
    """Gathers an idea's evidence in one folder per idea, and forgets it once it is mirrored.

    Args:
        lab: The lab.
        folder: Holds one folder per idea that MLflow has not taken yet.
    """

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab = lab
        self._folder = folder

    def gather(self, record: VerdictRecord, trial: Path | None) -> str:
        """Write the evidence of a decided idea.

        Args:
            record: The verdict.
            trial: Folder of the trial that it was made from; None when nothing ran.

        Returns:
            The report, as markdown.
        """
        patch = self._patch(record)
        target = self._folder / f"{record.number:04d}"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        (target / "patch.diff.txt").write_text(patch, "utf-8", "surrogateescape")
        (target / "report.md").write_text(self._report(record, patch), "utf-8", "replace")
        address = ""
        if has_chart(record):
            chart = draw(record, self._lab.config.scorer.metric)
            (target / CHART).write_text(chart, "utf-8")
            address = as_address(chart)
        if trial is not None:
            for program in ("candidate", "scorer"):
                for stream in ("stdout", "stderr"):
                    self._keep(trial / program / f"{stream}.log", target / f"{program}.{stream}.log")
            self._keep(trial / "candidate" / ACCESS_LOG, target / f"candidate.{ACCESS_LOG}")
            self._keep(trial / "scorer" / "outputs" / SCORECARD, target / SCORECARD)
        return self._report(record, patch, address)

    def of(self, record: VerdictRecord) -> dict[str, bytes | Path]:
        """Artifact name -> file; of an idea whose logs are gone, what git can tell of it."""
        folder = self._folder / f"{record.number:04d}"
        if folder.is_dir():
            return {path.name: path for path in sorted(folder.glob("*"))}
        patch = self._patch(record)
        files: dict[str, bytes | Path] = {
            "patch.diff.txt": patch.encode("utf-8", "surrogateescape"),
            "report.md": self._report(record, patch).encode("utf-8", "replace"),
        }
        if has_chart(record):
            files[CHART] = draw(record, self._lab.config.scorer.metric).encode()
        return files

    def forget(self, record: VerdictRecord) -> None:
        """Remove the evidence of an idea that is mirrored."""
        shutil.rmtree(self._folder / f"{record.number:04d}", ignore_errors=True)

    def _patch(self, record: VerdictRecord) -> str:
        patch = self._lab.repository.diff(record.parents[0], record.commit)
        return self._lab.redactor.text(patch)[:_PATCH_BYTES]

    def _report(self, record: VerdictRecord, patch: str, chart: str = CHART) -> str:
        return iteration_report(record, self._lab.config.scorer.metric, patch, chart)

    def _keep(self, source: Path, target: Path) -> None:
        if source.is_file() and source.stat().st_size:
            target.write_bytes(self._lab.redactor.data(source.read_bytes()))
