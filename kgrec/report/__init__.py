"""Pages that stand alone: one HTML file, no script, no request to anywhere, light and dark, phone and desk.

A page is made of sections, a section of blocks, a block is :class:`markupsafe.Markup`: text that is escaped already.
Every function here escapes what it is given unless it is such a block, so hostile titles stay text::

    from kgrec.report import Section, Series, line_plot, page, paragraph, table, write_page

    html = page("How good are the lists?", [
        Section("Results", [
            paragraph("Means over 938 users."),
            table(["system", "ndcg@20"], [["full", 0.3008], ["popularity", 0.1211]], caption="Accuracy"),
            line_plot([Series("ndcg@20", [1, 2, 3], [0.1, 0.2, 0.3])], title="Learning curve", x_label="epoch"),
        ]),
    ], lead="MovieLens-100k, split by ratio")
    write_page(Path("report.html"), html)

The charts are small SVG made here. Plotting libraries were looked at and left: those that draw in the browser bring
megabytes of script into every page, those that draw to SVG fix the colours when the page is written, so that it cannot
follow the reader's dark mode, and neither is needed by anything else here. Chart and text share one set of CSS colours.
Lines and points differ by dash and shape too, not by colour alone; each chart has a title and a description for screen
readers, and each point tells its figures when pointed at.
"""

from kgrec.report.blocks import details, facts, grid, joined, listing, number, paragraph, table
from kgrec.report.charts import Bar, Point, Series, bar_plot, histogram, line_plot, scatter_plot
from kgrec.report.shell import Section, page, write_page
from kgrec.report.text import escaped

__all__ = [
    "Bar",
    "Point",
    "Section",
    "Series",
    "bar_plot",
    "details",
    "escaped",
    "facts",
    "grid",
    "histogram",
    "joined",
    "line_plot",
    "listing",
    "number",
    "page",
    "paragraph",
    "scatter_plot",
    "table",
    "write_page",
]
