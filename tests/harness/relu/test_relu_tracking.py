"""Diagnostics recorded during training, against the same quantities worked out without the package."""

import math
import re
import tomllib

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

import fefreq
import harness
from fefreq.support.progress import NullProgress
from harness.relu import (
    Every,
    Recording,
    ReluNetwork,
    Schedule,
    default_frequencies,
    regions_along,
    relu_network,
    track,
)
from harness.relu import tracker as tracker_module
from harness.relu.probes import CHORDS_PER_TURN
from harness.relu.tracker import Tracker

DIAGNOSTICS = ["hamming", "confusion", "patterns", "regions", "width", "dead", "norms", "angles", "in_sphere"]
ALL = {name: [0, 6] for name in DIAGNOSTICS}


def wave(x: np.ndarray) -> np.ndarray:
    return np.sin(2 * np.pi * 3 * x[:, 0]) + 0.5 * np.cos(2 * np.pi * 5 * x[:, 0])


@pytest.fixture(scope="module")
def target() -> fefreq.Target:
    return fefreq.Target.from_function(wave, [(0, 1)], 96)


@pytest.fixture(scope="module")
def image() -> fefreq.Target:
    x, y = np.meshgrid(np.linspace(0, 1, 12), np.linspace(0, 1, 12), indexing="ij")
    return fefreq.Target.from_grid(np.stack([x * y, np.sin(5 * x), y**2], axis=-1), [(0, 1), (0, 1)])


def plain(seed: int) -> nn.Sequential:
    return relu_network(1, 16, 2, seed=seed)


def encoded(seed: int) -> nn.Sequential:
    return relu_network(1, 16, 2, octaves=3, seed=seed)


def units_on(network: nn.Sequential, inputs: np.ndarray) -> np.ndarray:
    """Signs of all pre-activations, read off the modules themselves."""
    a, rows = torch.tensor(inputs, dtype=torch.float32), []
    for module in network:
        if isinstance(module, nn.ReLU):
            rows.append((a > 0).numpy())
        with torch.no_grad():
            a = module(a)
    return np.concatenate(rows, axis=1)


# Schedules


def test_a_schedule_can_stand_in_a_file() -> None:
    schedule = Schedule.model_validate(tomllib.loads("hamming = { every = 25 }\ndead = [0, 50, 500]"))
    assert schedule.hamming == Every(every=25)
    assert schedule.epochs("dead", 500) == (0, 50, 500)


@pytest.mark.parametrize(("every", "total"), [(1, 1), (7, 20), (10, 20), (50, 3)])
def test_an_interval_begins_with_the_start_and_ends_with_the_end(every: int, total: int) -> None:
    epochs = Schedule(width={"every": every}).epochs("width", total)
    assert epochs[0] == 0
    assert epochs[-1] == total
    assert set(epochs[:-1]) == {epoch for epoch in range(total) if epoch % every == 0}


def test_what_is_not_scheduled_is_not_measured_and_unknown_names_are_refused() -> None:
    assert Schedule().epochs("regions", 10) == ()
    with pytest.raises(ValidationError, match="haming"):
        Schedule.model_validate({"haming": [0]})


def test_epochs_beyond_the_end_are_refused(target: fefreq.Target) -> None:
    with pytest.raises(ValueError, match=r"dead .* after epoch 500, but training ends after 100"):
        track(plain, target, Schedule(dead=[0, 500]), epochs=100)


# Training


def test_adam_is_the_plain_loop(target: fefreq.Target) -> None:
    recording = track(plain, target, Schedule(), epochs=7, learning_rate=3e-3)
    network = plain(0)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    x = torch.tensor(target.points, dtype=torch.float32)
    y = torch.tensor(target.values, dtype=torch.float32)[:, None]
    for _ in range(7):
        optimiser.zero_grad()
        (0.5 * ((network(x) - y) ** 2).mean()).backward()
        optimiser.step()
    with torch.no_grad():
        expected = target.values - network(x)[:, 0].numpy()
    assert np.allclose(recording.residuals[0, -1], expected, atol=1e-5)
    assert recording.data.step.values.tolist() == [0, 7]


