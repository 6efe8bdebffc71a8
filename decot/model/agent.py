"""The agent: one trunk over the market, a chain of nine words, and heads that see nothing but those words.

    obs ─ causal conv ─ causal pool ─ LSTM ─ y          runs once for all accounts: the market does not know us
    y ─ step 1 … step 9 ─ words                         each step attends over y and the earlier words
    y ─ five forecasts ─ only into outlook and risk     a forecast acts by changing a word
    words ─ judge ─ policy, exit, value ─ decision      `unrestricted` lets y past the words, to price honesty

How the three last heads decide together: in a position, the exit head says whether to leave it and the policy where to
go; flat, the policy alone says where to go; the value of standing there tilts every choice. Positions and
actions are indexed 0, 1, 2 for −1, 0, +1. Knows no money and no market.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from decot.model.config import FORESEEING, ModelConfig
from decot.model.fused_heads import decide, judge
from decot.model.fused_mind import Plan, layers_of, think
from decot.model.vocabulary import FORECASTS, N_QUESTIONS, NAMES, SIZES

__all__ = ["Agent", "ModelConfig", "Output", "State", "decide_from"]

N_FORECASTS = len(FORECASTS)


class State(NamedTuple):
    """What is carried from one stretch to the next."""

    tail: Tensor
    """(B, reach, F) the last rows seen"""
    hidden: Tensor
    """(1, B, H)"""
    cell: Tensor

    def detach(self) -> State:
        return State(self.tail.detach(), self.hidden.detach(), self.cell.detach())


class Output(NamedTuple):
    """Everything one pass says. P positions, A actions, both 3; K asked questions."""

    policy_logits: Tensor
    """(B, T, 3, 3) [position, action]"""
    value: Tensor
    """(B, T, 3) what is to come when standing at each position after the decision, in value units"""
    exit_logit: Tensor
    """(B, T, 3) log-odds of leaving each position; the flat one is not used"""
    forecasts: Tensor
    """(B, T, 5) the five targets, in their own units"""
    word_logits: list[Tensor]
    """one (B, T, n_answers) per question in the order of QUESTIONS; empty width where it is not asked"""
    words: Tensor
    """(B, T, 9) int8 answers in the order of QUESTIONS; −1 where it is not asked"""
    embedded: Tensor
    """(B, T, K, D) the answers as the judge sees them, in the order asked"""
    attention: Tensor
    """(B, T, K) weight of each asked step in the judge's summary; a function of the words alone"""
    state: State
    latent: Tensor
    """(B, T, H) what the trunk made of the market; for probes, never for a decision"""
    answers: Tensor | None = None
    """(B, T, K, A) all of `word_logits` side by side in the order asked, where the loops made them; past a question's own
    answers they say nothing"""


