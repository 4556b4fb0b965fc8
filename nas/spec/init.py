"""Pretrained weights that networks begin with: which ones. ``nas.training.pretrained`` reads them."""

from __future__ import annotations

from search_spaces import ArchSpec
from search_spaces.rules import validated


@validated
class Init:
    """Where the weights come from.

    Args:
        source: as ``load_pretrained`` takes it: a file, a run, a name as ``efficientnet-lite0``, ``hf:REPO``.
        arch: the network that they are of, as text; empty until they have been read, or if that is unknown.
        sha256: of the file; empty until it has been read.
        tuned_from: the name of the weights that a run fine-tuned to these; empty if it did not.
    """

    source: str
    arch: str = ""
    sha256: str = ""
    tuned_from: str = ""

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError("init must be a file, a run, a name or hf:REPO, got ''")
        if self.arch:
            ArchSpec.parse(self.arch)

    @property
    def name(self) -> str:
        """The source without its directories; of fine-tuned weights, what they were before."""
        if self.tuned_from:
            return f"{self.tuned_from}, fine-tuned on these images"
        return self.source.rpartition("/")[2] if self.source.startswith("/") else self.source
