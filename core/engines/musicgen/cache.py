"""What attention looks back on: keys and values, in memory that is laid out once and never grows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


class Cache:
    """Keys and values of lanes that go on side by side: of their own past, and of the text that they attend to.

    A lane is what the model sees as one sequence; a row takes two with guidance. Lanes at other positions have another
    cache, which is attended to by itself: so nothing of the past is padded or masked, however different the rows, and
    those that leave give their memory back.

    Attributes:
        position: how many positions are known; the next input is written there.
        lanes: how many there are.
    """

    def __init__(self, past: Tensor, cross: Sequence[tuple[Tensor, Tensor]], cross_mask: Tensor | None) -> None:
        """Begin with an empty past.

        Args:
            past: memory for it, ``[layers, 2, lanes, heads, length, C / heads]``.
            cross: keys and values of the text for every layer, ``[lanes, heads, L, C / heads]``; none if there is none.
            cross_mask: added to the scores, ``[lanes, 1, 1, L]``, if some texts are shorter than others.
        """
        self.position = 0
        self.lanes = past.shape[2]
        self._past = past.unbind()
        self._cross, self._cross_mask = cross, cross_mask

    def causal_mask(self, count: int) -> Tensor | None:
        """Where each of the next ``count`` positions may look, ``[count, position + count]``; ``None``: everywhere."""
        if count == 1:
            return None
        allowed = torch.ones(count, self.position + count, dtype=torch.bool, device=self._past[0].device)
        return allowed.tril_(self.position)

    def attend(self, layer: int, projected: Tensor, mask: Tensor | None) -> Tensor:
        """Remember the next positions' keys and values, and attend to all up to them.

        Args:
            projected: query, key and value, ``[lanes, count, 3, heads, C / heads]``.
            mask: ``causal_mask(count)``.

        Returns:
            ``[lanes, count, heads, C / heads]``.
        """
        past, end = self._past[layer], self.position + projected.shape[1]
        past[..., self.position : end, :] = projected[:, :, 1:].permute(2, 0, 3, 1, 4)
        query = projected[:, :, 0].transpose(1, 2).to(past.dtype)
        keys, values = past[..., :end, :].unbind()
        return functional.scaled_dot_product_attention(query, keys, values, mask).transpose(1, 2)

    def attend_to_text(self, layer: int, query: Tensor) -> Tensor:
        """Attend to the text, from and to ``[lanes, count, heads, C / heads]``."""
        keys, values = self._cross[layer]
        query = query.transpose(1, 2).to(keys.dtype)
        return functional.scaled_dot_product_attention(query, keys, values, self._cross_mask).transpose(1, 2)


class StaticCache(Cache):
    """A cache in which a step of one position has the same shapes and addresses wherever it is, as CUDA graphs need.

    The position is on the device too. A step looks at the whole length, what lies after the position is masked.
    """

    def __init__(self, past: Tensor, cross: Sequence[tuple[Tensor, Tensor]], cross_mask: Tensor | None) -> None:
        """As ``Cache``; what is masked must be finite, so ``past`` must be zeros."""
        self._place = torch.zeros(1, dtype=torch.int64, device=past.device)
        self._places = torch.arange(past.shape[-2], device=past.device)
        super().__init__(past, cross, cross_mask)

    @property
    def position(self) -> int:
        """How many positions are known; the next input is written there."""
        return self._position

    @position.setter
    def position(self, position: int) -> None:
        self._position = position
        self._place.fill_(position)

    def causal_mask(self, count: int) -> Tensor | None:
        if count > 1:
            return super().causal_mask(count)
        scores = torch.zeros_like(self._places, dtype=self._past[0].dtype)
        return scores.masked_fill_(self._places > self._place, -torch.inf)[None]

    def attend(self, layer: int, projected: Tensor, mask: Tensor | None) -> Tensor:
        if projected.shape[1] > 1:
            return super().attend(layer, projected, mask)
        past = self._past[layer]
        past.index_copy_(-2, self._place, projected[:, :, 1:].permute(2, 0, 3, 1, 4).to(past.dtype))
        query = projected[:, :, 0].transpose(1, 2).to(past.dtype)
        return functional.scaled_dot_product_attention(query, past[0], past[1], mask).transpose(1, 2)
