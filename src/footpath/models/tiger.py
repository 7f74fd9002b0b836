"""Generative retrieval: the state after the last event spells the next item's semantic id, digit by digit, in a trie of those that exist.

Rajput, Mehta, Singh, Keshavan, Vu, Heldt, Hong, Tay, Tran, Samost, Kula, Chi, Sathiamoorthy, "Recommender systems with generative
retrieval" (TIGER), NeurIPS 2023 (https://arxiv.org/abs/2305.05065).

**Differs from the paper:**

- ids are made by residual k-means, of texts, of what occurs near an item in training, or of both, instead of RQ-VAE of texts; the last
  digit goes by popularity among items that share the others ([`semantic_ids.py`](semantic_ids.py));
- the encoder is the shared one, causal, with one place for an event: an item is the sum of its digits' vectors, not a token for each;
  there is no token of the user;
- the decoder is small: a state, gated and shifted by a GRU over the digits so far, times the vectors of the next digit, which are those
  of the encoder's input (gates as in Perez et al., "FiLM", AAAI 2018, https://arxiv.org/abs/1709.07871);
- with `own_vectors`, each item, and each node of the trie that leads to several, has a vector of its own too, which starts at zero;
- a digit's softmax is over those that exist after the digits before it, and not over all: no id outside the catalogue is ever made;
- the probability of every item is exact, since what depends on digits alone is computed once for all users; beam search is for retrieval;
- the loss is on every event of a sequence, and validation chooses the epoch; a history without known items is answered by popularity.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self, get_args, get_type_hints

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Float32, Int32, Int64
from torch import Tensor, nn

from footpath.errors import ConfigError, NotFittedError, RunError
from footpath.models.histories import check_histories, event_counts, without_known_items
from footpath.models.item_table import ItemTable, rows_of
from footpath.models.layers import AttentionBlock
from footpath.models.network import Network
from footpath.models.semantic_ids import IdReader, IdReport, Trie, report_arrays, report_of, semantic_ids
from footpath.progress import Progress
from footpath.recommender import RETRIEVE_FROM, Watch, hyperparameters, top_k
from footpath.sequences.dataset import ItemFeatures, SequenceDataset
from footpath.sequences.split import Holdout
from footpath.sequences.vocabulary import Vocabulary
from footpath.training.batches import TrainingBatch, TrainingBatches, history_batches
from footpath.training.device import device
from footpath.training.fingerprint import fingerprint_of
from footpath.training.loop import EarlyStop, GradientStep, History, isolated_seed
from footpath.training.loop import train as run_epochs
from footpath.training.objectives import next_item
from footpath.training.validation import VALIDATION_K, ListChunks, ScoreChunks, asks_for_seen, ndcg_of_lists, own_chunks, validation_ndcg

_PATIENCE: Final = 4  # epochs without a better validation figure, as the sequence models have by default
_MIN_EPOCHS: Final = 5
_HISTORIES_AT_ONCE: Final = 256
_SCORES_AT_ONCE: Final = 2**24  # 64 MiB: fewer histories at once where the catalogue is large
_BRANCHES_AT_ONCE: Final = 2**18  # of a beam search: 64 MiB of vectors of width 64

SEARCH_SPACE: Final = {
    "dim": [64, 128, 256],
    "dropout": (0.0, 0.6),
    "learning_rate": (3e-4, 1e-2, "log"),
    "levels": (1, 4),
    "codes": [32, 64, 128, 256],
}


class CodeTable(ItemTable):
    """Rows are the sums of the vectors of an item's digits, and, where `n_own` is not 0, of one of the item's own that starts at zero.

    n_own: vectors of their own that there are, those of the items first.
    """

    codes: Tensor

    def __init__(self, codes: Int64[Tensor, "N L"], sizes: Sequence[int], dim: int, n_own: int) -> None:
        super().__init__(len(codes), dim)
        self.register_parameter("weight", nn.Parameter(torch.zeros(n_own, dim)) if n_own else None)
        self.register_buffer("codes", codes)
        self.digits = nn.ParameterList([nn.Parameter(torch.empty(size, dim)) for size in sizes])

    @torch.no_grad()
    def clear_padding(self) -> None:
        """Vectors of items' own become zero."""
        if self.weight is not None:
            self.weight.zero_()

    def forward(self, items: Int64[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        return self.rows(items)

    def rows(self, indexes: Int64[Tensor, "*R"], *, sparse: bool | None = None) -> Float[Tensor, "*R D"]:
        codes = self.codes[indexes]
        found = torch.stack([rows_of(vectors, codes[..., level]) for level, vectors in enumerate(self.digits)]).sum(0)
        found = found * (indexes > 0).unsqueeze(-1)
        return found if self.weight is None else found + rows_of(self.weight, indexes, padding=True)

    def table(self) -> Float[Tensor, "N D"]:
        return self.rows(torch.arange(self.n_items, device=self.device))


class Branches(nn.Module):
    """A trie for torch: of each depth, parents and digits of nodes, first child and number of children of the nodes above.

    node_of: of each item, its node at each depth. own: of each node, the row of its own vector: its item's where it leads to one alone,
    else one after those of the items, of which there are n_own in all. whole: the trie that this is a part of, and whose rows are meant.
    n_fitted: items from this index on came after the fit, and a node that leads to such ones alone has no part in the sums of its siblings,
    unless they all do. counted: of each node, 1 where it has a part in them, else 0; None at depths where all have.
    """

    items: Tensor
    node_of: Tensor

    def __init__(self, trie: Trie, whole: Trie | None = None, n_fitted: int | None = None) -> None:
        super().__init__()
        whole = trie if whole is None else whole
        of_the_fit = trie.items if n_fitted is None else trie.items[trie.items < n_fitted]
        self.depths, self.n_own, self._names = trie.depths, len(trie.paths), ("parents", "digits", "firsts", "counts", "own")
        for depth in range(trie.depths):
            below = whole.paths[whole.items, depth]  # of each leaf
            alone = np.bincount(below) == 1
            rows = self.n_own - 1 + np.cumsum(~alone)
            rows[below[alone[below]]] = whole.items[alone[below]]
            self.n_own += int((~alone).sum())
            own = np.zeros(len(trie.digits[depth]), np.int64)
            own[trie.paths[trie.items, depth]] = rows[whole.paths[trie.items, depth]]
            firsts = trie.firsts[depth]
            for name, array in zip(self._names, (trie.parents[depth], trie.digits[depth], firsts[:-1], np.diff(firsts), own), strict=True):
                self.register_buffer(f"{name}{depth}", torch.from_numpy(array), persistent=False)
            parents, fitted = trie.parents[depth], np.zeros(len(own), bool)
            fitted[trie.paths[of_the_fit, depth]] = True
            lead_there = np.zeros(len(firsts) - 1, bool)
            lead_there[parents[fitted]] = True
            counted = fitted | ~lead_there[parents]
            of_depth = None if counted.all() else torch.from_numpy(counted.astype(np.float32))
            self.register_buffer(f"counted{depth}", of_depth, persistent=False)
        self.register_buffer("items", torch.from_numpy(trie.items), persistent=False)
        self.register_buffer("node_of", torch.from_numpy(np.maximum(trie.paths, 0)), persistent=False)

    def at(self, depth: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """parents, digits, firsts, counts, own."""
        return tuple(getattr(self, f"{name}{depth}") for name in self._names)

    def counted(self, depth: int) -> Tensor | None:
        return getattr(self, f"counted{depth}")


class Nodes(NamedTuple):
    """Of each depth, a vector and a number for each node: with the state's query q of that depth, its score is q @ vector + bias."""

    vectors: tuple[Float[Tensor, "n D"], ...]
    biases: tuple[Float[Tensor, " n"], ...]


class Decoder(nn.Module):
    """The score of digit c at depth l after a prefix: `(W_l s * (1 + G_l g) + B_l g) @ e_c`, with state s and the GRU's g of the prefix.

    e_c is the vector of the digit in the item table. Where the table has vectors of their own, `W_l s @ m` is added, with that of the node
    that the digit leads to.
    """

    def __init__(self, dim: int, depths: int) -> None:
        super().__init__()
        self.begin = nn.Parameter(torch.zeros(dim))
        self.cell = nn.GRUCell(dim, dim)
        self.queries: Any = nn.ModuleList([nn.Linear(dim, dim) for _ in range(depths)])
        self.gates: Any = nn.ModuleList([nn.Linear(dim, dim) for _ in range(depths)])
        self.shifts: Any = nn.ModuleList([nn.Linear(dim, dim) for _ in range(depths)])

    @torch.no_grad()
    def clear(self) -> None:
        """Gates and shifts start at zero."""
        for linear in (*self.gates, *self.shifts):
            linear.weight.zero_()
            linear.bias.zero_()

    def log_probabilities(
        self, states: Float[Tensor, "T D"], targets: Int64[Tensor, " T"], table: CodeTable, branches: Branches
    ) -> Float[Tensor, " T"]:
        """Of each state's target, which must be an item of these branches; the digits of the target are read as they are spelled."""
        codes = table.codes[targets]
        total = 0 * states.sum(1)  # of one item nothing is learned, and yet there is a gradient
        prefix = self.begin.expand(len(states), -1)
        parents = torch.zeros_like(targets)
        for depth, vectors in enumerate(table.digits):
            _, digits, firsts, counts, own = branches.at(depth)
            some = (counts[parents] > 1).nonzero()[:, 0]  # an only child has the probability 1
            if len(some):
                query, before = self.queries[depth](states[some]), prefix[some]
                scores = (query * (1 + self.gates[depth](before)) + self.shifts[depth](before)) @ vectors.T  # (t, digits)
                row, node = _children(parents[some], firsts, counts)
                there = scores[row, digits[node]]
                if depth and table.weight is not None:
                    there = there + (query[row] * rows_of(table.weight, own[node])).sum(1)
                masked = torch.full_like(scores, -torch.inf).index_put((row, digits[node]), there)
                total = total.index_add(0, some, -F.cross_entropy(masked, codes[some, depth], reduction="none"))
            if depth + 1 < branches.depths:
                prefix = self.cell(rows_of(vectors, codes[:, depth]), prefix)
                parents = branches.node_of[targets, depth]
        return total

    def nodes(self, table: CodeTable, branches: Branches) -> Nodes:
        """What the scores of all nodes are made of; it depends on no user."""
        vectors, biases = [], []
        prefix = self.begin[None]
        for depth, of_digits in enumerate(table.digits):
            parents, digits, _, _, own = branches.at(depth)
            spelled = of_digits[digits]
            gated = (1 + self.gates[depth](prefix))[parents] * spelled
            vectors.append(gated + table.weight[own] if depth and table.weight is not None else gated)
            biases.append((self.shifts[depth](prefix)[parents] * spelled).sum(1))
            if depth + 1 < branches.depths:
                prefix = self.cell(spelled, prefix[parents])
        return Nodes(tuple(vectors), tuple(biases))

    def all_items(self, states: Float[Tensor, "B D"], nodes: Nodes, branches: Branches) -> Float[Tensor, "M B"]:
        """The log-probability of every leaf, in the order of `branches.items`."""
        total = states.new_zeros(1, len(states))
        for depth in range(branches.depths):
            parents, _, _, counts, _ = branches.at(depth)
            total = total[parents]
            several = counts[counts > 1]
            if len(several):
                some = (counts > 1)[parents].nonzero()[:, 0]
                scores = torch.addmm(nodes.biases[depth][some, None], nodes.vectors[depth][some], self.queries[depth](states).T)
                counted = branches.counted(depth)
                total[some] += _log_softmax(scores, several, None if counted is None else counted[some, None])
        return total

    def beam(
        self, states: Float[Tensor, "B D"], nodes: Nodes, branches: Branches, width: int
    ) -> tuple[Int64[Tensor, "B W"], Float[Tensor, "B W"]]:
        """Items and log-probabilities of the leaves that are reached when the `width` best prefixes are kept at each depth, best first.

        Item 0 and -inf where fewer are reached.
        """
        b = len(states)
        kept, log_p = torch.zeros(b, 1, dtype=torch.int64, device=states.device), states.new_zeros(b, 1)
        for depth in range(branches.depths):
            _, _, firsts, counts, _ = branches.at(depth)
            query = self.queries[depth](states)
            places = (log_p > -torch.inf).flatten().nonzero()[:, 0]  # prefixes that there are, in order of their rows
            above = kept.flatten()[places]
            place, node = _children(above, firsts, counts)
            row = places[place] // kept.shape[1]
            scores = (query[row] * nodes.vectors[depth][node]).sum(1) + nodes.biases[depth][node]
            counted = branches.counted(depth)
            counted = None if counted is None else counted[node, None]
            scores = log_p.flatten()[places][place] + _log_softmax(scores[:, None], counts[above], counted)[:, 0]
            n = torch.bincount(row, minlength=b)
            column = torch.arange(len(row), device=row.device) - (n.cumsum(0) - n)[row]
            padded = scores.new_full((b, int(n.max())), -torch.inf).index_put((row, column), scores)
            found = torch.zeros_like(padded, dtype=torch.int64).index_put((row, column), node)
            log_p, best = padded.topk(min(width, padded.shape[1]), dim=1)
            kept = found.gather(1, best)
        return torch.where(log_p > -torch.inf, branches.items[kept], 0), log_p


class CodeNetwork(Network):
    """The shared encoder over an item table of digits, and the decoder."""

    def __init__(self, table: CodeTable, branches: Branches, blocks: Sequence[nn.Module], *, max_len: int, dropout: float) -> None:
        super().__init__(table, blocks, max_len=max_len, dropout=dropout)
        self.table, self.branches = table, branches
        self.decoder = Decoder(table.dim, branches.depths)
        for weight in self.parameters():
            if weight.dim() > 1:
                nn.init.xavier_normal_(weight)
        table.clear_padding()
        self.decoder.clear()


@dataclass
class TIGER:
    """The logarithm of the probability of each item's semantic id after a history: digits are spelled from the first to the last.

    dim, max_len, dropout: of the encoder, which has one block of attention with one head. epochs: at most so many where validation chooses.
    ids_from: what items are alike by; where a log has no item text, text+cooccurrence is cooccurrence. levels: digits before the one that
    tells items with equal ones apart. codes: values of a digit, at most. own_vectors: whether items and nodes of the trie have vectors of
    their own beside those of digits. beam: prefixes that `retrieve` keeps at each depth, more where k items need it.
    ids: how evenly digits are used, and how many items share all but the last. history: losses, validation figures and CPU-seconds by
    epoch, where the model was fitted in this process.
    """

    dim: int = 64
    max_len: int = 50
    dropout: float = 0.4
    epochs: int = 100
    batch_size: int = 128
    learning_rate: float = 0.003
    ids_from: Literal["text", "cooccurrence", "text+cooccurrence"] = "text+cooccurrence"
    levels: int = 3
    codes: int = 256
    own_vectors: bool = True
    beam: int = 50
    seed: int = 0
    items: Vocabulary = field(init=False, repr=False, compare=False)
    ids: IdReport = field(init=False, repr=False, compare=False)
    history: History | None = field(init=False, repr=False, compare=False, default=None)
    fitted_with: Mapping[str, Any] | None = field(init=False, repr=False, compare=False, default=None)
    _best_epoch: int = field(init=False, repr=False, compare=False)
    _network: CodeNetwork = field(init=False, repr=False, compare=False)
    _popularity: Float32[np.ndarray, " N"] = field(init=False, repr=False, compare=False)
    _reader: IdReader | None = field(init=False, repr=False, compare=False, default=None)
    _n_fitted: int = field(init=False, repr=False, compare=False)
    _watch: Watch | None = field(init=False, repr=False, compare=False, default=None)
    _checkpoint: Path | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        lowest = {"codes": 2, "seed": 0}
        for f in ("dim", "max_len", "epochs", "batch_size", "levels", "codes", "beam", "seed"):
            if getattr(self, f) < lowest.get(f, 1):
                raise ConfigError(f"{f} must be at least {lowest.get(f, 1)}, got {getattr(self, f)}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1, got {self.dropout}")
        if not 0 < self.learning_rate < float("inf"):
            raise ConfigError(f"learning_rate must be above 0 and finite, got {self.learning_rate}")
        if self.ids_from not in (allowed := get_args(get_type_hints(type(self))["ids_from"])):
            raise ConfigError(f"ids_from must be one of {', '.join(allowed)}, got {self.ids_from!r}")

    def observed(self, *, watch: Watch | None = None, checkpoint: Path | None = None) -> Self:
        """The same model, whose next `fit` calls `watch` after each epoch and keeps its progress in `checkpoint`."""
        self._watch, self._checkpoint = watch, checkpoint
        return self

    def fit(self, train: SequenceDataset, *, validation: Holdout | None = None, progress: Progress | None = None) -> Self:
        """Give every item an id, then learn to spell the next one; with validation, keep the epoch with the best NDCG@10.

        Probabilities are learned over items with training events. The others then join the trie with the digits that their text gives
        them, and share what was learned about these. Raises ConfigError as `semantic_ids` does, where training diverges, or where the
        validation histories have another vocabulary; DataError where there is nothing to learn.
        """
        if validation is not None and validation.histories.vocabulary != train.vocabulary:
            raise ConfigError(
                f"the validation histories are encoded with a vocabulary of {validation.histories.n_items - 1} items, the training "
                f"sequences with another of {train.n_items - 1}; take both from one split"
            )
        batches = TrainingBatches(train, self.max_len + 1, self.batch_size, next_item)
        ids = semantic_ids(train, ids_from=self.ids_from, levels=self.levels, codes=self.codes, seed=self.seed)
        counts = event_counts(train)
        popularity = np.log1p(counts)
        on = device(os.environ.get("FOOTPATH_DEVICE", "auto"))
        with isolated_seed(self.seed):
            whole = Trie.of(ids.codes, np.arange(1, len(ids)))
            network = self._new_network(ids.codes, ids.sizes, whole).to(on)
            learned = Branches(Trie.of(ids.codes, np.flatnonzero(counts)), whole).to(on)

            def loss(batch: TrainingBatch) -> Tensor:
                batch = batch.to(on)
                states = network.at(batch.inputs, batch.real)
                if not batch.n_real:
                    return states.sum()
                return -network.decoder.log_probabilities(states, batch.targets, network.table, learned).mean()

            history = run_epochs(
                network,
                batches,
                GradientStep(network, loss, learning_rate=self.learning_rate),
                epochs=self.epochs,
                seed=self.seed,
                evaluate=None if validation is None else partial(self._validation_figure, network, popularity, validation),
                early_stop=EarlyStop(_PATIENCE, _MIN_EPOCHS),
                progress=progress,
                watch=self._watch,
                checkpoint=self._checkpoint,
                fingerprint=fingerprint_of(
                    model=type(self).__name__,
                    hyperparameters=hyperparameters(self),
                    data=_digest(train.offsets, train.items, ids.codes),
                    validation=None if validation is None else _digest(validation.histories.items, validation.offsets, validation.items),
                ),
            )
        self.items, self.ids, self.history, self._best_epoch = train.vocabulary, ids.report, history, history.best_epoch
        self.fitted_with = {"device": str(on), "precision": "single", "share_of_events": round(batches.share, 4)}
        self._network, self._popularity = network.to("cpu").eval(), popularity
        self._reader, self._n_fitted = ids.reader, len(ids)
        return self

    def settled(self) -> Self:
        """An unfitted model of the same settings that runs as many epochs as validation found best; raises NotFittedError."""
        if not hasattr(self, "_best_epoch"):
            raise NotFittedError(
                f"{type(self).__name__} is not fitted, so no number of epochs is chosen: call fit(train, validation=...) first"
            )
        return dataclasses.replace(self, epochs=self._best_epoch)

    def score(self, histories: SequenceDataset, request_times: Int64[np.ndarray, " B"] | None = None) -> Float32[np.ndarray, "B N"]:
        """The logarithm of each item's probability; the logarithm of popularity where a history holds no known item."""
        check_histories(self, histories)
        scores = np.empty((len(histories), histories.n_items), np.float32)
        with torch.inference_mode():
            for rows, chunk in self._score_chunks(self._network, self._popularity, histories):
                scores[rows] = chunk.numpy()
        return scores

    def retrieve(
        self, histories: SequenceDataset, k: int, *, request_times: Int64[np.ndarray, " B"] | None = None, exclude_seen: bool = True
    ) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
        """k items by beam search, with the scores that `score` gives them; popular ones where nothing is known.

        The best items are found where all their prefixes are among the `beam` best: a wider beam is more exact. It is widened, for single
        histories, where it holds fewer than k items that may be listed.
        """
        check_histories(self, histories)
        if k < 1:
            raise ConfigError(f"k must be at least 1, got {k}")
        with torch.inference_mode():
            return self._lists(self._network, self._popularity, histories, k, exclude_seen)

    def codes_of_items(self) -> Int64[np.ndarray, "N L"]:
        """The semantic id of every item; row 0, padding, is zero. Raises NotFittedError."""
        if not hasattr(self, "_network"):
            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit(train) before items have ids")
        return self._network.table.codes.numpy().copy()

    def with_items(self, ids: Sequence[str], features: ItemFeatures) -> Self:
        """The same model with further items, which get ids by their text and are reachable at once; nothing is learned.

        Items that were known keep their indexes and their scores: the probability of a new one comes on top of theirs, which sum to 1.
        features: in the order of `ids` after a row 0 of padding, read as the fit read those of its items; digits are random where nothing
        is written. Raises NotFittedError, ConfigError (ids of co-occurrence alone), DataError.
        """
        if not hasattr(self, "_network"):
            raise NotFittedError(f"{type(self).__name__} is not fitted: call fit(train) before it takes in new items")
        if self._reader is None:
            raise ConfigError(
                f"the ids of this {type(self).__name__} are of co-occurrence alone, which new items have none of: "
                "fit it with ids_from=text+cooccurrence or text, on a log with an item table"
            )
        before, codes = self._network.branches, self.codes_of_items()
        vocabulary, n = self.items.extended(ids), len(codes)
        digits = self._reader.digits(features, np.random.default_rng(self.seed))[1:]
        codes = np.concatenate([codes, np.pad(digits, ((0, 0), (0, 1)))])
        fullest = Counter(map(tuple, codes[1:n, :-1].tolist()))  # of each code, how many have it
        for row in codes[n:]:
            row[-1] = fullest[tuple(row[:-1].tolist())]
            fullest[tuple(row[:-1].tolist())] += 1
        trie = Trie.of(codes, np.arange(1, len(codes)))
        after, state = Branches(trie), dict(self.state())
        last = f"table.digits.{self.levels}"
        state[last] = np.pad(state[last], ((0, max(0, int(codes[:, -1].max()) + 1 - len(state[last]))), (0, 0)))
        if "table.weight" in state:
            known, weight = np.arange(1, n), np.zeros((after.n_own, self.dim), np.float32)
            weight[:n] = state["table.weight"][:n]
            for depth in range(after.depths):
                place, was = (branches.at(depth)[4][branches.node_of[known, depth]].numpy() for branches in (after, before))
                weight[place] = state["table.weight"][was]
            state["table.weight"] = weight
        state |= {"table.codes": codes, "popularity": np.pad(self._popularity, (0, len(ids)))}
        extended = type(self)(**hyperparameters(self)).restore(vocabulary, state)
        extended.history, extended.fitted_with = self.history, self.fitted_with
        return extended

    def state(self) -> Mapping[str, np.ndarray]:
        reader = {} if self._reader is None else self._reader.state()
        weights = {name: tensor.numpy() for name, tensor in self._network.state_dict().items() if not name.startswith("items.")}
        counts = {"n_fitted": np.array(self._n_fitted), "best_epoch": np.array(self._best_epoch)}
        return {**weights, **report_arrays(self.ids), **reader, **counts, "popularity": self._popularity}

    def restore(self, items: Vocabulary, state: Mapping[str, np.ndarray]) -> Self:
        """The inverse of `state`; raises RunError where an array is missing or has another shape than these hyper-parameters give it."""
        again = f"restore {type(self).__name__} with the hyper-parameters and the vocabulary that it was fitted with"
        codes = np.array(state["table.codes"]) if "table.codes" in state else np.zeros((0, 0), np.int64)
        sizes = [len(state[name]) for depth in range(codes.shape[1]) if (name := f"table.digits.{depth}") in state]
        if len(codes) != len(items) or len(sizes) != self.levels + 1 or (codes < 0).any() or (codes >= np.array(sizes)).any():
            raise RunError(
                f"semantic ids of {len(items) - 1} items with {self.levels + 1} digits were expected, got {codes.shape}; {again}"
            )
        try:
            trie = Trie.of(codes, np.arange(1, len(codes)))
        except ValueError as error:
            raise RunError(f"the semantic ids do not belong together: {error}; {again}") from error
        with isolated_seed(self.seed):
            network = self._new_network(codes, sizes, trie, int(state.get("n_fitted", len(codes))))
        expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items() if not name.startswith("items.")}
        expected |= {"popularity": (len(items),), "best_epoch": (), "report": (5,), "report.levels": (self.levels, 5)}
        for name, shape in expected.items():
            found = state[name].shape if name in state else None
            if found != shape:
                raise RunError(f"weights: {name} must have shape {shape}, got {found}; {again}")
        weights = {name: torch.from_numpy(np.array(state[name.replace("items.", "table.", 1)])) for name in network.state_dict()}
        network.load_state_dict(weights)
        self.items, self.ids, self._best_epoch = items, report_of(state), int(state["best_epoch"])
        self._reader, self._n_fitted = IdReader.restored(state), int(state.get("n_fitted", len(codes)))
        self._network, self._popularity = network.eval(), np.array(state["popularity"])
        return self

    def _new_network(self, codes: Int64[np.ndarray, "N L"], sizes: Sequence[int], trie: Trie, n_fitted: int | None = None) -> CodeNetwork:
        branches = Branches(trie, n_fitted=n_fitted)
        return CodeNetwork(
            CodeTable(torch.from_numpy(codes), sizes, self.dim, branches.n_own if self.own_vectors else 0),
            branches,
            [AttentionBlock(self.dim, 1, self.dropout)],
            max_len=self.max_len,
            dropout=self.dropout,
        )

    def _score_chunks(
        self, network: CodeNetwork, popularity: Float32[np.ndarray, " N"], histories: SequenceDataset, times: object = None
    ) -> ScoreChunks:
        at_once = max(1, min(_HISTORIES_AT_ONCE, _SCORES_AT_ONCE // histories.n_items))
        unknown = np.flatnonzero(without_known_items(histories))
        for start in range(0, len(unknown), at_once):
            rows = unknown[start : start + at_once]
            yield rows, torch.from_numpy(np.tile(popularity, (len(rows), 1)))
        nodes = network.decoder.nodes(network.table, network.branches)
        for rows, states in self._state_chunks(network, histories, at_once):
            scores = torch.zeros(len(rows), histories.n_items)
            scores[:, network.branches.items.cpu()] = network.decoder.all_items(states, nodes, network.branches).T.cpu()
            yield rows, scores

    def _state_chunks(
        self, network: CodeNetwork, histories: SequenceDataset, at_once: int
    ) -> Iterator[tuple[Int64[np.ndarray, " C"], Float[Tensor, "C D"]]]:
        """Rows of the histories in which something is known, and their states."""
        on = network.table.device
        for batch in history_batches(histories, max_len=self.max_len, batch_size=at_once):
            yield batch.rows, network.at(batch.inputs.to(on), batch.last.to(on))

    def _lists(
        self, network: CodeNetwork, popularity: Float32[np.ndarray, " N"], histories: SequenceDataset, k: int, exclude_seen: bool
    ) -> tuple[Int32[np.ndarray, "B K"], Float32[np.ndarray, "B K"]]:
        indexes = np.zeros((len(histories), k), np.int32)
        scores = np.full((len(histories), k), -np.inf, np.float32)
        if (unknown := without_known_items(histories)).any():
            listed = popularity[None].copy()
            listed[0, 0] = -np.inf
            best, values = top_k(listed, k)
            indexes[unknown, : best.shape[1]], scores[unknown, : best.shape[1]] = best, values
        nodes = network.decoder.nodes(network.table, network.branches)
        n_items = histories.n_items - 1
        width = min(n_items, max(self.beam, k))
        for rows, states in self._state_chunks(network, histories, max(1, min(_HISTORIES_AT_ONCE, _BRANCHES_AT_ONCE // width))):
            asked, wide = np.arange(len(rows)), width
            while len(asked):
                found, log_p = network.decoder.beam(states[asked], nodes, network.branches, wide)
                best, values, enough = _unseen(found.cpu().numpy(), log_p.cpu().numpy(), histories.take(rows[asked]), k, exclude_seen)
                done = enough | (wide >= n_items)
                indexes[rows[asked[done]], : best.shape[1]], scores[rows[asked[done]], : best.shape[1]] = best[done], values[done]
                asked, wide = asked[~done], min(n_items, 4 * wide)
        return indexes, scores

    def _list_chunks(
        self, network: CodeNetwork, popularity: Float32[np.ndarray, " N"], exclude_seen: bool, histories: SequenceDataset, times: object
    ) -> ListChunks:
        yield np.arange(len(histories)), self._lists(network, popularity, histories, VALIDATION_K, exclude_seen)[0]

    def _validation_figure(self, network: CodeNetwork, popularity: Float32[np.ndarray, " N"], validation: Holdout) -> float:
        if validation.histories.n_items > RETRIEVE_FROM:
            lists = partial(self._list_chunks, network, popularity, not asks_for_seen(validation))
            return ndcg_of_lists(validation, own_chunks(validation, lists, asked=True))
        return validation_ndcg(validation, own_chunks(validation, partial(self._score_chunks, network, popularity), asked=True))


def _children(
    parents: Int64[Tensor, " t"], firsts: Int64[Tensor, " p"], counts: Int64[Tensor, " p"]
) -> tuple[Int64[Tensor, " c"], Int64[Tensor, " c"]]:
    """The children of each of these nodes, one after another: whose child, by its place among the parents, and which node."""
    n = counts[parents]
    of = torch.arange(len(parents), device=parents.device).repeat_interleave(n)
    return of, torch.arange(len(of), device=of.device) + (firsts[parents] - (n.cumsum(0) - n))[of]


def _log_softmax(
    scores: Float[Tensor, "c B"], counts: Int64[Tensor, " p"], counted: Float[Tensor, "c 1"] | None = None
) -> Float[Tensor, "c B"]:
    """Over rows that have one parent: the first `counts[0]`, then the next `counts[1]`, ...; the scores are written to.

    counted: 0 for rows that have no part in the sums; some row of each parent has.
    """
    among = scores if counted is None else scores.masked_fill(counted == 0, -torch.inf)
    scores -= torch.segment_reduce(among, "max", lengths=counts, axis=0).repeat_interleave(counts, 0)
    powers = scores.exp() if counted is None else scores.masked_fill(counted == 0, -torch.inf).exp()
    return scores.sub_(torch.segment_reduce(powers, "sum", lengths=counts, axis=0).log_().repeat_interleave(counts, 0))


def _unseen(
    found: Int64[np.ndarray, "C W"], values: Float32[np.ndarray, "C W"], histories: SequenceDataset, k: int, exclude_seen: bool
) -> tuple[Int32[np.ndarray, "C K"], Float32[np.ndarray, "C K"], Bool[np.ndarray, " C"]]:
    """The first k of each list, without items of the history where they are to be out, and which lists hold as many; else 0 and -inf."""
    out = found == 0
    if exclude_seen:
        n = histories.n_items
        seen = np.unique(histories.rows * np.int64(n) + histories.items)
        keys = np.arange(len(found))[:, None] * n + found
        out |= seen[np.minimum(np.searchsorted(seen, keys), len(seen) - 1)] == keys
    order = np.argsort(out, axis=1, kind="stable")[:, :k]
    left = np.take_along_axis(out, order, 1)
    best = np.where(left, 0, np.take_along_axis(found, order, 1)).astype(np.int32)
    of_best = np.where(left, -np.inf, np.take_along_axis(values, order, 1)).astype(np.float32)
    return best, of_best, (~out).sum(axis=1) >= k


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:16]
