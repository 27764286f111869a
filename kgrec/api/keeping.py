"""The part of a project that looks after kept runs: pages, comparisons, exports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from kgrec.api.project import Project
    from kgrec.evaluate.comparing import RunComparison
    from kgrec.evaluate.records import RunRecord


class Keeping:
    """Methods of :class:`kgrec.api.Project`."""

    def runs(self) -> list[str]:
        """Return the names of the runs that ``kgrec evaluate`` kept, oldest first."""
        from kgrec.evaluate.records import run_names, runs_folder

        return run_names(runs_folder(cast("Project", self).workspace))

    def run(self, name: str = "latest") -> RunRecord:
        """Return a kept run.

        Args:
            name: its name or enough of it, ``latest``, ``latest~1``..., or the path of a record.

        Raises:
            NotFoundError: there is no such run.
        """
        from kgrec.evaluate.records import load_run, runs_folder

        return load_run(runs_folder(cast("Project", self).workspace), name)

    def write_report(self, out: str | Path, name: str = "latest") -> Path:
        """Write the page of a run: one HTML file that stands alone.

        Args:
            out: the file.
            name: see :meth:`run`.
        """
        from kgrec.evaluate.html import report_page
        from kgrec.pages import write_page

        write_page(Path(out), report_page(self.run(name)))
        return Path(out)

    def compare_runs(self, a: str, b: str = "latest", *, html: str | Path | None = None) -> RunComparison:
        """Hold two kept runs beside each other.

        Args:
            a: see :meth:`run`.
            b: the other one; differences are ``b - a``.
            html: file for the page of it, or None.

        Raises:
            UsageError: they cannot be compared.
        """
        from kgrec.evaluate.comparing import compare_runs
        from kgrec.evaluate.html.versus import comparison_page
        from kgrec.pages import write_page

        found = compare_runs(self.run(a), self.run(b))
        if html is not None:
            write_page(Path(html), comparison_page(found))
        return found

    def export_run(self, to: str, out: str | Path, name: str = "latest") -> Path:
        """Write a kept run for another tool.

        Args:
            to: ``"tensorboard"`` or ``"mlflow"``.
            out: folder; several runs may be written into one.
            name: see :meth:`run`.

        Raises:
            MissingExtraError: the tool's package is not installed.
        """
        from kgrec.evaluate.export import export_run

        return export_run(self.run(name), to, Path(out))