class Agent(nn.Module):
    """See the module's docstring. The same `seed` gives the same weights."""

    forecast_mean: Tensor
    forecast_scale: Tensor
    value_unit: Tensor
    """basis points that one unit of value stands for; 0 until a training has settled it"""
    is_fused: bool = True
    """think and judge in loops with gradients of their own; False takes torch's operations, which they are held against"""

    def __init__(self, cfg: ModelConfig, seed: int = 0) -> None:
        super().__init__()
        self.cfg = cfg
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._build(cfg)
        self.order = [NAMES.index(name) for name in cfg.questions]
        self.plan = Plan.of(cfg)

    def _build(self, cfg: ModelConfig) -> None:
        n_steps, wide, width = len(cfg.questions), cfg.step_width, cfg.word_width
        self.conv = nn.Conv1d(cfg.n_features, cfg.conv_filters, cfg.kernel)
        self.lstm = nn.LSTM(cfg.conv_filters, cfg.lstm_units, batch_first=True)
        self.see = nn.Linear(cfg.lstm_units, n_steps * width)
        self.ask = nn.Linear(cfg.lstm_units, n_steps * width)
        self.glance = nn.Linear(cfg.n_features, cfg.glance_width)
        self.read = nn.Linear(cfg.lstm_units + cfg.glance_width, n_steps * wide)
        self.foresee = nn.Linear(cfg.lstm_units, N_FORECASTS)
        self.expect = nn.ModuleList(nn.Linear(N_FORECASTS, wide) for _ in FORESEEING)
        self.recall = nn.ModuleList(nn.Linear(width, wide, bias=False) for _ in cfg.questions)
        sizes = [SIZES[NAMES.index(name)] for name in cfg.questions]
        self.answer = nn.ModuleList(nn.Linear(wide, size) for size in sizes)
        self.meaning = nn.ParameterList(nn.Parameter(torch.randn(size, width) * 0.5) for size in sizes)
        self.weigh = nn.Linear(width, 1)
        past = cfg.lstm_units if cfg.unrestricted else 0
        self.judge = nn.Linear((n_steps + 1) * width + past, cfg.judge_width)
        self.policy = nn.Linear(cfg.judge_width, 9)
        self.value = nn.Linear(cfg.judge_width, 3)
        self.exit = nn.Linear(cfg.judge_width, 3)
        self.register_buffer("forecast_mean", torch.zeros(N_FORECASTS))
        self.register_buffer("forecast_scale", torch.ones(N_FORECASTS))
        self.register_buffer("value_unit", torch.zeros(1))
        for head, gain in ((self.policy, 0.3), (self.value, 0.1), (self.exit, 0.3)):
            nn.init.orthogonal_(head.weight, gain)
            nn.init.zeros_(head.bias)
        nn.init.constant_(self.exit.bias, -1.0)

    def start(self, batch: int = 1) -> State:
        """The state before anything was seen."""
        zeros = self.conv.weight.new_zeros
        return State(
            zeros(batch, self.cfg.reach, self.cfg.n_features),
            zeros(1, batch, self.cfg.lstm_units),
            zeros(1, batch, self.cfg.lstm_units),
        )

    def trunk(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """(B, T, F) → (B, T, H) and the state after the last row; causal, one output per tick."""
        cfg = self.cfg
        state = self.start(x.shape[0]) if state is None else state
        seen = torch.cat([state.tail, x], dim=1)
        z = torch.relu(functional.conv1d(seen.transpose(1, 2), self.conv.weight, self.conv.bias))
        if cfg.pool > 1:
            pool = functional.avg_pool1d if cfg.pool_kind == "average" else functional.max_pool1d
            z = pool(z, cfg.pool, stride=1)
        y, (hidden, cell) = self.lstm(z.transpose(1, 2), (state.hidden, state.cell))
        tail = seen[:, seen.shape[1] - cfg.reach :]
        return functional.dropout(y, cfg.dropout, self.training), State(tail, hidden, cell)

    def forward(
        self,
        x: Tensor,
        state: State | None = None,
        words: Tensor | None = None,
        temperature: float = 0.0,
    ) -> Output:
        """One pass over a stretch.

        Args:
            x: (B, T, F) scaled observations.
            state: carried from the stretch before; None starts afresh.
            words: (B, T, 9) answers to impose, do(step = answer); −1 leaves a step free.
            temperature: 0 picks the likeliest answer; above, answers are sampled (torch's own generator).
        """
        y, state = self.trunk(x, state)
        return self.reason(y, self.glance(x), self.foresee(y), words, temperature, state)

    def reason(
        self,
        y: Tensor,
        glance: Tensor,
        standard: Tensor,
        words: Tensor | None = None,
        temperature: float = 0.0,
        state: State | None = None,
    ) -> Output:
        """From the trunk's (B, T, H), a glance at the row and standardised forecasts (B, T, 5) to words and heads."""
        answers: Tensor | None = None
        if self._is_fusible(y) and temperature == 0:
            embedded, logits, chosen, answers = self._think_fused(y, glance, standard, words)
        else:
            embedded, logits, chosen = self._think(y, glance, standard, words, temperature)
        policy, value, leave, weights = self.judgement(embedded, y)
        return Output(
            policy_logits=policy,
            value=value,
            exit_logit=leave,
            forecasts=self.forecast_mean + self.forecast_scale * standard,
            word_logits=logits,
            words=chosen,
            embedded=embedded,
            attention=weights,
            state=self.start(y.shape[0]) if state is None else state,
            latent=y,
            answers=answers,
        )

    def judgement(self, embedded: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """From the answers' embeddings (…, K, D) to policy, value, exit and the attention among the answers.

        `y` is looked at by an unrestricted agent only.
        """
        if self._is_fusible(embedded) and not self.cfg.unrestricted:
            layers = (self.weigh, self.judge, self.policy, self.value, self.exit)
            rows, shape = embedded.flatten(0, -3), embedded.shape[:-2]
            found = judge(rows, [x for layer in layers for x in (layer.weight, layer.bias)])
            policy, value, leave, weights = (x.unflatten(0, shape) for x in found)
            return policy.unflatten(-1, (3, 3)), value, leave, weights
        weights = self.weigh(embedded).squeeze(-1).softmax(-1)
        summary = (weights.unsqueeze(-1) * embedded).sum(-2)
        seen = [summary, embedded.flatten(-2)] + ([y] if self.cfg.unrestricted else [])
        judged = torch.tanh(self.judge(torch.cat(seen, -1)))
        return self.policy(judged).unflatten(-1, (3, 3)), self.value(judged), self.exit(judged), weights

    def _is_fusible(self, y: Tensor) -> bool:
        """Loops take float32 on this machine, and cannot be exported."""
        return self.is_fused and y.dtype == torch.float32 and y.device.type == "cpu" and not _is_exported()

    def _think_fused(
        self, y: Tensor, glance: Tensor, forecasts: Tensor, imposed: Tensor | None
    ) -> tuple[Tensor, list[Tensor], Tensor, Tensor]:
        """As `_think` at temperature 0, and all logits side by side."""
        shape = y.shape[:2]
        given = None if imposed is None else imposed.expand(*shape, N_QUESTIONS).flatten(0, 1)
        market, row, foreseen = (x.flatten(0, 1) for x in (y, glance, forecasts))
        found = think(self.plan, market, row, foreseen, given, layers_of(self))
        answers = found.logits.unflatten(0, shape)
        logits = [y.new_zeros(*shape, 0)] * N_QUESTIONS
        for step, question in enumerate(self.order):
            logits[question] = answers[:, :, step, : SIZES[question]]
        return found.said.unflatten(0, shape), logits, found.words.unflatten(0, shape), answers

    def _think(
        self, y: Tensor, glance: Tensor, forecasts: Tensor, imposed: Tensor | None, temperature: float
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """Answer question after question; the answers' embeddings (B, T, K, D), all logits, all words."""
        batch, ticks = y.shape[:2]
        n_steps, width = len(self.order), self.cfg.word_width
        slots = self.see(y).view(batch, ticks, n_steps, width)
        asks = self.ask(y).view(batch, ticks, n_steps, width) / width**0.5
        reads = self.read(torch.cat([y, glance], -1)).view(batch, ticks, n_steps, self.cfg.step_width)
        logits = [y.new_zeros(batch, ticks, 0)] * N_QUESTIONS
        chosen = torch.full((batch, ticks, N_QUESTIONS), -1, dtype=torch.int8)
        said: list[Tensor] = []
        for step, question in enumerate(self.order):
            memory = torch.stack([slots[:, :, step], *said], dim=2)
            weight = (memory * asks[:, :, step].unsqueeze(2)).sum(-1).softmax(-1)
            context = (weight.unsqueeze(-1) * memory).sum(2)
            name = NAMES[question]
            direct = (
                self.expect[FORESEEING.index(name)](forecasts) if name in FORESEEING else reads[:, :, step]
            )
            logit = self.answer[step](torch.tanh(direct + self.recall[step](context)))
            given = None if imposed is None else imposed[:, :, question]
            hot, word = _pick(logit, given, temperature)
            said.append(hot @ self.meaning[step])
            logits[question] = logit
            chosen[:, :, question] = word.to(torch.int8)
        return torch.stack(said, dim=2), logits, chosen

    def decision(self, out: Output) -> Tensor:
        """(B, T, 3, 3) probability of each action at each position; see `decide_from`."""
        if not self.is_fused:
            return decide_plainly(out.policy_logits, out.value, out.exit_logit, self.cfg.value_tilt)
        return decide_from(out.policy_logits, out.value, out.exit_logit, self.cfg.value_tilt)


def _pick(logit: Tensor, given: Tensor | None, temperature: float) -> tuple[Tensor, Tensor]:
    """A hard answer as a one-hot row whose gradient is that of the soft one (straight-through)."""
    soft = logit.softmax(-1)
    if temperature > 0:
        noise = -torch.log(-torch.log(torch.rand_like(logit).clamp(1e-9, 1 - 1e-7)))
        word = (logit / temperature + noise).argmax(-1)
    else:
        word = logit.argmax(-1)
    if given is not None:
        word = torch.where(given >= 0, given.to(word.dtype), word)
    hard = functional.one_hot(word, logit.shape[-1]).to(soft.dtype)
    return hard + (soft - soft.detach()), word


def _is_exported() -> bool:
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def decide_from(policy_logits: Tensor, value: Tensor, exit_logit: Tensor, tilt: float) -> Tensor:
    """The three deciding heads put together; shapes as in Output, gives (B, T, 3, 3).

    In a position p: leave with probability σ(exit[p]), to where the policy points among the other two; else stay.
    Flat: where the policy points. Then every action a gains `tilt`·value[a] in log-odds; value is not taught by this.
    """
    if _is_exported() or policy_logits.dtype != torch.float32:
        return decide_plainly(policy_logits, value, exit_logit, tilt)
    shape = policy_logits.shape
    rows = decide(
        policy_logits.reshape(-1, 9), value.detach().reshape(-1, 3), exit_logit.reshape(-1, 3), tilt
    )
    return rows.view(shape)


def decide_plainly(policy_logits: Tensor, value: Tensor, exit_logit: Tensor, tilt: float) -> Tensor:
    """`decide_from` in torch's own operations: what the loops are held against."""
    own = torch.tensor([[True, False, False], [False, False, False], [False, False, True]])
    away = policy_logits.masked_fill(own, -1e9).log_softmax(-1)
    leave = functional.logsigmoid(exit_logit).unsqueeze(-1)
    stay = functional.logsigmoid(-exit_logit).unsqueeze(-1)
    in_position = torch.where(own, stay, leave + away)
    is_flat = torch.tensor([False, True, False]).unsqueeze(-1)
    mixed = torch.where(is_flat, away, in_position)
    return (mixed + tilt * value.detach().unsqueeze(-2)).softmax(-1)
