"""``python benchmarks/reports.py`` is ``python benchmarks/report_speed.py``, and no package ``reports``.

Scripts find what stands beside them first. So where another benchmark's ``import reports`` comes upon
this file, the file puts the package in its own place.
"""

import importlib
import sys
from pathlib import Path

beside = [path for path in sys.path if Path(path).resolve() != Path(__file__).resolve().parent]
sys.path[:] = beside
if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parent))  # behind the packages
    importlib.import_module("report_speed").main()
else:
    del sys.modules["reports"]
    importlib.import_module("reports")
