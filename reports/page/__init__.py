"""``report.html``: a run as one page that opens anywhere, offline, and asks the network for nothing.

    Page, a run's DataFrames --document.render--> HTML with page.css, page.js and plotly inside

``document`` puts the page together from sections. Each section is HTML made of ``markup`` and ``parts``; its
figures are plotly's, as JSON from ``plots``, and its networks are SVG from ``drawing``.
"""

from reports.page.audit import AuditRun
from reports.page.document import Page, render
from reports.page.scaling import ScalingRun
from reports.page.training import TrainingRun

__all__ = ["AuditRun", "Page", "ScalingRun", "TrainingRun", "render"]
