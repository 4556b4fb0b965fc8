"""The command line: typer lives here; one file per command."""
