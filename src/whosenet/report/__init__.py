"""Answers as a page: one self-contained HTML file, its plots inline SVG, nothing fetched, light and dark."""

from whosenet.report.page import write_page

__all__ = ["write_page"]
