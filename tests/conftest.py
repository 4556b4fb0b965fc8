import sys

import pytest

from nas.cli import main


@pytest.fixture
def nas(monkeypatch, capsys, tmp_path):
    """Runs ``nas ARGUMENTS`` in this process, in an empty directory: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["nas", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return (end.value.code or 0, *capsys.readouterr())

    return run
