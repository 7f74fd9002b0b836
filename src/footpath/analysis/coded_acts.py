"""The acts of a trail as integer codes in numpy, in order, for work on whole sequences that SQL cannot say."""

from __future__ import annotations

from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int32, Int64

from footpath.analysis.trail import Trail
from footpath.result import Phrase, say
from footpath.statistics import seeded


@dataclass(frozen=True, eq=False)
class CodedActs:
    """Acts by user, oldest first, as compressed rows: those of user u are `offsets[u]:offsets[u + 1]`.

    users: ids, ascending. labels: by the number of acts, most first; code 0 is the most frequent. session: codes over all users,
    ascending in each user by the first act. time: microseconds since 1970 UTC, None without a clock. kinds: the event types, of which
    `kind` holds codes. n_users: of the whole trail, more than `users` where users were drawn. labels_query: the counts of labels.
    """

    users: pa.Array
    labels: list[str]
    kinds: list[str]
    offsets: Int64[np.ndarray, " U1"]
    user: Int32[np.ndarray, " E"]
    session: Int32[np.ndarray, " E"]
    label: Int32[np.ndarray, " E"]
    kind: Int32[np.ndarray, " E"]
    time: Int64[np.ndarray, " E"] | None
    n_users: int
    labels_query: ir.Table

    @property
    def is_sample(self) -> bool:
        return len(self.users) < self.n_users

    @property
    def sampled(self) -> list[Phrase]:
        """A warning where only some users were drawn."""
        if not self.is_sample:
            return []
        return [
            say(
                "computed on {n:,} users drawn at random of {all:,}",
                "基于从 {all:,} 位用户中随机抽取的 {n:,} 位计算",
                n=len(self.users), all=self.n_users,
            )
        ]  # fmt: skip


def code_acts(t: Trail, *, max_acts: int = 2_000_000, seed: int = 0) -> CodedActs:
    """The acts of all users, or of users drawn at random until they have max_acts acts; one user at least."""

    def per_user(acts: ir.Table) -> ir.Table:
        return acts.group_by("user_id").agg(n=acts.count())

    def per_label(acts: ir.Table) -> ir.Table:
        return acts.group_by("label").agg(n=acts.count(), n_users=acts.user_id.nunique())

    counted = t.compute(per_user)[0].sort_by("user_id")
    users = counted["user_id"].combine_chunks().cast(pa.string())
    n_users, sizes = len(users), counted["n"].to_numpy()
    if sizes.sum() > max_acts:
        drawn = seeded(seed).permutation(n_users)
        kept = max(1, int(np.searchsorted(np.cumsum(sizes[drawn]), max_acts, side="right")))
        users = users.take(pa.array(np.sort(drawn[:kept])))
    found, query = t.compute(per_label)
    labels = [row["label"] for row in sorted(found.to_pylist(), key=lambda row: (-row["n"], row["label"]))]
    kinds = sorted(t.types)
    columns = _columns(t, users, pa.array(labels, pa.string()), pa.array(kinds, pa.string()))
    order = np.lexsort((columns["position"], columns["user"]))
    user = columns["user"][order]
    # of interleaved sessions each gets one code, in the order of their numbers within the user
    both = (user.astype(np.int64) << 32) | columns["session"][order]
    session = np.unique(both, return_inverse=True)[1].astype(np.int32)
    offsets = np.zeros(len(users) + 1, np.int64)
    np.cumsum(np.bincount(user, minlength=len(users)), out=offsets[1:])
    time = columns["time"][order] if t.log.has_clock else None
    return CodedActs(
        users, labels, kinds, offsets, user, session, columns["label"][order], columns["kind"][order], time, n_users, query
    )  # fmt: skip


def _columns(t: Trail, users: pa.Array, labels: pa.Array, kinds: pa.Array) -> dict[str, np.ndarray]:
    """What is kept of every act of these users, batch by batch, so that no more strings are held than those of a batch."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("user", "position", "session", "label", "kind", "time")}
    rows = t.acts.select("user_id", "position", "session", "label", "event_type", "timestamp")
    for batch in rows.to_pyarrow_batches():
        user = pc.index_in(batch["user_id"].cast(pa.string()), value_set=users)
        known = user.is_valid()
        parts["user"].append(user.filter(known).to_numpy(zero_copy_only=False).astype(np.int32))
        for name, column, values in (("label", "label", labels), ("kind", "event_type", kinds)):
            codes = pc.index_in(batch[column].cast(pa.string()), value_set=values)
            parts[name].append(codes.filter(known).to_numpy(zero_copy_only=False).astype(np.int32))
        for name in ("position", "session"):
            parts[name].append(batch[name].filter(known).to_numpy(zero_copy_only=False).astype(np.int64))
        if t.log.has_clock:
            moments = batch["timestamp"].filter(known).cast(pa.timestamp("us")).cast(pa.int64())
            parts["time"].append(moments.to_numpy(zero_copy_only=False))
    return {name: np.concatenate(found) if found else np.zeros(0, np.int64) for name, found in parts.items()}