def test_descent_follows_the_loss_with_quadrature_weights(target: fefreq.Target) -> None:
    def build(seed: int) -> nn.Sequential:
        return relu_network(1, 16, 2, seed=seed, dtype=torch.float64)

    rate = 0.05
    recording = track(build, target, Schedule(), epochs=3, learning_rate=rate, optimiser="descent")
    network, q = build(0), torch.tensor(target.weights)
    for _ in range(3):
        residual = torch.tensor(target.values) - network(torch.tensor(target.points))[:, 0]
        gradients = torch.autograd.grad(0.5 * (q * residual**2).sum(), list(network.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter -= rate * gradient
    with torch.no_grad():
        expected = target.values - network(torch.tensor(target.points))[:, 0].numpy()
    assert np.allclose(recording.residuals[0, -1], expected, atol=1e-13)
    assert recording.times == pytest.approx([0, 3 * rate])


def test_batches_run_through_the_samples_and_members_do_not_depend_on_each_other(
    target: fefreq.Target,
) -> None:
    both = track(plain, target, Schedule(error=[2]), epochs=4, batch=40, seeds=2)
    second = track(plain, target, Schedule(error=[2]), epochs=4, batch=40, seed=1)
    assert both.data.step.values.tolist() == [0, 4, 8]  # 96 samples fill two batches of 40
    assert np.array_equal(both.residuals[1], second.residuals[0])
    assert not np.allclose(both.residuals[0, -1], both.residuals[1, -1])


def test_divergence_is_told_with_the_rate(target: fefreq.Target) -> None:
    with pytest.raises(FloatingPointError, match=r"not finite after epoch .*smaller learning rate than 1e"):
        track(plain, target, Schedule(), epochs=50, learning_rate=1e6, optimiser="descent")


# What is recorded


@pytest.mark.parametrize("build", [plain, encoded])
def test_recorded_patterns_are_those_of_the_snapshots(build, target: fefreq.Target) -> None:
    tracker = Tracker(build, target, Schedule(**ALL), epochs=6, seeds=2, pair_count=200, window=20)
    recording = tracker.run()
    for member in range(2):
        for at, epoch in enumerate((0, 6)):
            on = units_on(recording.network(epoch, member), target.points)
            now = recording.data.isel(seed=member, time=at)
            for place, pairs in tracker.ground.pairs.items():
                distance = (on[pairs[:, 0]] != on[pairs[:, 1]]).sum(axis=1)
                assert float(now.hamming.sel(pairs=place)) == pytest.approx(distance.mean())
                assert float(now.hamming_spread.sel(pairs=place)) == pytest.approx(distance.std())
                assert np.repeat(
                    now.distance, now.hamming_histogram.sel(pairs=place).astype(int)
                ).values.tolist() == (sorted(distance))
            assert float(now.distinct_patterns) == len(np.unique(on, axis=0))
            assert int(now.dead_units.sum()) == int((~on.any(axis=0)).sum())


def test_recorded_cosines_are_those_of_single_gradients(target: fefreq.Target) -> None:
    tracker = Tracker(encoded, target, Schedule(**ALL), epochs=6, pair_count=30, window=20)
    recording = tracker.run()
    network = recording.network(6)
    gradients = []
    for x, y in zip(target.points, target.values, strict=True):
        loss = 0.5 * (network(torch.tensor(x, dtype=torch.float32)[None])[0, 0] - y) ** 2
        parts = torch.autograd.grad(loss, list(network.parameters()))
        gradients.append(torch.cat([part.flatten() for part in parts]).double().numpy())
    g = np.array(gradients)
    for place, pairs in tracker.ground.pairs.items():
        i, j = g[pairs[:, 0]], g[pairs[:, 1]]
        cosines = (i * j).sum(1) / np.linalg.norm(i, axis=1) / np.linalg.norm(j, axis=1)
        now = recording.data.isel(seed=0, time=-1).sel(pairs=place)
        assert float(now.alignment) == pytest.approx(np.abs(cosines).mean(), abs=1e-4)
        assert float(now.confused) == pytest.approx((cosines < 0).mean())
        assert float(now.cosine_spread) == pytest.approx(cosines.std(), abs=1e-4)
        assert float(now.cosine_histogram.sum()) == 30


def test_recorded_regions_are_those_of_a_fine_grid(target: fefreq.Target) -> None:
    recording = track(plain, target, Schedule(**ALL), epochs=6)
    fine = np.linspace(0, 1, 200_001)[:, None]
    on = units_on(recording.network(6), fine)
    counted = 1 + int(np.any(on[1:] != on[:-1], axis=1).sum())
    assert float(recording.data.regions[0, -1]) == counted


def test_pieces_along_an_encoded_curve_approach_those_of_a_fine_grid(target: fefreq.Target) -> None:
    recording = track(encoded, target, Schedule(**ALL), epochs=6)
    on = units_on(recording.network(6), np.linspace(0, 1, 200_001)[:, None])
    counted = 1 + int(np.any(on[1:] != on[:-1], axis=1).sum())
    assert float(recording.data.regions[0, -1]) == counted


def test_half_as_long_chords_find_no_more_regions_behind_an_encoding() -> None:
    """Along the diagonal of a square, whose samples are further apart than the chords are long."""
    diagonal = np.linspace([0.0, 0.0], [1.0, 1.0], 41)
    network = ReluNetwork.of(relu_network(2, 16, 2, octaves=6, seed=1))
    counted = regions_along(network, diagonal)
    assert regions_along(network, diagonal, chords=2 * CHORDS_PER_TURN) == counted
    assert regions_along(network, diagonal[[0, -1]]) == counted
    assert regions_along(network, diagonal, chords=1) < counted


def test_the_error_is_the_transform_of_the_residual(target: fefreq.Target) -> None:
    recording = track(plain, target, Schedule(), epochs=2, frequencies=[0.0, 3.0, 5.5])
    xi = np.array([0.0, 3.0, 5.5])
    waves = np.exp(-2j * np.pi * target.points * xi)
    expected = recording.residuals[0] @ (target.weights[:, None] * waves)
    assert np.allclose(recording.data.error.values[0], expected, atol=1e-12)
    assert np.allclose(recording.at(xi), expected, atol=1e-12)
    assert recording.data.error.dims == ("seed", "time", "frequency")
    assert recording.data.frequency.values.tolist() == xi.tolist()


def test_a_recording_is_compared_like_any_other_error_field(target: fefreq.Target) -> None:
    first, second = (track(build, target, Schedule(), epochs=2) for build in (plain, encoded))
    compared = harness.compare({"plain": first, "encoded": second}, np.arange(8.0))
    assert np.allclose(compared.error.sel(source="encoded"), second.at(np.arange(8.0)))


def test_variables_are_missing_where_they_were_not_scheduled(target: fefreq.Target) -> None:
    data = track(plain, target, Schedule(dead=[0, 2], patterns={"every": 3}), epochs=6).data
    assert data.epoch.values.tolist() == [0, 2, 3, 6]
    assert np.isnan(data.dead_units.isel(layer=0, seed=0)).values.tolist() == [False, False, True, True]
    assert np.isnan(data.distinct_patterns.isel(seed=0)).values.tolist() == [False, True, False, False]
    assert not np.isnan(data.mean_squared_error).any()
    assert "hamming" not in data


def test_stretching_the_coordinates_alone_changes_no_diagnostic(target: fefreq.Target) -> None:
    """One function in coordinates from 0 to 1 and in coordinates from -1 to 1 has the same regions in the data."""

    def stretched(seed: int) -> nn.Sequential:
        network = relu_network(1, 16, 2, seed=seed, dtype=torch.float64)
        first = network[0]
        with torch.no_grad():
            first.weight /= 2
            first.bias += first.weight[:, 0]
        return network

    def same(seed: int) -> nn.Sequential:
        return relu_network(1, 16, 2, seed=seed, dtype=torch.float64)

    schedule = Schedule(width=[0], regions=[0], hamming=[0])
    unit = track(same, target, schedule, epochs=1).data.isel(time=0)
    symmetric = track(stretched, target, schedule, epochs=1, coordinates=(-1, 1)).data.isel(time=0)
    for name in ("region_width", "region_width_median", "regions", "hamming", "error"):
        assert np.allclose(unit[name], symmetric[name], rtol=1e-9), name


def test_default_frequencies_reach_beyond_the_band_and_resolve_the_length(target: fefreq.Target) -> None:
    xi = default_frequencies(target)[:, 0]
    assert xi[0] == 0
    assert np.diff(xi) == pytest.approx(0.5)
    assert target.bandwidth[0] < xi[-1] <= target.nyquist[0] * (1 + 1e-12)


def test_default_frequencies_of_an_image_are_symmetric_and_few(image: fefreq.Target) -> None:
    points = default_frequencies(image)
    assert {tuple(xi) for xi in points} == {tuple(-xi) for xi in points}
    assert all(len(np.unique(axis)) <= 33 for axis in points.T)
    assert (np.abs(points).max(axis=0) <= image.nyquist).all()


# Samples held out


def test_samples_held_out_do_not_act_on_the_training(image: fefreq.Target) -> None:
    def build(seed: int) -> nn.Sequential:
        return relu_network(2, 8, 2, 3, seed=seed)

    settings = {"epochs": 3, "batch": 16, "held_out": 0.2, "window": 5, "pair_count": 50}
    tracker = Tracker(build, image, Schedule(hamming=[0, 3]), **settings)
    hidden = np.setdiff1d(np.arange(144), tracker.split.train)
    assert len(hidden) == 2 * 29
    changed = image.values.copy()
    changed[hidden] = 7.0
    other = image.with_values(changed)
    first, second = tracker.run(), Tracker(build, other, Schedule(hamming=[0, 3]), **settings).run()
    outputs = [t.values - r.residuals[0, -1] for t, r in ((image, first), (other, second))]
    assert np.allclose(*outputs, rtol=0, atol=1e-12)
    assert all(np.isin(pairs, tracker.split.train).all() for pairs in tracker.ground.pairs.values())
    assert {len(pairs) for pairs in tracker.ground.pairs.values()} == {50}


def test_the_test_samples_are_reported_once_at_the_best_epoch_of_validation(image: fefreq.Target) -> None:
    tracker = Tracker(
        lambda seed: relu_network(2, 8, 2, 3, seed=seed),
        image,
        Schedule(error={"every": 1}),
        epochs=4,
        held_out=0.2,
        window=5,
    )
    recording = tracker.run()
    validation = recording.residuals[0][:, tracker.split.validation]
    best = int(np.argmin((validation**2).mean(axis=(1, 2))))
    error = (recording.residuals[0, best, tracker.split.test] ** 2).mean()
    assert float(recording.data.test_psnr[0]) == pytest.approx(
        10 * math.log10(np.ptp(image.values) ** 2 / error)
    )
    assert recording.data.psnr.dims == ("seed", "time", "part")


# Interruptions


class Stop(Exception):  # noqa: N818 - no error
    pass


class StopsAt(NullProgress):
    """Raises when so many steps have been taken."""

    def __init__(self, step: int) -> None:
        self.left = step

    def advance(self, count: int = 1) -> None:
        self.left -= count
        if self.left == 0:
            raise Stop


@pytest.mark.parametrize(
    "settings",
    [
        {"batch": 40, "held_out": 0.2},
        {"optimiser": "descent", "learning_rate": 0.05},
        {"snapshots": [0, 2, 6]},
    ],
    ids=["batches", "descent", "full batch"],
)
def test_stopped_anywhere_tracking_ends_with_the_same_bytes(
    settings, target: fefreq.Target, tmp_path
) -> None:
    def tracked(**options) -> Recording:
        schedule = Schedule(**ALL, error=[0, 2])
        tracker = Tracker(encoded, target, schedule, epochs=6, seeds=2, pair_count=50, window=20, **settings)
        recording = tracker.run(**options)
        recording.data.attrs["seconds"] = 0.0  # the one thing that an interruption changes
        return recording

    expected = tracked().save(tmp_path / "expected.nc").read_bytes()
    for step in (1, 2, 5):
        with pytest.raises(Stop):
            tracked(checkpoints=harness.Checkpoints(tmp_path / "kept", interval=0), progress=StopsAt(step))
    found = tracked(checkpoints=harness.Checkpoints(tmp_path / "kept")).save(tmp_path / "found.nc")
    assert found.read_bytes() == expected
    again = tracked(checkpoints=harness.Checkpoints(tmp_path / "kept"), progress=StopsAt(1))
    assert again.save(tmp_path / "again.nc").read_bytes() == expected


def test_checkpoints_of_other_networks_or_measurements_are_refused(target: fefreq.Target, tmp_path) -> None:
    kept = harness.Checkpoints(tmp_path)
    track(plain, target, Schedule(dead=[0]), epochs=2, checkpoints=kept)
    for build, schedule, difference in (
        (lambda seed: relu_network(1, 16, 2, seed=seed + 7), Schedule(dead=[0]), "parameters differs"),
        (plain, Schedule(dead=[0], norms=[0]), "schedule"),
    ):
        with pytest.raises(ValueError, match=f"another experiment or version: {difference}"):
            track(build, target, schedule, epochs=2, checkpoints=kept)
    read = harness.Run.load(tmp_path)
    assert read.model is None
    assert np.array_equal(read.residuals, track(plain, target, Schedule(), epochs=2).residuals)


# Files


@pytest.mark.parametrize("build", [plain, encoded])
def test_a_recording_survives_its_file(build, target: fefreq.Target, tmp_path) -> None:
    recording = track(
        build, target, Schedule(**ALL), epochs=6, seeds=2, coordinates=(-1, 1), snapshots=[0, 3, 6]
    )
    read = fefreq.load(recording.save(tmp_path / "run.nc"))
    assert isinstance(read, Recording)
    assert read.data.identical(recording.data)
    assert np.array_equal(read.residuals, recording.residuals)
    assert read.epochs == (0, 3, 6)
    assert read.coordinates == (-1, 1)
    assert np.array_equal(read.at([1.0]), recording.at([1.0]))
    x = torch.linspace(-1, 1, 9)[:, None]
    with torch.no_grad():
        assert torch.equal(read.network(3, member=1)(x), recording.network(3, member=1)(x))


def test_a_recording_until_a_time_keeps_all_that_was_measured_until_then(target: fefreq.Target) -> None:
    recording = track(plain, target, Schedule(dead=[0, 2, 4]), epochs=4, snapshots=[0, 2, 4])
    early = recording.until(recording.times[1])
    assert early.data.identical(recording.data.isel(time=[0, 1]))
    assert np.array_equal(early.residuals, recording.residuals[:, :2])
    assert early.epochs == (0, 2)


def test_a_layer_without_a_bias_comes_back_without_one(target: fefreq.Target, tmp_path) -> None:
    def build(seed: int) -> nn.Sequential:
        network = plain(seed)
        network[0] = nn.Linear(1, 16, bias=False)
        return network

    recording = track(build, target, Schedule(), epochs=1)
    for kept in (recording, Recording.load(recording.save(tmp_path / "run.nc"))):
        network = kept.network(1)
        assert network[0].bias is None
        assert network[2].bias is not None
        x = torch.tensor(target.points, dtype=torch.float32)
        with torch.no_grad():
            outputs = network(x)[:, 0].numpy()
        assert np.allclose(target.values - outputs, recording.residuals[0, -1], atol=1e-6)


def test_a_recording_with_channels_survives_its_file(image: fefreq.Target, tmp_path) -> None:
    recording = track(
        lambda seed: relu_network(2, 8, 2, 3, octaves=2, seed=seed), image, Schedule(), epochs=1, window=5
    )
    read = Recording.load(recording.save(tmp_path / "run.nc"))
    assert read.data.identical(recording.data)
    assert np.array_equal(read.target.values, image.values)


def test_other_files_are_refused(target: fefreq.Target, tmp_path) -> None:
    path = tmp_path / "other.nc"
    fefreq.support.files.write_netcdf(track(plain, target, Schedule(), epochs=1).data, path)
    with pytest.raises(ValueError, match="holds no result of fefreq but plain arrays"):
        Recording.load(path)
    with pytest.raises(ValueError, match="no readable NetCDF"):
        Recording.load(tmp_path / "none.nc")


def test_a_snapshot_that_was_not_taken_is_told(target: fefreq.Target) -> None:
    with pytest.raises(ValueError, match=r"no snapshot of network 0 after epoch 1; .* after epochs 0, 2"):
        track(plain, target, Schedule(), epochs=2).network(1)


# Bad input, refused before any training


def test_another_activation_is_named(target: fefreq.Target) -> None:
    with pytest.raises(TypeError, match="Tanh"):
        Tracker(
            lambda seed: nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1)),
            target,
            Schedule(),
            epochs=1,
        )


