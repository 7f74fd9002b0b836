from __future__ import annotations

import copy
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from footpath.errors import ConfigError
from footpath.models import item_table
from footpath.models.item_table import ItemTable, Parts, rows_of
from footpath.models.item_text import text_vectors, whiten
from footpath.sequences.dataset import ItemFeatures
from footpath.training.adamw import AdamW
from footpath.training.losses import sampled_softmax_loss, softmax_loss

N, V, D = 12, 5, 4
ALL: tuple[Parts, ...] = get_args(Parts)
WITH_TEXT = [parts for parts in ALL if "text" in parts]
every = pytest.mark.parametrize("parts", ALL)
every_with_text = pytest.mark.parametrize("parts", WITH_TEXT)


def described(n: int = N) -> torch.Tensor:
    """Text vectors; item 3 has none, and row 0 holds what must not be read."""
    text = torch.randn(n, V, generator=torch.Generator().manual_seed(0))
    text[3] = 0
    return text


def made(parts: Parts, *, seed: int = 0) -> ItemTable:
    """A table that has been trained for a while: delta is no longer zero."""
    torch.manual_seed(seed)
    table = ItemTable(N, D, parts=parts, text=described())
    with torch.no_grad():
        if table.delta is not None:
            table.delta[1:] = torch.randn(N - 1, D)
    return table


def by_formula(table: ItemTable) -> np.ndarray:
    arrays = {name: tensor.numpy().astype(np.float64) for name, tensor in table.state_dict().items()}
    expected = np.zeros((N, D))
    for i in range(1, N):
        if "weight" in arrays:
            expected[i] += arrays["weight"][i]
        if "text" in arrays:
            expected[i] += arrays["project.weight"] @ arrays["text"][i]
        if "delta" in arrays:
            expected[i] += arrays["delta"][i]
    return expected


def gradients(table: ItemTable) -> dict[str, torch.Tensor]:
    return {name: parameter.grad.to_dense() for name, parameter in table.named_parameters() if parameter.grad is not None}


