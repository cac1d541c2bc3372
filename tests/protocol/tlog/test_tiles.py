# SPDX-License-Identifier: Apache-2.0
"""Tiles, entry bundles and the right edge: paths of others, logs of others, and a log grown in all ways."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import LocalProtocolError, MalformedError, RemoteProtocolError, UntrustedError
from protocol.tlog import merkle
from protocol.tlog.bundles import (
    MAX_BUNDLE_BYTES,
    MAX_ENTRY_BYTES,
    BundleName,
    bundles_for,
    parse_bundle,
    parse_bundle_path,
    verify_bundle,
    write_bundle,
)
from protocol.tlog.checkpoint import parse_checkpoint
from protocol.tlog.note import parse_note
from protocol.tlog.tiles import (
    TileCache,
    TiledTree,
    TileEdge,
    TileName,
    edge_at,
    parse_tile_path,
    tiles_for_consistency,
    tiles_for_inclusion,
    tiles_for_root,
    width_in,
)
from tests.support.trees import KeptTiles, numbered_leaves
from tests.support.vectors import vector_json, vector_path

SIZE = 70_000
LEAVES = numbered_leaves(SIZE)
SIZES = st.integers(1, SIZE) | st.sampled_from([1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_792, SIZE])


def grown(leaves: Sequence[bytes], *cuts: int) -> tuple[TileEdge, dict[TileName, bytes]]:
    """Append in pieces; keep full tiles, and the partial ones of the last size."""
    edge, tiles = TileEdge(), dict[TileName, bytes]()
    for start, end in zip((0, *cuts), (*cuts, len(leaves)), strict=True):
        step = edge.append(leaves[start:end])
        assert not set(tiles) & {name for name, _ in step.full_tiles}
        tiles.update(step.full_tiles)
        edge = step.edge
    tiles.update(edge.partial_tiles())
    return edge, tiles


EDGE, TILES = grown(LEAVES)
TREE = TiledTree(SIZE, KeptTiles(TILES))


def tiles_at(size: int) -> KeptTiles:
    """The tiles a log of a size keeps, cut from those of the large one."""
    kept = {}
    for name, data in TILES.items():
        width = width_in(size, name.level, name.index)
        if width:
            kept[TileName(name.level, name.index, width)] = data[: width * 32]
    return KeptTiles(kept)


def test_the_tiles_of_the_example_in_the_specification() -> None:
    widths = sorted((name.level, name.width) for name in TILES if name.width < 256)
    assert widths == [(0, 112), (1, 17), (2, 1)]
    assert sorted(name.level for name in TILES if name.width == 256) == [0] * 273 + [1]
    assert {name.width for name in grown(LEAVES[:256])[1] if name.level == 1} == {1}
    assert all(len(data) == 32 * name.width for name, data in TILES.items())


@settings(max_examples=30)
@given(st.lists(st.integers(0, 1500), max_size=4), st.integers(0, 1500))
def test_an_edge_grows_the_same_in_any_steps(cuts: list[int], size: int) -> None:
    edge, tiles = grown(LEAVES[:size], *sorted(min(cut, size) for cut in cuts))
    assert (edge, tiles) == grown(LEAVES[:size])
    assert edge.frontier.root() == merkle.root_of(LEAVES[:size])
    assert edge_at(size, KeptTiles(tiles)) == edge
    assert tiles == tiles_at(size).tiles


@settings(max_examples=50)
@given(st.data(), SIZES)
def test_proofs_need_the_tiles_that_were_named_and_no_others(data: st.DataObject, size: int) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    root, old_root = TREE.root_at(size), TREE.root_at(old)
    for names, prove in (
        (tiles_for_inclusion(index, size), lambda tree: tree.inclusion(index, size)),
        (tiles_for_consistency(old, size), lambda tree: tree.consistency(old, size)),
        (tiles_for_root(size), lambda tree: [tree.root()]),
    ):
        kept = tiles_at(size)
        prove(TiledTree(size, kept))
        assert sorted(kept.read) == list(names)
        assert all(name.is_in(size) for name in names)
    inclusion, consistency = TREE.inclusion(index, size), TREE.consistency(old, size)
    merkle.verify_inclusion(LEAVES[index], index, size=size, proof=inclusion, root=root)
    merkle.verify_consistency(old, size, proof=consistency, old_root=old_root, new_root=root)


@settings(max_examples=20)
@given(SIZES)
def test_the_root_at_any_size_is_that_of_the_leaves(size: int) -> None:
    assert TREE.root_at(size) == merkle.root_of(LEAVES[:size])
    TiledTree(size, tiles_at(size)).verify_root(merkle.root_of(LEAVES[:size]))


def test_a_changed_tile_gives_another_root_or_a_proof_that_does_not_hold() -> None:
    name = TileName(0, 1)
    changed = bytearray(TILES[name])
    changed[0] ^= 1
    tree = TiledTree(SIZE, KeptTiles(TILES | {name: bytes(changed)}))
    with pytest.raises(UntrustedError):
        merkle.verify_inclusion(
            LEAVES[300], 300, size=SIZE, proof=tree.inclusion(300, SIZE), root=EDGE.frontier.root()
        )
    edge_tile = max(name for name in TILES if name.level == 0)
    tree = TiledTree(SIZE, KeptTiles(TILES | {edge_tile: bytes(len(TILES[edge_tile]))}))
    with pytest.raises(UntrustedError):
        tree.verify_root(EDGE.frontier.root())


def test_a_tile_of_the_wrong_length_is_malformed() -> None:
    for data in (b"", TILES[TileName(0, 0)][:-1], TILES[TileName(0, 0)] + bytes(32)):
        with pytest.raises(MalformedError):
            TiledTree(SIZE, KeptTiles({TileName(0, 0): data})).node(0, 0)


def test_what_a_tree_does_not_have_is_not_asked_for() -> None:
    small = TiledTree(300, tiles_at(300))
    for level, index in ((0, 300), (8, 1), (9, 0)):
        with pytest.raises(LocalProtocolError):
            small.node(level, index)
    with pytest.raises(LocalProtocolError):
        small.root_at(301)
    with pytest.raises(LocalProtocolError):
        TiledTree(-1, tiles_at(1))
    assert tiles_for_root(0) == ()
    assert TiledTree(0, KeptTiles({})).root() == merkle.EMPTY_ROOT
    assert not TileName(0, 1, 45).is_in(300)
    assert TileName(0, 1, 44).is_in(300)
    assert not TileName(2, 0, 1).is_in(65_535)
    assert [TileName(0, 1).end, TileName(1, 0).end] == [512, 65_536]


def test_a_cache_serves_all_sizes_and_stays_small() -> None:
    cache, kept = TileCache(limit=2), KeptTiles(TILES)
    for index in (0, 0, 300, 0, 600, 300):
        TiledTree(SIZE, kept, cache).node(0, index)
    assert [name.index for name in kept.read] == [0, 1, 2, 1]


@pytest.mark.vectors
def test_paths_of_another_implementation() -> None:
    """There a tile may have another height; the paths of C2SP leave it out, and it is always 8."""
    judged = 0
    for path, place in vector_json("translog/golang-note/tile-paths.json")["paths"]:
        _, rest = path.removeprefix("tile/").split("/", 1)
        ours = "tile/" + rest.replace("data", "entries", 1)
        if place is None:
            with pytest.raises(MalformedError):
                parse_tile_path(ours)
            judged += 1
            continue
        _, level, index, width = place
        width = width if ".p/" in path else 256
        found = parse_bundle_path(ours) if level < 0 else parse_tile_path(ours)
        assert found == (BundleName(index, width) if level < 0 else TileName(level, index, width))
        assert found.to_path() == ours
        judged += 1
    assert judged == 8


@given(st.integers(0, 63), st.integers(0, merkle.MAX_SIZE), st.integers(1, 256))
def test_paths_come_back(level: int, index: int, width: int) -> None:
    tile, bundle = TileName(level, index, width), BundleName(index, width)
    assert parse_tile_path(tile.to_path()) == tile
    assert parse_bundle_path(bundle.to_path()) == bundle


def test_the_path_of_the_specification() -> None:
    assert TileName(0, 1_234_067).to_path() == "tile/0/x001/x234/067"
    assert BundleName(0, 7).to_path() == "tile/entries/000.p/7"


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "0/00",
        "0/0000",
        "0/1000",
        "0/x000/001",
        "0/001/002",
        "0/x001/x002",
        "0/001.p/0",
        "0/001.p/01",
        "0/001.p/256",
        "0/001.p/999",
        "0/001.p/",
        "0/001/",
        "0/001\n",
        "0/../001",
        "0/x009/x223/x372/x036/x854/x775/808",
        "00/001",
        "64/001",
        "-1/001",
        "+1/001",
        "\u0661/001",
        "0/\u0660\u0660\u0661",
    ],
)
def test_almost_a_path_is_malformed(rest: str) -> None:
    with pytest.raises(MalformedError):
        parse_tile_path(f"tile/{rest}")
    if rest.startswith("0/"):
        with pytest.raises(MalformedError):
            parse_bundle_path(f"tile/entries{rest[1:]}")


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_malformed(text: str) -> None:
    with pytest.raises(MalformedError):
        parse_tile_path(text)
    with pytest.raises(MalformedError):
        parse_bundle_path(text)


def test_names_that_no_tile_has_are_not_written() -> None:
    for tile in (TileName(0, -1), TileName(0, 1 << 63), TileName(0, 0, 0), TileName(0, 0, 257)):
        with pytest.raises(LocalProtocolError):
            tile.to_path()


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_bundles_come_back(entries: list[bytes]) -> None:
    data = write_bundle(entries)
    assert parse_bundle(data, len(entries)) == tuple(entries)
    tile = b"".join(merkle.leaf_hash(entry) for entry in entries)
    verify_bundle(entries, tile)
    for wrong in (tile[:-32], tile + tile[:32], bytes(len(tile))):
        with pytest.raises(UntrustedError):
            verify_bundle(entries, wrong)
    for width in (len(entries) - 1, len(entries) + 1):
        with pytest.raises(MalformedError):
            parse_bundle(data, width)
    with pytest.raises(MalformedError):
        parse_bundle(data[:-1], len(entries))


@given(st.binary(max_size=300), st.integers(0, 256))
def test_any_bytes_are_a_bundle_or_malformed(data: bytes, width: int) -> None:
    try:
        entries = parse_bundle(data, width)
    except RemoteProtocolError:
        return
    assert (write_bundle(entries) if entries else b"") == data


def test_bounds_of_bundles() -> None:
    assert len(parse_bundle(write_bundle([b""] * 256), 256)) == 256
    longest = write_bundle([bytes(MAX_ENTRY_BYTES)])
    assert parse_bundle(longest, 1) == (bytes(MAX_ENTRY_BYTES),)
    for entries in ([], [b""] * 257, [bytes(MAX_ENTRY_BYTES + 1)]):
        with pytest.raises(LocalProtocolError):
            write_bundle(entries)
    with pytest.raises(MalformedError):
        parse_bundle(bytes(MAX_BUNDLE_BYTES + 1), 256)
    assert bundles_for(0, 0, 300) == bundles_for(5, 5, 300) == ()
    assert bundles_for(255, 257, 300) == (BundleName(0), BundleName(1, 44))
    assert bundles_for(256, 300, 300) == (BundleName(1, 44),)
    assert BundleName(1, 44).start == 256
    assert BundleName(1, 44).is_in(300)
    assert not BundleName(1, 45).is_in(300)
    for start, end in ((-1, 3), (3, 2), (0, 301)):
        with pytest.raises(LocalProtocolError):
            bundles_for(start, end, 300)


@pytest.mark.vectors
def test_a_whole_small_log_of_another_implementation() -> None:
    folder = vector_path("translog/tessera-log")
    edge = TileEdge()
    for size in range(1, 16):
        tile, bundle = TileName(0, 0, size), BundleName(0, size)
        entries = parse_bundle((folder / bundle.to_path()).read_bytes(), size)
        verify_bundle(entries, (folder / tile.to_path()).read_bytes())
        edge = edge.append([merkle.leaf_hash(entries[-1])]).edge
        assert edge.partial_tiles() == [(tile, (folder / tile.to_path()).read_bytes())]
        assert write_bundle(entries) == (folder / bundle.to_path()).read_bytes()
        checkpoint = parse_checkpoint(parse_note((folder / f"checkpoint.{size}").read_bytes()).text)
        assert (checkpoint.size, checkpoint.root) == (size, edge.frontier.root())
    empty = parse_checkpoint(parse_note((folder / "checkpoint.0").read_bytes()).text)
    assert (empty.size, empty.root) == (0, TileEdge().frontier.root())


@pytest.mark.vectors
def test_tiles_of_a_mirror_give_the_cosigned_root() -> None:
    place = "witness/mirror/000de184301123b9278c086a7d9f68c9577e83872224c197058fd90784ea9706"
    folder = vector_path(f"translog/sunlight/{place}")
    names = [TileName(0, 0), TileName(0, 1, 44), TileName(1, 0, 1)]
    tiles = {name: (folder / name.to_path()).read_bytes() for name in names}
    checkpoint = parse_checkpoint(parse_note((folder / "checkpoint").read_bytes()).text)
    tree = TiledTree(checkpoint.size, KeptTiles(tiles))
    tree.verify_root(checkpoint.root)
    data = tiles[names[0]] + tiles[names[1]]
    leaves = [data[at : at + 32] for at in range(0, len(data), 32)]
    edge, ours = grown(leaves, 1, 255, 257)
    assert ours == tiles
    assert edge.frontier.root() == checkpoint.root


@pytest.mark.vectors
def test_tiles_of_a_real_log_prove_what_is_in_them() -> None:
    """There is no checkpoint with them, so the root is the one that we compute from all leaves."""
    folder = vector_path("translog/sunlight/navigli2025h2")
    full = {name: (folder / name.to_path()).read_bytes() for name in map(TileName, [0] * 4, range(4))}
    partial = TileName(0, 3, 10)
    assert full[TileName(0, 3)].startswith((folder / partial.to_path()).read_bytes())
    data = b"".join(full.values())
    leaves = [data[at : at + 32] for at in range(0, len(data), 32)]
    edge, tiles = grown(leaves)
    assert {name: tiles[name] for name in full} == full
    tree = TiledTree(len(leaves), KeptTiles(tiles))
    assert tree.root() == edge.frontier.root() == merkle.root_of(leaves)
    for index in (0, 255, 256, len(leaves) - 1):
        proof = tree.inclusion(index, len(leaves))
        merkle.verify_inclusion(leaves[index], index, size=len(leaves), proof=proof, root=tree.root())
