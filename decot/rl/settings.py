"""How to learn, as plain settings. Knows no algorithm, and no torch."""

from __future__ import annotations

from dataclasses import dataclass

from decot.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class PPOConfig:
    """How to learn; what is learned is the agent's."""

    env_steps: int = 600_000
    """rows of market decided on, in all"""
    batch: int = 16
    """stretches per update"""
    length: int = 256
    """rows per stretch"""
    burn_in: int = 100
    """rows before a stretch that only warm the state"""
    carried: bool = False
    """ppo only: every stretch goes on where the one before stopped, its state carried in place of a burn-in, and the
    arithmetic is done in loops (`rl.swift`); other stretches, so other weights"""
    epochs: int = 2
    """gradient steps per update"""
    learning_rate: float = 8e-3
    decay: float = 0.2
    """the learning rate ends at this share of itself"""
    clip: float = 0.2
    gamma: float = 0.99
    advantage: str = "exact"
    """exact or gae"""
    lam: float = 0.95
    """of GAE"""
    accounts: int = 4
    """of GAE: walks per stretch, sharing one trunk"""
    by_peers: bool = True
    """of GAE: judge a walk by the others that stood where it stands, not by the critic alone"""
    wander: float = 0.0
    """of walks (gae, grpo): share of decisions drawn evenly, and weighed back: a policy that was sure before costs were
    full would else never again see what it no longer does"""
    entropy: float = 0.02
    entropy_end: float = 1.0
    """share of `entropy` that is left at the end; a policy that leaves with 3 % a tick earns well when its actions are
    drawn, and never leaves when the likeliest is taken: 0 lets it make up its mind"""
    value: float = 0.25
    forecast: float = 0.5
    words: float = 0.4
    """weight of the seven readings' answers"""
    outlook: float = 0.1
    """weight of the true outlook and risk; the policy shapes them as well"""
    coherence: float = 0.3
    """weight of the rule that a rosier outlook, all else said alike, leans more to the long side"""
    coherence_anew: bool = False
    """once costs are full, coherence is what the judge of words asks: what follows the outlook is asked anew under each of
    its answers, and P(long) − P(short) may not fall. False holds all else and asks for log-odds only; a risk that changes
    with the outlook, or staying out, can then turn the action back"""
    coherence_scale: float = 0.0
    """how much less a gain counts where the words, read back, did not mean it; losses always count fully"""
    sharpe: float = 0.0
    """weight of the differential Sharpe ratio; this and the next two remember, so they need walks: gae or grpo"""
    sortino: float = 0.0
    drawdown: float = 0.0
    explore: float = 0.1
    """share of the exact objective that looks at positions as if each were equally likely"""
    anneal: float = 0.6
    """costs are full after this share of training"""
    grad_clip: float = 0.5
    weight_decay: float = 0.0
    eval_every: int = 10
    """updates between two looks at the validation part"""
    patience: int = 0
    """looks without a better profit, after costs are full, before stopping; 0 never stops early"""
    caution: float = 0.0
    """standard errors taken off a look's profit before looks are compared: in a market that may hold nothing, an agent
    that stays out (no profit, no error) then beats one that was lucky"""
    save_every: int = 20
    """updates between two saves, where a resume folder is given"""

    def __post_init__(self) -> None:
        faults = [f"{name}: {getattr(self, name)} is below 1"
                  for name in ("env_steps", "batch", "length", "epochs", "accounts", "eval_every", "save_every")
                  if getattr(self, name) < 1]  # fmt: skip
        if self.advantage not in ("exact", "gae"):
            faults.append(f"advantage: {self.advantage!r} is neither exact nor gae")
        if (
            self.advantage == "exact"
            and not self.is_sampled
            and (self.sharpe or self.sortino or self.drawdown)
        ):
            faults.append(
                "sharpe, sortino, drawdown: they remember the walk; use ppo-gae or grpo, or leave them 0"
            )
        if not 0 <= self.wander < 1:
            faults.append(f"wander: {self.wander} is not in [0, 1)")
        if not 0 <= self.coherence_scale <= 1:
            faults.append(f"coherence_scale: {self.coherence_scale} is not in 0…1")
        if self.length < 2:
            faults.append(f"length: {self.length} is below 2")
        if faults:
            raise ConfigError(faults)

    @property
    def settled(self) -> float:
        """Share of training from which on a look counts: costs are full, and what is asked anew has been taught a while."""
        return self.anneal + (0.3 * (1 - self.anneal) if self.coherence_anew else 0.0)

    @property
    def is_sampled(self) -> bool:
        """Whether walks are drawn, whatever `advantage` says."""
        return self.advantage == "gae"

    @property
    def updates(self) -> int:
        return max(1, self.env_steps // self.rows_per_update)

    @property
    def rows_per_update(self) -> int:
        return self.batch * self.length
