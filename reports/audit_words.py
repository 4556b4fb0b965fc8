"""An audit in plain words."""

from __future__ import annotations

import math

from reports.audit import Agreement, Consistency, Separation
from reports.kendall import Tau
from reports.numbers import duration, percent, plural

WELL, ROUGHLY = 0.7, 0.4
"""A proxy with at least these taus between seeds is said to repeat itself well, or roughly."""
MANY = 100
"""Above this many, the number of seeds is not given."""


def tau_text(tau: Tau) -> str:
    """``0.717 (0.539 to 0.842)``, or as much of it as is known."""
    if math.isnan(tau.value):
        return "unknown"
    return f"{tau.value:.3f}" + ("" if math.isnan(tau.low) else f" ({tau.low:.3f} to {tau.high:.3f})")


def trainings_line(proxy: Consistency, networks: int, seeds: int) -> str:
    """What was trained, and what it cost."""
    failed = f", {proxy.failed} failed" if proxy.failed else ""
    return (
        f"{networks} networks, {plural(seeds, 'training run')} each: {proxy.done} done{failed}; "
        f"{proxy.seconds_mean:.1f} s per run, at most {proxy.seconds_max:.1f} s, "
        f"{duration(proxy.seconds_total)} in all."
    )


def consistency_lines(proxy: Consistency) -> list[str]:
    """How well a schedule repeats itself, and how well size alone ranks its accuracies; 95 % intervals."""
    size = (
        f"Size alone: FLOPs rank these accuracies with tau {tau_text(proxy.flops)}, parameters with "
        f"{tau_text(proxy.params)}."
    )
    if not math.isnan(proxy.beyond_flops.value):
        size += f" Between seeds, tau {tau_text(proxy.beyond_flops)} is left when FLOPs are taken out."
    tau = proxy.between_seeds
    if math.isnan(proxy.noise):
        return ["Seed noise is unknown, because no network was trained twice. --seeds 2 measures it.", size]
    lines = []
    if not math.isnan(tau.value):
        single, *several = proxy.expected
        means = "".join(f", {one.limit:.2f} for the mean of {one.seeds:.3g} runs" for one in several)
        lines.append(
            f"Between seeds: tau {tau_text(tau)}; two training runs order {percent(0.5 + tau.value / 2)} of "
            "the pairs of networks alike. Expected tau with infinitely many seeds: "
            f"{single.limit:.2f} for one run{means}."
        )
    top = "" if math.isnan(proxy.top_noise) else f"; by {proxy.top_noise:.4f} among the better half"
    spread = "" if math.isnan(proxy.spread) else f", the networks differ by {proxy.spread:.4f}"
    lines.append(f"A seed moves accuracy by {proxy.noise:.4f} (standard deviation{top}){spread}.")
    if proxy.separations:
        each = ", ".join(f"the top {one.top}: {seeds_text(one)}" for one in proxy.separations)
        lines.append(f"Seeds needed to tell the best network from those below {each} (95 %, roughly).")
    return [*lines, size]


def seeds_text(separation: Separation) -> str:
    """How many seeds are needed."""
    if separation.seeds is None:
        return "no number is enough"
    return str(separation.seeds) if separation.seeds <= MANY else f"over {MANY}"


def agreement_line(what: str, found: Agreement) -> str:
    """The proxy against ``what``."""
    known = math.isfinite(found.ceiling) and math.isfinite(found.tau.low)
    ceiling = f", where seed noise allows about {found.ceiling:.2f}" if known else ""
    regret = "" if math.isnan(found.regret) else f" Choosing by the proxy loses {found.regret:.4f} there."
    left = ""
    if not math.isnan(found.beyond_flops.value):
        left = f"; tau {tau_text(found.beyond_flops)} is left of the proxy's when FLOPs are taken out"
    return (
        f"{what}: tau {tau_text(found.tau)} with the proxy's means{ceiling}; with single runs "
        f"{tau_text(found.single)}. FLOPs alone: {tau_text(found.flops)}, parameters: "
        f"{tau_text(found.params)}{left}.{regret}"
    )


def too_few(proxy: Consistency) -> bool:
    """Whether there are too few networks to say how well the proxy repeats itself."""
    tau = proxy.between_seeds
    return not (math.isnan(proxy.noise) or math.isnan(tau.value)) and not tau.low > 0


def mostly_noise(proxy: Consistency) -> bool:
    """Whether the proxy is known to rank networks hardly better than chance."""
    return not too_few(proxy) and proxy.between_seeds.value < ROUGHLY


def verdict_line(proxy: Consistency, others: dict[str, Agreement]) -> str:
    """Whether the proxy is any good; ``others`` is what it was compared with, by name."""
    tau = proxy.between_seeds
    if math.isnan(proxy.noise):
        itself = "how well this proxy repeats itself is unknown"
    elif math.isnan(tau.value):
        itself = "this proxy does not tell these networks apart"
    elif math.isnan(tau.low):
        itself = f"{proxy.networks} networks are too few to tell how well this proxy repeats itself"
    elif tau.low <= 0:
        itself = f"{proxy.networks} networks cannot tell this proxy's ranking from chance"
    elif tau.value >= WELL:
        itself = "this proxy repeats itself well"
    elif tau.value >= ROUGHLY:
        itself = "this proxy repeats itself roughly: it tells good networks from bad ones, hardly from better"
    else:
        itself = "this proxy is mostly noise"
    if not others:
        return f"Verdict: {itself}. --long epochs=16 or --reference FILE shows whether it is right."
    said = []
    for name, found in others.items():
        if math.isnan(found.over_flops.low):
            said.append(f"{found.networks} networks are too few to compare it with {name}")
        elif found.over_flops.low > 0:
            said.append(f"it says more about {name} than FLOPs do")
        elif found.over_flops.high < 0:
            said.append(f"FLOPs say more about {name} than it does")
        else:
            said.append(f"it is not shown to say more about {name} than FLOPs do")
    return f"Verdict: {itself}; {', and '.join(said)}."
