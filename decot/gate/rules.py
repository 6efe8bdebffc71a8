"""The judge: evidence in, verdict out. Knows the rules' order and what failing one means; it acts on nothing.

`promoted` only if every rule passes · `refused` if a rule that more data cannot mend fails · `insufficient_evidence` if
all that fails is the size of the sample. There is no argument by which a caller could change the answer.
"""

from __future__ import annotations

from decot.gate.conduct import conduct_rules
from decot.gate.config import GateConfig
from decot.gate.figures import Evidence
from decot.gate.luck import luck_rules, trades_still_needed
from decot.gate.verdict import Rule, Verdict, Word

__all__ = ["Evidence", "GateConfig", "Rule", "Verdict", "judge"]


def judge(evidence: Evidence, cfg: GateConfig | None = None) -> Verdict:
    """The verdict on one agent. The same evidence and bounds give the same figures, to the bit."""
    cfg = cfg or GateConfig()
    rules = tuple(luck_rules(evidence, cfg) + conduct_rules(evidence, cfg))
    failed = [rule for rule in rules if not rule.passed]
    refusing = [rule for rule in failed if rule.refuses]
    unknown = [rule for rule in failed if not rule.refuses]
    word: Word = "refused" if refusing else ("insufficient_evidence" if unknown else "promoted")
    if word == "promoted":
        return Verdict(word, rules, (_summary(evidence, rules),))
    needed = trades_still_needed(evidence, cfg) if word == "insufficient_evidence" else 0
    return Verdict(word, rules, tuple(rule.why for rule in refusing + unknown), needed)


def _summary(evidence: Evidence, rules: tuple[Rule, ...]) -> str:
    day = evidence.other_day
    return (
        f"all {len(rules)} rules hold: {day.net_usdt:+.4f} USDT on a day the search never saw, {day.n_trades} round trips, "
        f"chosen among {evidence.n_trials} trials, attempt {evidence.attempt}."
    )
