"""The controller RNN: an LSTM that draws one choice per decision, given the choices before it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from search_spaces import Actions


class Policy(nn.Module):
    """p(actions) = prod_d p(a_d | a_1 .. a_{d-1}), a softmax over the choices of each decision.

    The choice taken is embedded and fed back as the next input; the first input is learned.
    B: batch, D: decisions, C: the most choices of any decision, H: hidden units, E: embedding.

    Args:
        choices: number of choices of each decision, `[D]`.
        hidden_units: H.
        embedding_units: E.
        init_range: initial weights are uniform in +-init_range.
        rng: draws the initial weights.

    Source: Zoph et al. 2018, arXiv:1707.07012, appendix A.2: one-layer LSTM, H = 100, U(-0.1, 0.1).
    """

    absent: Tensor
    first_token: Tensor

    def __init__(
        self,
        choices: Sequence[int],
        hidden_units: int,
        embedding_units: int,
        init_range: float,
        rng: np.random.Generator,
    ) -> None:
        super().__init__()
        self.choices = tuple(choices)
        decisions, most = len(choices), max(choices)
        # Made without storage: torch's own initialisation would draw from its global generator.
        lstm = nn.LSTM(embedding_units, hidden_units, batch_first=True, device="meta")
        self.lstm = lstm.to_empty(device="cpu")
        self.tokens = nn.Parameter(torch.empty(1 + sum(choices), embedding_units))  # 0 starts a sequence
        self.head_weight = nn.Parameter(torch.empty(decisions, most, hidden_units))
        self.head_bias = nn.Parameter(torch.empty(decisions, most))
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(torch.from_numpy(rng.uniform(-init_range, init_range, tuple(weight.shape))))
        # Choice a of decision d is token first_token[d] + a.
        first = torch.tensor([1, *itertools.accumulate(choices, initial=1)][1:-1])
        self.register_buffer("first_token", first, persistent=False)  # [D]
        absent = torch.arange(most) >= torch.tensor(self.choices)[:, None]
        self.register_buffer("absent", absent, persistent=False)  # [D, C]

    def forward(self, actions: Tensor) -> Tensor:
        """log p(. | earlier actions): `[B, D]` -> `[B, D, C]`; very negative where a choice is absent."""
        tokens = (actions + self.first_token)[:, :-1]
        start = tokens.new_zeros(len(actions), 1)
        inputs = self.tokens[torch.cat((start, tokens), dim=1)]  # [B, D, E]
        hidden, _ = self.lstm(inputs)  # [B, D, H]
        logits = torch.einsum("bdh,dch->bdc", hidden, self.head_weight) + self.head_bias
        # Not -inf, so that p log p is 0 there and not NaN.
        return logits.masked_fill(self.absent, -1e9).log_softmax(dim=2)

    @torch.inference_mode()
    def sample(self, rng: np.random.Generator) -> tuple[Actions, float]:
        """One draw and its log-probability."""
        weights = self.lstm.all_weights[0]
        hidden = cell = torch.zeros(1, self.lstm.hidden_size)
        uniforms = rng.random(len(self.choices)).tolist()
        first, token = 1, 0
        actions, log_prob = [], 0.0
        for d, (count, uniform) in enumerate(zip(self.choices, uniforms, strict=True)):
            hidden, cell = torch.lstm_cell(self.tokens[token : token + 1], (hidden, cell), *weights)
            logits = torch.addmv(self.head_bias[d], self.head_weight[d], hidden[0])
            action, step = draw(logits.tolist()[:count], uniform)
            actions.append(action)
            log_prob += step
            token = first + action
            first += count
        return tuple(actions), log_prob

    @torch.inference_mode()
    def sample_batch(self, count: int, rng: np.random.Generator) -> Tensor:
        """``count`` draws at once, `[B, D]`."""
        weights = self.lstm.all_weights[0]
        hidden = cell = torch.zeros(count, self.lstm.hidden_size)
        uniforms = torch.from_numpy(rng.random((len(self.choices), count)))  # [D, B]
        token = torch.zeros(count, dtype=torch.long)
        actions = []
        for d, number in enumerate(self.choices):
            hidden, cell = torch.lstm_cell(self.tokens[token], (hidden, cell), *weights)
            logits = torch.addmm(self.head_bias[d], hidden, self.head_weight[d].T)[:, :number]
            sums = logits.double().softmax(dim=1).cumsum(dim=1)[:, :-1]  # [B, C - 1]
            action = (sums <= uniforms[d, :, None]).sum(dim=1)  # [B]
            actions.append(action)
            token = action + self.first_token[d]
        return torch.stack(actions, dim=1)


def draw(logits: Sequence[float], uniform: float) -> tuple[int, float]:
    """The choice whose interval of the softmax's cumulative sum has ``uniform``, and its log-probability."""
    highest = max(logits)
    masses = [math.exp(logit - highest) for logit in logits]
    sums = list(itertools.accumulate(masses))
    # Rounding may leave every sum at or below the target; then it is the last choice.
    action = min(sum(s <= uniform * sums[-1] for s in sums), len(logits) - 1)
    return action, logits[action] - highest - math.log(sums[-1])
