"""Every page that kgrec writes: one HTML file, no script, no request to anywhere, light and dark, phone and desk.

A page is made of sections, a section of blocks, a block is :class:`markupsafe.Markup`: text that is escaped already.
The HTML stands in Jinja2 templates under ``templates/``; every text that is given to them is escaped unless it is
such a block, so hostile titles stay text::

    from kgrec.report import Section, Series, line_plot, page, paragraph, table, write_page

    html = page("How good are the lists?", [
        Section("Results", [
            paragraph("Means over 938 users."),
            table(["system", "ndcg@20"], [["full", 0.3008], ["popularity", 0.1211]], caption="Accuracy"),
            line_plot([Series("ndcg@20", [1, 2, 3], [0.1, 0.2, 0.3])], title="Learning curve", x_label="epoch"),
        ]),
    ], lead="MovieLens-100k, split by ratio")
    write_page(Path("report.html"), html)
"""

from kgrec.report.blocks import details, escaped, facts, grid, heading, joined, listing, number, paragraph, table
from kgrec.report.charts import Bar, Point, Series, bar_plot, histogram, line_plot, scatter_plot
from kgrec.report.page import Section, page, write_page

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
    "heading",
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
