"""GRPO against numbers worked out by hand, and on tiny worlds."""

from __future__ import annotations

import math

import pytest
import torch

from decot.market.exact import hindsight
from decot.model.agent import Agent, ModelConfig
from decot.model.checkpoint import weights_hash
from decot.rl.algorithms import plan
from decot.rl.grpo import GRPOConfig, Walks, group_advantage, grpo_objective, k3, train_grpo
from decot.rl.training import profit

SMALL = {"batch": 16, "length": 32, "burn_in": 8}


def small_agent(seed: int = 0) -> Agent:
    return Agent(ModelConfig(n_features=8, conv_filters=8, lstm_units=16, kernel=3, pool=1), seed)


def test_the_group_is_its_own_yardstick():
    """Returns 1, 3 and 5 have mean 3 and spread √(8/3); a group that earned alike says nothing."""
    returns = torch.tensor([[1.0, 3.0, 5.0], [2.0, 2.0, 2.0]])
    advantage, taught = group_advantage(returns)
    root = math.sqrt(8 / 3)
    torch.testing.assert_close(advantage, torch.tensor([[-2 / root, 0.0, 2 / root], [0.0, 0.0, 0.0]]))
    assert taught.tolist() == [[1, 1, 1], [0, 0, 0]]
    plain, _ = group_advantage(returns, by_spread=False)
    assert plain[0].tolist() == [-2.0, 0.0, 2.0]


def test_the_gradient_is_the_one_worked_out_by_hand():
    """Two walks of one decision each, π = σ(θ): the gradient of the clipped objective minus β·k3, on paper.

    θ = 0, so π = 1/2 and dlog π/dθ = ±1/2. Old probabilities 0.4 and 0.5: ratios 1.25 and 1. Advantages +1, −1, clip 0.2:
    the first ratio is above 1.2, so it gives no gradient; the second gives −1·1·(−1/2) = 1/2. Mean of two: 1/4.
    k3 with reference 0.4: gap = log 0.8; d k3/d now = 1 − e^gap = 0.2; times ±1/2, opposite signs, so the mean is zero
    when both references are 0.4; with the second at 0.5 it is 0.2·(1/2)/2 = 0.05.
    """
    theta = torch.zeros((), requires_grad=True)
    now = torch.stack([torch.nn.functional.logsigmoid(theta), torch.nn.functional.logsigmoid(-theta)])[
        :, None
    ]
    empty = torch.zeros(2, 1, dtype=torch.int64)
    walks = Walks(
        (empty,) * 4,
        torch.tensor([[1.0, -1.0]]),
        torch.ones(1, 2),
        torch.tensor([[0.4], [0.5]]).log(),
        torch.tensor([[0.4], [0.5]]).log(),
        0.0,
    )
    raised, divergence = grpo_objective(now, walks, clip=0.2, clip_high=0.2, kl=0.1)
    (gradient,) = torch.autograd.grad(raised, theta, retain_graph=True)
    assert raised.item() == pytest.approx((1.2 - 1.0) / 2 - 0.1 * divergence.item())
    assert gradient.item() == pytest.approx(1 / 4 - 0.1 * 0.05, abs=1e-6)
    higher, _ = grpo_objective(now, walks, clip=0.2, clip_high=0.3, kl=0.0)
    (freer,) = torch.autograd.grad(higher, theta)
    assert freer.item() == pytest.approx(1 / 4 + 1.25 / 2 / 2, abs=1e-6)


def test_k3_is_never_negative_and_zero_at_home():
    """The estimate of KL is ≥ 0, 0 where nothing moved, and its mean over the policy is the true KL."""
    torch.manual_seed(0)
    one, two = torch.randn(5).log_softmax(0), torch.randn(5).log_softmax(0)
    assert (k3(one, two) >= 0).all()
    assert k3(one, one).abs().max() == 0
    torch.testing.assert_close((one.exp() * k3(one, two)).sum(), (one.exp() * (one - two)).sum())


def test_groups_without_spread_move_nothing():
    """If no group has anything to say the objective's gradient is that of the KL alone: zero at the reference."""
    now = torch.zeros(4, 3, requires_grad=True)
    nothing = torch.zeros(2, 2)
    walks = Walks((now.long(),) * 4, nothing, nothing, torch.zeros(4, 3), torch.zeros(4, 3), 0.0)
    raised, _ = grpo_objective(now, walks, clip=0.2, clip_high=0.2, kl=0.1)
    (gradient,) = torch.autograd.grad(raised, now)
    assert gradient.abs().max() == 0


@pytest.mark.parametrize("options", [{}, {"by_spread": False, "clip_high": 0.28}])
def test_the_observation_is_repeated(world, options):
    """Told which way the next move goes, it goes there: 95 % of hindsight; also as Dr.GRPO with DAPO's clip."""
    cfg = GRPOConfig(env_steps=50_000, **SMALL, **options)
    agent = train_grpo(small_agent(), *world("repeat", 4_000, 1), cfg).agent
    held_out = world("repeat", 2_000, 2)
    assert profit(agent, *held_out)[0] >= 0.95 * hindsight(held_out[1]).bound_bps


def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(world, tmp_path):
    """The reference is remembered too: the same weights hash."""
    data = world("oracle", 1_500, 1)
    cfg = GRPOConfig(env_steps=8_000, eval_every=3, save_every=2, reference_every=4, temperature=0.5, **SMALL)
    whole = train_grpo(small_agent(), *data, cfg, seed=1)
    train_grpo(small_agent(), *data, cfg, seed=1, resume=tmp_path, callback=lambda line: line["update"] < 6)
    again = train_grpo(small_agent(), *data, cfg, seed=1, resume=tmp_path)
    assert weights_hash(again.agent) == weights_hash(whole.agent)


def test_an_oracle_column_is_used(world):
    """With the next return in sight it earns at least 80 % of the hindsight optimum after costs."""
    data, valid, held_out = (
        world("oracle", n, 9_000 + part) for part, n in enumerate((40_000, 5_000, 10_000))
    )
    cfg = plan("grpo", env_steps=60_000, batch=8, length=80, tail=16, burn_in=16)
    agent = train_grpo(Agent(ModelConfig(n_features=8), 0), *data, cfg, validation=valid).agent
    assert profit(agent, *held_out)[0] >= 0.80 * hindsight(held_out[1]).bound_bps