@pytest.fixture
def projections(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows of text each projection turned."""
    rows: list[int] = []

    class Counted(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            rows.append(len(input))
            return super().forward(input)

    monkeypatch.setattr(item_table.nn, "Linear", Counted)
    return rows


@every
def test_the_table_is_the_sum_of_its_parts(parts: Parts) -> None:
    table = made(parts)
    expected = by_formula(table)
    assert np.abs(expected[1:3]).min() > 0
    np.testing.assert_allclose(table.table().detach().numpy(), expected, atol=1e-6)
    with torch.no_grad():
        np.testing.assert_allclose(table.eval().table().numpy(), expected, atol=1e-6)


@every
@pytest.mark.parametrize("training", [True, False])
@settings(deadline=None, max_examples=30)  # the first comparison imports for seconds
@given(indexes=st.lists(st.integers(0, N - 1), max_size=20))
def test_rows_and_lookups_are_rows_of_the_table(parts: Parts, training: bool, indexes: list[int]) -> None:
    table = made(parts).train(training)
    items = torch.tensor(indexes, dtype=torch.int64)
    for graph in (True, False):
        with torch.set_grad_enabled(graph):
            whole = table.table()
            torch.testing.assert_close(table.rows(items), whole[items])
            pairs = items.repeat(2).view(2, -1)
            torch.testing.assert_close(table(pairs), whole[pairs])


@every
@pytest.mark.parametrize("sparse", [True, False])
def test_gradients_of_rows_equal_those_of_the_whole_table(parts: Parts, sparse: bool) -> None:
    items = torch.tensor([5, 0, 2, 5, 3, 0])
    up = torch.randn(len(items), D, generator=torch.Generator().manual_seed(1))
    expected, found = made(parts), made(parts)
    (expected.table()[items] * up).sum().backward()
    (found.rows(items, sparse=sparse) * up).sum().backward()
    for name, gradient in gradients(expected).items():
        torch.testing.assert_close(gradients(found)[name], gradient, atol=1e-6, rtol=1e-5)
    assert set(gradients(found)) == set(gradients(expected)) == {name for name, _ in found.named_parameters()}
    for name, parameter in found.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.is_sparse == (sparse and name != "project.weight")
    for name in {"weight", "delta"} & set(gradients(found)):
        assert gradients(found)[name].any(dim=1).nonzero()[:, 0].tolist() == [2, 3, 5]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(40,), (5, 8), (0,)])
@pytest.mark.parametrize("padding", [True, False])
def test_rows_have_the_gradient_of_an_embedding(padding: bool, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    weight = torch.randn(6, 3, dtype=dtype, requires_grad=True)
    indexes = torch.randint(0, 5, shape)
    drawn = torch.randn(*shape, 3, dtype=dtype)
    (expected,) = torch.autograd.grad((F.embedding(indexes, weight, padding_idx=0 if padding else None) * drawn).sum(), weight)
    (found,) = torch.autograd.grad((rows_of(weight, indexes, padding=padding) * drawn).sum(), weight)
    torch.testing.assert_close(found, expected)


@every
def test_the_attribute_sparse_holds_for_lookups_and_rows(parts: Parts) -> None:
    table, dense = made(parts), made(parts)
    table.sparse = True
    items = torch.tensor([[1, 2, 2], [7, 0, 0]])
    for found in (table, dense):
        (found(items).square().sum() + found.rows(items[0]).sum()).backward()
    for name, gradient in gradients(dense).items():
        torch.testing.assert_close(gradients(table)[name], gradient, atol=1e-6, rtol=1e-5)
    learned = [part for part in (table.weight, table.delta) if part is not None]
    assert all(part.grad is not None and part.grad.is_sparse for part in learned)
    assert not any(parameter.grad.is_sparse for parameter in dense.parameters() if parameter.grad is not None)


@every
def test_row_0_is_zero_after_training_on_any_loss(parts: Parts) -> None:
    table = made(parts)
    optimizer = AdamW(table.parameters(), l2=0.1)
    generator = torch.Generator().manual_seed(0)
    before = table.table().detach().clone()
    losses = (
        lambda states, targets: softmax_loss(states, table.table(), targets),
        lambda states, targets: sampled_softmax_loss(states, table.table(), targets, torch.tensor([1, 4, 4, 9])),
        lambda states, targets: sampled_softmax_loss(states, table.rows(torch.arange(N)), targets, torch.tensor([0, 4, 9])),
        lambda states, targets: F.cross_entropy(states @ table.table().T, targets),  # which has row 0 among its negatives
    )
    for step in range(12):
        items = torch.randint(0, N, (6, 3), generator=generator)
        targets = torch.randint(1, N, (6,), generator=generator)
        losses[step % len(losses)](table(items).mean(1), targets).backward()
        optimizer.step(0.05)
    after = table.table()
    assert not after[0].any()
    assert not table(torch.zeros(1, 2, dtype=torch.int64)).any()
    assert all(not tensor[0].any() for name, tensor in table.state_dict().items() if name != "project.weight")
    moved = (after - before).abs().amax(dim=1) > 0.01
    assert moved[1:].all() if parts != "text" else moved[1:].sum() == N - 2  # item 3 has no text


def test_ids_alone_hold_one_weight_and_are_not_copied() -> None:
    table = ItemTable(N, D, text=described())
    assert list(table.state_dict()) == ["weight"]
    assert table.weight is not None
    assert table.table().data_ptr() == table.weight.data_ptr()
    with torch.no_grad():
        assert table.eval().table() is table.weight
    torch.testing.assert_close(table(torch.tensor([[1, 2]])), F.embedding(torch.tensor([[1, 2]]), table.weight))


@every_with_text
def test_text_is_turned_once_for_each_item_that_occurs(parts: Parts, projections: list[int]) -> None:
    table = made(parts)
    projections.clear()
    table(torch.tensor([[5, 2, 2, 0], [5, 0, 0, 0]]))
    assert projections == [3]  # 0, 2 and 5


@every_with_text
def test_a_still_table_is_computed_once_until_something_changes(parts: Parts, projections: list[int]) -> None:
    table = made(parts).eval()
    projections.clear()
    with torch.inference_mode():
        first = table.table()
        table(torch.tensor([[1, 2]]))
        table.rows(torch.tensor([3]))
    with torch.no_grad():
        assert table.table() is first
    assert projections == [N]
    assert not first.is_inference()

    def changed_by(change: str) -> bool:
        with torch.no_grad():
            before = table.table().clone()
            match change:
                case "weights":
                    table.load_state_dict({name: tensor * 2 for name, tensor in table.state_dict().items()})
                case "step":
                    for parameter in table.parameters():
                        parameter.mul_(1.5)
                case "hidden":
                    table.hide_untrained(np.arange(N) != 4)
            now = table.table()
        torch.testing.assert_close(now, torch.from_numpy(by_formula(table)).float(), atol=1e-5, rtol=1e-5)
        return not torch.equal(now, before)

    with torch.enable_grad():
        assert table.table().requires_grad
    assert changed_by("weights")
    assert changed_by("step")
    assert changed_by("hidden") == (parts != "text")
    assert table.train()._cached is None


def test_weights_made_in_inference_mode_are_never_answered_from_memory() -> None:
    with torch.inference_mode():
        table = made("id+text").eval()
        before = table.table().clone()
        for parameter in table.parameters():
            parameter.mul_(2)
        torch.testing.assert_close(table.table(), before * 2)


@every
def test_an_untrained_item_is_its_text_alone(parts: Parts) -> None:
    table = made(parts)
    trained = np.ones(N, bool)
    trained[[0, 3, 6]] = False
    before = table.table().detach().clone()
    table.hide_untrained(trained)
    after = table.table().detach()
    text_alone = torch.zeros(N, D) if table.project is None else described() @ table.project.weight.detach().T
    torch.testing.assert_close(after[6], text_alone[6])
    torch.testing.assert_close(after[torch.from_numpy(trained)], before[torch.from_numpy(trained)])
    assert not after[3].any()  # without text
    assert after[6].any() == (parts != "id")


def test_who_was_trained_must_be_said_of_every_item() -> None:
    with pytest.raises(ConfigError, match=r"each of 12 items, padding included, got shape \(11,\)"):
        made("id").hide_untrained(np.ones(N - 1, bool))


@every
def test_a_start_after_any_initialiser_has_parts_of_one_size_and_no_delta(parts: Parts) -> None:
    n = 400
    for seed, run_over_all in ((0, False), (1, True)):
        torch.manual_seed(seed)
        table = ItemTable(n, D, parts=parts, text=described(n) * 30)
        if run_over_all:
            for parameter in table.parameters():
                nn.init.xavier_normal_(parameter)
            table.clear_padding()
        expected = (2 / (n + D)) ** 0.5
        if table.weight is not None:
            assert not table.weight[0].any()
            assert table.weight[1:].std().item() == pytest.approx(expected, rel=0.1)
        if table.project is not None and table.text is not None:
            filled = table.text.any(dim=1)
            assert filled.sum() == n - 2
            size = table.project(table.text[filled]).square().mean().sqrt().item()
            assert size == pytest.approx(expected if table.weight is None else table.weight[1:].square().mean().sqrt().item(), rel=1e-4)
        assert table.delta is None or not table.delta.any()


@every
def test_a_table_is_rebuilt_from_its_state_alone(parts: Parts) -> None:
    table = made(parts)
    state = {name: torch.from_numpy(tensor.numpy().copy()) for name, tensor in table.state_dict().items()}
    again = ItemTable(N, D, parts=parts, text=state.get("text"))
    again.load_state_dict(state)
    assert torch.equal(again.table(), table.table())
    assert torch.equal(copy.deepcopy(table).table(), table.table())


def test_the_table_keeps_its_own_copy_of_the_text() -> None:
    text = described()
    table = ItemTable(N, D, parts="text", text=text)
    text[1:] = 7
    assert table.text is not None
    assert torch.equal(table.text[1:], described()[1:])


@every
def test_the_same_seed_gives_the_same_start(parts: Parts) -> None:
    assert torch.equal(made(parts).table(), made(parts).table())
    assert not torch.equal(made(parts).table(), made(parts, seed=1).table())


def test_a_cold_item_is_near_those_that_its_text_is_near() -> None:
    titles = ["", "红茶 茶壶", "绿茶 茶壶", "手机壳 苹果", "手机壳 华为", "绿茶 茶包"]
    nothing = [""] * 6
    text = torch.from_numpy(whiten(text_vectors(ItemFeatures(titles, nothing, nothing, [()] * 6)), shrinkage=1))
    torch.manual_seed(0)
    table = ItemTable(6, 64, parts="text+delta", text=text)
    table.hide_untrained(np.array([False, True, True, True, True, False]))
    unit = F.normalize(table.table().detach(), dim=1)
    assert (unit[5] @ unit.T).argsort(descending=True)[:2].tolist() == [5, 2]


@every_with_text
@pytest.mark.parametrize("text", [None, torch.zeros(N, V), torch.eye(N, V) * (torch.arange(N) == 0)[:, None], torch.zeros(N, 0)])
def test_a_table_without_any_text_is_refused_with_the_next_step(parts: Parts, text: torch.Tensor | None) -> None:
    with pytest.raises(
        ConfigError, match=rf"an item table of {parts.replace('+', '.')} needs text vectors.*give the log.*or set item_table=id"
    ):
        ItemTable(N, D, parts=parts, text=text)


def test_text_of_another_number_of_items_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"must be 12 rows, padding included, got shape \(11, 5\)"):
        ItemTable(N, D, parts="text", text=torch.ones(N - 1, V))


def test_unknown_parts_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"one of id, text, .*, got 'id\+texts'; did you mean 'id\+text'\?"):
        ItemTable(N, D, parts="id+texts", text=described())  # type: ignore[arg-type]


def test_a_catalogue_of_one_item_has_a_finite_table() -> None:
    for parts in ALL:
        assert ItemTable(2, D, parts=parts, text=torch.ones(2, V)).table().isfinite().all()
