"""What a judge says: rules with figures, and one of three words. Knows nothing of how a figure came about."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

Word = Literal["promoted", "refused", "insufficient_evidence"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, applied."""

    name: str
    figure: float
    bound: float | str
    passed: bool
    why: str
    """a sentence with the number, for someone who does not know the code"""
    refuses: bool = True
    """what failing means: True, the agent is refused; False, it is not known yet"""

    def as_json(self) -> dict[str, Any]:
        """The five public keys; a figure that is not a finite number becomes null."""
        bound = _finite(self.bound) if isinstance(self.bound, (int, float)) else self.bound
        return {
            "name": self.name,
            "figure": _finite(self.figure),
            "bound": bound,
            "passed": self.passed,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, every rule it rests on, and why."""

    verdict: Word
    rules: tuple[Rule, ...]
    reasons: tuple[str, ...]
    """the sentences of the failed rules, the refusing ones first; for a promotion, what it rests on"""
    trades_needed: int = 0
    """round trips still needed on unseen data before the question can be answered; 0 unless evidence is insufficient"""

    @property
    def exit_code(self) -> int:
        """0 promoted, 3 refused, 4 insufficient evidence."""
        return {"promoted": 0, "refused": 3, "insufficient_evidence": 4}[self.verdict]

    def rule(self, name: str) -> Rule:
        """The rule of that name; KeyError if it was not applied."""
        for rule in self.rules:
            if rule.name == name:
                return rule
        raise KeyError(name)

    def as_json(self) -> dict[str, Any]:
        """`verdict`, `rules`, `reasons`, `trades_needed`, ready for json.dumps."""
        return {
            "verdict": self.verdict,
            "rules": [rule.as_json() for rule in self.rules],
            "reasons": list(self.reasons),
            "trades_needed": self.trades_needed,
        }


def _finite(x: float) -> float | None:
    return float(x) if math.isfinite(x) else None
