"""``report.html``: a run as one page that opens anywhere, offline, and loads nothing from the network.

    Page, a run's DataFrames --document.render--> HTML with page.css, page.js and plotly inside

``document`` puts the page together from sections. A section is HTML made with ``markup`` and ``parts``; its
figures are plotly's JSON from ``plots``, and its networks are SVG from ``drawing``.
"""

from reports.page.audit import AuditRun
from reports.page.document import Page, render
from reports.page.scaling import ScalingRun
from reports.page.sweep import SweepRun
from reports.page.training import TrainingRun

__all__ = ["AuditRun", "Page", "ScalingRun", "SweepRun", "TrainingRun", "render"]
