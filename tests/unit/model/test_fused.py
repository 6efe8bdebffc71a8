"""The loops with gradients of their own are torch's operations, value for value and gradient for gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from decot.model import smooth
from decot.model.agent import Agent, ModelConfig, decide_from, decide_plainly
from decot.model.checkpoint import weights_hash
from decot.model.vocabulary import N_QUESTIONS, SIZES
from decot.rl.lessons import answer_losses

SHAPES = {
    "plain": {},
    "few questions": {"questions": ("risk", "trend", "outlook"), "word_width": 12},
    "unrestricted": {"unrestricted": True},
    "odd widths": {"conv_filters": 5, "lstm_units": 9, "step_width": 7, "word_width": 5, "glance_width": 3},
    "max pool": {"pool": 4, "pool_kind": "max", "kernel": 7},
    "no pool": {"pool": 1, "kernel": 3},
}


def both(make_agent, shape: str) -> tuple[Agent, Agent]:
    cfg = ModelConfig(n_features=7, **{"conv_filters": 6, "lstm_units": 10, **SHAPES[shape]})
    fused, plain = make_agent(cfg), make_agent(cfg)
    plain.is_fused = False
    return fused, plain


def told(agent: Agent, x: torch.Tensor, imposed: torch.Tensor | None, state=None) -> tuple[list, dict]:
    """Everything a pass says, and the gradient of a loss that weighs all of it by fixed random numbers."""
    agent.zero_grad()
    x = x.clone().requires_grad_()
    out = agent(x, state, imposed)
    parts = [out.policy_logits, out.value, out.exit_logit, out.forecasts, out.embedded, out.attention]
    parts += [agent.decision(out), out.latent, out.state.hidden, out.state.cell, *out.word_logits]
    generator = torch.Generator().manual_seed(1)
    sum((part * torch.randn(part.shape, generator=generator)).sum() for part in parts).backward()
    grads = {name: weight.grad for name, weight in agent.named_parameters()} | {"x": x.grad}
    return [*(part.detach() for part in parts), out.words], grads


@pytest.mark.parametrize("is_told", [False, True], ids=["free", "imposed"])
@pytest.mark.parametrize("shape", SHAPES)
def test_loops_and_torch_agree(make_agent, obs, shape, is_told):
    """Every output within 1e-5, every word the same, every gradient within 1e-5 of its own size, the state carried."""
    fused, plain = both(make_agent, shape)
    x = torch.from_numpy(obs[:390].reshape(3, 130, 7))
    imposed = torch.full((3, 130, N_QUESTIONS), -1, dtype=torch.int8) if is_told else None
    if imposed is not None:
        imposed[:, ::3, 2], imposed[:, ::5, 7] = 1, 3
    with torch.no_grad():
        _, state = plain.trunk(torch.from_numpy(obs[400:460].reshape(3, 20, 7)))
    ours, grads = told(fused, x, imposed, state)
    theirs, wanted = told(plain, x, imposed, state)
    assert torch.equal(ours[-1], theirs[-1])
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    for name, grad in wanted.items():
        if name == "weigh.bias":  # a softmax does not feel it
            continue
        scale = float(grad.abs().max())
        assert float((grads[name] - grad).abs().max()) <= 1e-5 * scale + 1e-6, name


def test_decisions_agree_at_extremes():
    """Certain exits, far logits and large values: the same probabilities, the same gradients."""
    generator = torch.Generator().manual_seed(0)
    inputs = [30 * torch.randn(shape, generator=generator) for shape in ((50, 3, 3), (50, 3), (50, 3))]
    weights, grads, probs = torch.randn((50, 3, 3), generator=generator), [], []
    for form in (decide_from, decide_plainly):
        policy, value, leave = (x.clone().requires_grad_() for x in inputs)
        found = form(policy, value, leave, 0.5)
        (found * weights).sum().backward()
        probs.append(found.detach())
        grads.append((policy.grad, leave.grad))
        assert value.grad is None
    torch.testing.assert_close(*probs, atol=1e-6, rtol=1e-4)
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_marks_are_weighted_cross_entropies(make_agent, obs):
    """Question by question, the loss and its gradient are torch's, rare answers weighing more."""
    fused, _ = both(make_agent, "plain")
    rng = np.random.default_rng(2)
    truth = torch.from_numpy(np.stack([rng.integers(0, size, 390) for size in SIZES], 1)).view(3, 130, -1)
    rarity = [torch.rand(size) + 0.5 for size in SIZES]
    out = fused(torch.from_numpy(obs[:390].reshape(3, 130, 7)))
    found = []
    for form in (out, out._replace(answers=None)):
        losses = answer_losses(form, truth, fused.order, rarity)
        total = sum((k + 1) * loss for k, loss in losses.items())
        found.append((losses, torch.autograd.grad(total, fused.read.weight, retain_graph=True)[0]))
    for k in fused.order:
        torch.testing.assert_close(found[0][0][k], found[1][0][k])
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-6, rtol=1e-4)


def test_the_same_lesson_twice_leaves_the_same_bits(make_agent, obs):
    """Ten gradient steps through the loops, twice: one weights hash."""
    hashes = []
    for _ in range(2):
        agent, _ = both(make_agent, "plain")
        optimizer = torch.optim.AdamW(agent.parameters(), 1e-2, fused=True)
        for _ in range(10):
            out = agent(torch.from_numpy(obs[:256].reshape(2, 128, 7)))
            optimizer.zero_grad()
            (
                agent.decision(out).clamp_min(1e-8).log().square().mean() + out.forecasts.square().mean()
            ).backward()
            optimizer.step()
        hashes.append(weights_hash(agent))
    assert hashes[0] == hashes[1]


def test_smooth_functions_are_the_functions():
    """exp within 3e-7 of itself, tanh and sigmoid within 2e-7, from far left to far right; log where it is defined."""
    x = np.linspace(-60, 60, 4_001, dtype=np.float32)
    exact = x.astype(np.float64)
    ours = np.array([[f(v) for v in x] for f in (smooth.exp, smooth.tanh, smooth.sigmoid)], np.float64)
    assert np.abs(ours[0] / np.exp(exact) - 1).max() < 3e-7
    assert np.abs(ours[1] - np.tanh(exact)).max() < 2e-7
    assert np.abs(ours[2] - 1 / (1 + np.exp(-exact))).max() < 2e-7
    some = np.exp(np.linspace(-80, 80, 4_001)).astype(np.float32)
    wanted = np.log(some.astype(np.float64))
    found = np.array([smooth.log(v) for v in some], np.float64)
    assert (np.abs(found - wanted) / (1 + np.abs(wanted))).max() < 2e-7
    assert smooth.log(np.float32(1)) == 0
