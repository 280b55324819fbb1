"""The language model's transformer, made for drawing one step after another.

What audiocraft does at every step and this does once: the keys and values of the text, the layout of weights, the
memory for keys and values, the positions. Rows of any length and number take part in a step side by side: products with
weights are done for all of them together, attention for those alone that share a cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from core.engines.musicgen.cache import Cache, StaticCache
from core.engines.musicgen.graphs import ReplayedSteps
from core.engines.musicgen.huge_pages import ask_for_huge_pages
from core.engines.musicgen.precision import attention_dtype, linear

if TYPE_CHECKING:
    from core.engines.musicgen.model import Conditioning, CrossAttention, LanguageModel, Layer, Norm
    from core.engines.musicgen.precision import Linear

_MAX_PERIOD = 10000.0
_EPSILON = 1e-5  # of the norms, as in audiocraft and transformers
_FEWEST_POSITIONS = 2048  # 30 s of the released models, and a melody before them
_TEXT_TOKENS = 16
"""Texts are padded to a multiple of so many tokens, even a single one: a CPU sums up so many at once, and what is left
over in another order, in which a row's sums would depend on how long its neighbours' texts are."""


class Feed(NamedTuple):
    """What the lanes of a cache have for the next step.

    Attributes:
        inputs: ``[lanes, count, C]`` in float32, without positions.
    """

    cache: Cache
    inputs: Tensor


class Decoder:
    """A language model on a device, in a precision.

    Sums, norms and logits are in float32 whatever the precision is; keys and values are in the precision, and beside
    int8 in bfloat16. On a CPU the weights of products are copied into oneDNN's layout: those of ``model`` are needed no
    longer, but for its embeddings.

    Attributes:
        width: C.
        num_codebooks: K.
        cardinality: V; also the code that stands for none.
        delays: of the codebooks, in steps.
        device: torch's name of it.
    """

    def __init__(
        self, model: LanguageModel, precision: str = "float32", device: str = "cpu", static: bool | None = None
    ) -> None:
        """Convert the weights.

        Args:
            precision: ``float32``, ``bfloat16``, ``float16`` or ``int8``; ``precision.choose`` knows what suits.
            device: torch's name of it.
            static: whether steps keep their shapes, at the price of looking at the whole cache; ``None``: on a GPU.
        """
        self.width, self.delays, self.device = model.width, model.delays, device
        self.num_codebooks, self.cardinality = model.num_codebooks, model.cardinality
        self._num_heads, self._dtype = model.num_heads, attention_dtype(precision, device)
        with torch.inference_mode():
            self._embeddings = [table.to(device, torch.float32) for table in model.embeddings]
            self._layers = [_Layer(layer, precision, device) for layer in model.layers]
            self._out_norm = _on(model.out_norm, device)
            self._heads: Linear = linear(torch.cat(model.heads), _precision_of_heads(precision, device), device)
            self._positions = self._position_table(_FEWEST_POSITIONS)
        on_gpu = device.startswith("cuda")
        self._kind_of_cache = StaticCache if (on_gpu if static is None else static) else Cache
        self._logits = ReplayedSteps(self._computed_logits) if on_gpu else self._computed_logits

    def cache_bytes(self, lanes: int, length: int) -> int:
        """What a ``cache`` of such a size takes, apart from the text's."""
        return 2 * len(self._layers) * lanes * length * self.width * self._dtype.itemsize

    @torch.inference_mode()
    def cache(self, conditionings: Sequence[Conditioning], length: int) -> Cache:
        """Memory for one lane a conditioning and ``length`` positions, those of the prefix among them."""
        shape = (len(self._layers), 2, len(conditionings), self._num_heads, length, self.width // self._num_heads)
        past = torch.empty(shape, dtype=self._dtype, device=self.device)
        ask_for_huge_pages(past)
        if self._kind_of_cache is StaticCache:
            past.zero_()
        texts = [one.cross.to(self.device, torch.float32) for one in conditionings if one.cross is not None]
        if not texts:
            return self._kind_of_cache(past, [], None)
        padded = pad_sequence(texts, batch_first=True)
        padded = functional.pad(padded, (0, 0, 0, -padded.shape[1] % _TEXT_TOKENS))
        mask = _score_mask([len(text) for text in texts], padded.shape[1]).to(self.device, self._dtype)
        cross = [self._keys_and_values(layer, padded) for layer in self._layers]
        return self._kind_of_cache(past, cross, mask if mask.any() else None)

    def prefix(self, conditionings: Sequence[Conditioning]) -> Tensor:
        """The lanes' inputs before the first step, ``[lanes, P, C]``; P may be 0.

        A lane with a shorter prefix than another goes on with zeros, which is how audiocraft pads a null condition.
        """
        none = torch.zeros(0, self.width)
        prefixes = [none if one.prefix is None else one.prefix.to("cpu", torch.float32) for one in conditionings]
        return pad_sequence(prefixes, batch_first=True).to(self.device)

    @torch.inference_mode()
    def embed(self, codes: Tensor) -> Tensor:
        """The inputs ``[R, count, C]`` for steps ``[R, K, count]`` of delayed codes."""
        codes = codes.to(self.device)
        total = functional.embedding(codes[:, 0], self._embeddings[0])
        for codebook, table in enumerate(self._embeddings[1:], 1):
            total += functional.embedding(codes[:, codebook], table)
        return total

    @torch.inference_mode()
    def logits(self, feeds: Sequence[Feed]) -> Tensor:
        """What follows each lane's last input, ``[lanes of all feeds, K, V]`` in float32; good until the next call.

        Positions stay where they are, so that the same step can be tried again: once it has succeeded, move
        ``Cache.position`` on.
        """
        return self._logits([Feed(feed.cache, self._placed(feed)) for feed in feeds])

    def _computed_logits(self, feeds: Sequence[Feed]) -> Tensor:
        """The same, of inputs that have their positions."""
        x = torch.cat([feed.inputs.flatten(0, 1) for feed in feeds])
        masks = [feed.cache.causal_mask(feed.inputs.shape[1]) for feed in feeds]
        for index, layer in enumerate(self._layers):
            x += self._attention(index, layer, x, feeds, masks)
            if layer.cross:
                x += self._cross_attention(index, layer.cross, x, feeds)
            x += layer.linear2(layer.linear1(_normed(x, layer.linear_norm)))
        last = torch.cat([part[:, -1] for part in _parts(x, feeds)])
        logits = self._heads(_normed(last, self._out_norm)).to(torch.float32)
        return logits.view(len(last), self.num_codebooks, self.cardinality)

    def _attention(
        self, index: int, layer: _Layer, x: Tensor, feeds: Sequence[Feed], masks: Sequence[Tensor | None]
    ) -> Tensor:
        projected = layer.attention_in(_normed(x, layer.attention_norm))
        attended = [
            feed.cache.attend(index, part.view(*part.shape[:2], 3, self._num_heads, -1), mask)
            for feed, part, mask in zip(feeds, _parts(projected, feeds), masks, strict=True)
        ]
        return layer.attention_out(self._flat(attended))

    def _cross_attention(self, index: int, cross: _Cross, x: Tensor, feeds: Sequence[Feed]) -> Tensor:
        query = cross.query(_normed(x, cross.norm))
        attended = [
            feed.cache.attend_to_text(index, part.view(*part.shape[:2], self._num_heads, -1))
            for feed, part in zip(feeds, _parts(query, feeds), strict=True)
        ]
        return cross.out(self._flat(attended))

    def _flat(self, attended: Sequence[Tensor]) -> Tensor:
        """``[N, C]`` of each feed's ``[lanes, count, heads, C / heads]``."""
        flat = [part.reshape(-1, self.width) for part in attended]
        return torch.cat(flat) if len(flat) > 1 else flat[0]

    def _placed(self, feed: Feed) -> Tensor:
        """The inputs with their positions."""
        start, end = feed.cache.position, feed.cache.position + feed.inputs.shape[1]
        if end > len(self._positions):
            self._positions = self._position_table(2 * end)
        return feed.inputs + self._positions[start:end]

    def _position_table(self, count: int) -> Tensor:
        """Sinusoids ``[count, C]``: cosines, then sines, of periods up to the largest (as both libraries have it)."""
        half = self.width // 2
        periods = _MAX_PERIOD ** (torch.arange(half, dtype=torch.float32) / (half - 1))
        phase = torch.arange(count, dtype=torch.float32)[:, None] / periods
        return torch.cat([phase.cos(), phase.sin()], dim=-1).to(self.device)

    def _keys_and_values(self, layer: _Layer, texts: Tensor) -> tuple[Tensor, Tensor]:
        """One layer's, ``[lanes, heads, L, C / heads]`` each, of texts ``[lanes, L, C]``."""
        assert layer.cross
        projected = layer.cross.key_value(texts.flatten(0, 1)).view(*texts.shape[:2], 2, self._num_heads, -1)
        keys, values = projected.permute(2, 0, 3, 1, 4).to(self._dtype).contiguous()
        return keys, values


class _Layer:
    """A layer's products and norms, ready to use."""

    def __init__(self, layer: Layer, precision: str, device: str) -> None:
        self.attention_norm, self.linear_norm = _on(layer.attention_norm, device), _on(layer.linear_norm, device)
        self.attention_in = linear(layer.attention_in, precision, device)
        self.attention_out = linear(layer.attention_out, precision, device)
        self.linear1 = linear(layer.linear1, precision, device, gelu=True)
        self.linear2 = linear(layer.linear2, precision, device)
        self.cross = _Cross(layer.cross, precision, device) if layer.cross else None


class _Cross:
    """The same of a layer's attention to the text."""

    def __init__(self, cross: CrossAttention, precision: str, device: str) -> None:
        self.norm = _on(cross.norm, device)
        self.query = linear(cross.query, precision, device)
        self.key_value = linear(cross.key_value, precision, device)
        self.out = linear(cross.out, precision, device)


def _precision_of_heads(precision: str, device: str) -> str:
    """The heads are a fiftieth of the weights, and what is lost in them nothing evens out."""
    if precision != "int8":
        return precision
    return "bfloat16" if attention_dtype(precision, device) == torch.bfloat16 else "float32"


def _on(norm: Norm, device: str) -> tuple[Tensor, Tensor]:
    return norm.weight.to(device, torch.float32), norm.bias.to(device, torch.float32)


def _normed(x: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
    return functional.layer_norm(x, x.shape[-1:], *norm, _EPSILON)


def _parts(flat: Tensor, feeds: Sequence[Feed]) -> list[Tensor]:
    """Each feed's ``[lanes, count, ...]`` of ``[N, ...]``."""
    shapes = [feed.inputs.shape[:2] for feed in feeds]
    parts = torch.split(flat, [lanes * count for lanes, count in shapes])
    return [part.view(*shape, -1) for part, shape in zip(parts, shapes, strict=True)]


def _score_mask(lengths: Sequence[int], count: int) -> Tensor:
    """``[lanes, 1, 1, count]``: 0 where a text has a token, −∞ after its end."""
    ends = torch.tensor(lengths)[:, None]
    mask = torch.zeros(len(lengths), count)
    return mask.masked_fill_(torch.arange(count) >= ends, -math.inf)[:, None, None]
