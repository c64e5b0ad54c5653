"""Trees from links, by hand: directions follow from all traces together."""

from __future__ import annotations

from whosenet.lineage.links import Link
from whosenet.lineage.traces import LOSS, REFILLED, Trace
from whosenet.lineage.tree import families, tree


def link(a: int, b: int, distance: float, *odds: float, word: str = "t", moved: bool = False) -> Link:
    return Link(a, b, distance, -50.0, (), tuple(Trace(word, "t", o) for o in odds), moved)


def test_a_loss_decides_an_edge() -> None:
    (edge,) = tree([0, 1], [link(0, 1, 0.1, -LOSS)])
    assert (edge.parent, edge.child, edge.decided) == (1, 0, True)


def test_nothing_decides_nothing() -> None:
    (edge,) = tree([0, 1], [link(0, 1, 0.1)])
    assert edge.probability == 0.5 and not edge.decided


def test_a_weak_trace_alone_is_not_enough() -> None:
    edges = tree([0, 1, 2], [link(0, 1, 0.1, REFILLED), link(0, 2, 0.1, REFILLED), link(1, 2, 0.2)])
    assert all(e.parent == 0 and 0.8 < e.probability < 0.9 and not e.decided for e in edges)


def test_weak_traces_along_a_chain_add_up() -> None:
    edges = tree([0, 1, 2], [link(0, 1, 0.1, REFILLED), link(1, 2, 0.1, REFILLED), link(0, 2, 0.2)])
    assert {(e.parent, e.child): e.decided for e in edges} == {(0, 1): False, (1, 2): True}


def test_a_decided_edge_tells_the_direction_of_those_below_it() -> None:
    edges = tree([0, 1, 2], [link(0, 1, 0.1, LOSS), link(1, 2, 0.1), link(0, 2, 0.2)])
    assert {(e.parent, e.child) for e in edges} == {(0, 1), (1, 2)} and all(e.decided for e in edges)


def test_an_edge_to_a_possible_root_stays_open() -> None:
    edges = tree([0, 1, 2], [link(0, 1, 0.1, LOSS), link(0, 2, 0.1), link(1, 2, 0.2)])
    assert {(e.link.a, e.link.b): e.decided for e in edges} == {(0, 1): True, (0, 2): False}


def test_losses_on_both_sides_are_siblings() -> None:
    (edge,) = tree([0, 1], [link(0, 1, 0.1, LOSS, -LOSS, 2.0)])
    assert edge.link.siblings and edge.link.odds == 0 and not edge.decided


def test_the_same_numbers_do_not_tell() -> None:
    edges = tree([0, 1, 2], [link(0, 1, 0.1, LOSS), link(1, 2, 0.0), link(0, 2, 0.1, LOSS)])
    assert {e.child: e.decided for e in edges} == {1: True, 2: False}


def test_families_are_what_is_connected() -> None:
    assert families(5, [link(0, 3, 0.1), link(3, 4, 0.2)]) == [[0, 3, 4], [1], [2]]


def test_an_adapter_hangs_on_the_model_it_differs_from_by_low_rank() -> None:
    links = [link(0, 1, 0.02), link(1, 2, 0.03), link(0, 2, 0.04, 0.0, word="lora")]
    assert {(e.link.a, e.link.b) for e in tree([0, 1, 2], links)} == {(0, 1), (0, 2)}


def test_a_pruned_model_has_one_parent_the_nearest() -> None:
    links = [link(0, 1, 0.1), link(1, 2, 0.2, LOSS, word="pruned"), link(0, 2, 0.3, LOSS, word="pruned")]
    assert {(e.link.a, e.link.b) for e in tree([0, 1, 2], links)} == {(0, 1), (1, 2)}


def test_what_stands_in_place_comes_before_what_was_moved() -> None:
    links = [link(0, 1, 0.3), link(1, 2, 0.0, moved=True), link(0, 2, 0.1, moved=True)]
    assert {(e.link.a, e.link.b) for e in tree([0, 1, 2], links)} == {(0, 1), (1, 2)}


def test_two_that_were_trained_as_long_are_siblings() -> None:
    links = [link(0, 1, 0.2, LOSS), link(0, 2, 0.2, LOSS), link(1, 2, 0.1, 0.0, word="level")]
    assert {(e.parent, e.child) for e in tree([0, 1, 2], links)} == {(0, 1), (0, 2)}
    (edge,) = tree([1, 2], links)
    assert edge.link.siblings and not edge.decided