def test_wrong_dimensions_and_channels_are_told(target: fefreq.Target, image: fefreq.Target) -> None:
    with pytest.raises(ValueError, match=r"1 coordinate\(s\), but the data have 2"):
        Tracker(plain, image, Schedule(), epochs=1)
    with pytest.raises(ValueError, match=r"1 output\(s\), but the data have 3 channel"):
        Tracker(lambda seed: relu_network(2, 4, 1, seed=seed), image, Schedule(), epochs=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pair_count": 0}, "pair_count is 0"),
        ({"window": 1}, "holds no pair"),
        ({"window": 97}, "does not fit into a grid"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 2.5}, "epochs is 2.5; it must be a whole number, at least 1"),
        ({"seed": -1}, "seed is -1; it must be a whole number, at least 0"),
        ({"batch": 97}, "cannot be drawn from 96 samples"),
        ({"batch": 0}, "batch is 0"),
        ({"coordinates": (1.0, 0.0)}, "no interval"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"snapshots": [2]}, "there are 0 … 1"),
        ({"optimiser": "newton"}, "'adam' and 'descent'"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, message: str, target: fefreq.Target) -> None:
    with pytest.raises(ValueError, match=message):
        Tracker(plain, target, Schedule(), **{"epochs": 1, **settings})


def test_scattered_samples_have_no_windows() -> None:
    points = np.random.default_rng(0).random(50)
    with pytest.raises(ValueError, match="do not lie on a grid"):
        Tracker(plain, fefreq.Target(points, points), Schedule(), epochs=1)


@pytest.mark.parametrize("batch", [None, 16])
def test_as_many_samples_fit_as_the_refusal_says(batch: int | None, monkeypatch) -> None:
    def tracker(count: int) -> Tracker:
        line = fefreq.Target.from_function(wave, [(0, 1)], count)
        return Tracker(plain, line, Schedule(), epochs=1, batch=batch)

    monkeypatch.setattr(tracker_module, "available_memory", lambda: 60_000)
    with pytest.raises(ValueError, match=r"of 1000 points does not fit .*: \d+ points fit") as refusal:
        tracker(1000)
    fitting = int(re.search(r"(\d+) points fit", str(refusal.value))[1])
    tracker(fitting)
    with pytest.raises(ValueError, match=f"of {fitting + 1} points does not fit .*: {fitting} points fit"):
        tracker(fitting + 1)


def test_an_encoding_that_is_too_fast_for_the_grid_warns_with_the_limit() -> None:
    coarse = fefreq.Target.from_function(wave, [(0, 1)], 64)
    with pytest.warns(UserWarning, match="beyond the first 6 alias"):
        Tracker(lambda seed: relu_network(1, 4, 1, octaves=7, seed=seed), coarse, Schedule(), epochs=1)
