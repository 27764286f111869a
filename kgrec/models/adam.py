"""A network under training by Adam: what every training in torch shares. Imports torch when a training starts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kgrec.models.training_loop import Arrays

if TYPE_CHECKING:
    from torch import Tensor


class AdamTraining(ABC):
    """Goes over rows of training data in random order, in blocks; for :func:`kgrec.models.training_loop.run`.

    Args:
        network: what is trained, by name; a step changes those that require gradients.
        rows: numbers of the rows of training data, shape ``(r,)``, on the network's device.
        n_steps: blocks that an epoch is cut into.
        learning_rate: of Adam.
        seed: of everything drawn.
        average: decay, by step, of the running average of the parameters that is the result of training; 0 takes the
            parameters as they are. The average of a noisy course lies nearer to where it leads (Polyak and Juditsky,
            SIAM J. Control and Optimization 1992).

    Attributes:
        n_steps: steps in an epoch.
        steps_done: steps taken so far.
    """

    def __init__(
        self,
        network: Mapping[str, Tensor],
        rows: Tensor,
        n_steps: int,
        learning_rate: float,
        seed: int,
        *,
        average: float = 0.0,
    ) -> None:
        import torch

        self.device = rows.device
        self.n_steps, self.steps_done = max(1, n_steps), 0
        self._parameters, self._rows = network, rows
        self._generator = torch.Generator(self.device).manual_seed(seed)
        self._trained = [parameter for parameter in network.values() if parameter.requires_grad]
        self._learning_rate, self._decay = learning_rate, average
        self._moments = [
            {name: torch.zeros_like(p, requires_grad=False) for name in ("exp_avg", "exp_avg_sq")}
            | {"step": torch.zeros((), device=self.device)}
            for p in self._trained
        ]
        self._average = [parameter.detach().clone() for parameter in self._trained] if average else []

    @property
    def n_rows(self) -> int:
        """Number of rows of training data."""
        return len(self._rows)

    @abstractmethod
    def loss(self, rows: Tensor) -> Tensor:
        """Return the mean loss over ``rows`` of shape ``(b,)``."""

    @abstractmethod
    def metric(self) -> float | None:
        """Return how good the network is on held-out data, larger is better, or None where nothing is held out."""

    def validate(self) -> float | None:
        """Return the metric of the averaged parameters."""
        import torch

        with torch.no_grad(), self.averaged():
            return self.metric()

    def train_epoch(self) -> float:
        """Go once over all rows, in random order; the loss is brought to the host once, at the end."""
        import torch

        order = self._rows[torch.randperm(len(self._rows), generator=self._generator, device=self.device)]
        total = torch.zeros((), device=self.device)
        blocks = order.chunk(self.n_steps)
        for block in blocks:
            total += self.step(block)
        return float(total) / len(blocks)

    def step(self, rows: Tensor) -> Tensor:
        """Take one step on ``rows`` of shape ``(b,)`` and return its loss, on the device."""
        import torch

        for parameter in self._trained:
            parameter.grad = None
        loss = self.loss(rows)
        loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self._descend()
        self.steps_done += 1
        return loss.detach()

    def _descend(self) -> None:
        # The class torch.optim.Adam loads torch's compiler (1.3 s) and takes a sixth to a third longer a step.
        from torch.optim.adam import adam

        taught = [(p, p.grad, moments) for p, moments in zip(self._trained, self._moments, strict=True)]
        pairs = [(p, gradient, moments) for p, gradient, moments in taught if gradient is not None]
        adam(
            [p for p, _, _ in pairs],
            [gradient for _, gradient, _ in pairs],
            [moments["exp_avg"] for _, _, moments in pairs],
            [moments["exp_avg_sq"] for _, _, moments in pairs],
            [],
            [moments["step"] for _, _, moments in pairs],
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self._learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
        for average, parameter in zip(self._average, self._trained, strict=False):
            average.lerp_(parameter, 1 - self._decay)

    def weights(self) -> Arrays:
        """Return a copy of the parameters, averaged where that was asked for."""
        with self.averaged():
            return self._copied()

    def load_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take over parameters; the running average starts again from them."""
        import torch

        with torch.no_grad():
            for name, parameter in self._parameters.items():
                parameter.copy_(torch.from_numpy(np.array(weights[name])))
            for average, parameter in zip(self._average, self._trained, strict=False):
                average.copy_(parameter)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the network have the averaged parameters meanwhile."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> Arrays:
        """Return parameters, their average, Adam's moments, the generator's state and the number of steps."""
        arrays = {f"weights.{name}": array for name, array in self._copied().items()}
        arrays |= {f"average.{position}": a.cpu().numpy().copy() for position, a in enumerate(self._average)}
        for position, moments in enumerate(self._moments):
            for name, value in moments.items():
                arrays[f"adam.{position}.{name}"] = np.atleast_1d(value.cpu().numpy().copy())
        arrays["generator"] = self._generator.get_state().numpy()
        arrays["steps_done"] = np.array([self.steps_done])
        return arrays

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`state` returned."""
        import torch

        self.load_weights(
            {name.removeprefix("weights."): a for name, a in state.items() if name.startswith("weights.")}
        )
        for position, average in enumerate(self._average):
            average.copy_(torch.from_numpy(np.array(state[f"average.{position}"])))
        for position, moments in enumerate(self._moments):
            for name, moment in moments.items():
                # Copied in place: a moment must lie in memory as its parameter does, or the fused kernel pairs the
                # wrong entries.
                moment.copy_(torch.from_numpy(np.array(state[f"adam.{position}.{name}"])).reshape(moment.shape))
        self._generator.set_state(torch.from_numpy(np.array(state["generator"])))
        self.steps_done = int(state["steps_done"][0])

    def dropped(self, x: Tensor, share: float) -> Tensor:
        """Set a random ``share`` of the entries to 0 and scale the others up, drawn from the training's generator."""
        import torch

        if share == 0:
            return x
        kept = torch.rand(x.shape, generator=self._generator, device=self.device) >= share
        return x * kept / (1 - share)

    def _copied(self) -> Arrays:
        return {name: value.detach().cpu().numpy().copy() for name, value in self._parameters.items()}

    def _swap(self) -> None:
        for average, parameter in zip(self._average, self._trained, strict=False):
            parameter.data, average.data = average.data, parameter.data
