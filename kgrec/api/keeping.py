"""The part of a project that looks after kept runs: pages, comparisons, exports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from kgrec.api.project import Project
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
