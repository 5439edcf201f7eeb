"""The offline report: a session as one HTML file that needs no network, no install and no study."""

from gexviz.session.report.page import report_html, write_report
from gexviz.session.report.size import LIMIT, ReportSize, report_size

__all__ = ["LIMIT", "ReportSize", "report_html", "report_size", "write_report"]
