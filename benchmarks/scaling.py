"""How equal is the compute under a proxy of networks with equal FLOPs? Closed form, trains nothing.

    python benchmarks/scaling.py [--base efficientnet-b0] [--width 0.25]

The candidates of ``nas scale --phi 1`` have equal FLOPs within 12 %. When they are trained small, their
sizes round coarsely. For resolutions of the proxy and divisors of its channels, prints the largest share
of its full FLOPs that a candidate has under the proxy, divided by the smallest such share.
"""

from __future__ import annotations

import dataclasses

from script import make_parser

from nas.commands.networks import find_arch
from nas.spec.recipe import Recipe
from nas.spec.scaling import Scaling, unevenness


def main() -> None:
    """Prints the table."""
    parser = make_parser(__doc__)
    parser.add_argument("--base", default="efficientnet-b0")
    parser.add_argument("--width", type=float, default=0.25)
    options = parser.parse_args()
    scaling = Scaling(str(find_arch(options.base)))
    divisors = (8, 4, 2, 1)
    print(f"{len(scaling.classes)} networks, {len(scaling.candidates)} within 12 % of twice the base's FLOPs")
    print("proxy px" + "".join(f"  divisor {divisor}" for divisor in divisors))
    for resolution in (32, 40, 48, 56, 64, 80, 96, 112, 128, 224):
        proxy = Recipe(resolution=resolution, width=options.width)
        row = (unevenness(scaling, dataclasses.replace(proxy, divisor=divisor)) for divisor in divisors)
        print(f"{resolution:8}" + "".join(f"{value:11.2f}" for value in row))


if __name__ == "__main__":
    main()
