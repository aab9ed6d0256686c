"""Densities and models of one's own: they solve, train, and come back from files, if their classes are there."""

import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest

import fefreq
from fefreq.densities.base import Density
from fefreq.models.model import Coefficients, KernelTerm, Model
from fefreq.support.families import MissingKindError

THEIRS = '''
from dataclasses import dataclass

import numpy as np

import fefreq


@dataclass(frozen=True)
class Triangle(fefreq.Density):
    """Falls linearly from the origin to the half-width."""

    half_width: float
    dim: int = 1

    def pdf(self, frequencies):
        xi = np.abs(np.reshape(np.asarray(frequencies, dtype=float), -1))
        return np.maximum(1 - xi / self.half_width, 0) / self.half_width

    def sample(self, count, rng):
        return rng.triangular(-self.half_width, 0.0, self.half_width, (count, 1))

    def characteristic(self, separations):
        return np.sinc(self.half_width * np.reshape(np.asarray(separations, dtype=float), -1)) ** 2

    def mass_within(self, radius):
        share = min(radius / self.half_width, 1.0)
        return share * (2 - share)

    @property
    def support_radius(self):
        return self.half_width

    @property
    def maximum(self):
        return 1 / self.half_width


@dataclass(frozen=True)
class Damped(fefreq.Model):
    """Output weights trained at a rate of one's own."""

    density: fefreq.Density
    speed: float = 1.0

    def coefficients(self, frequencies, parity="even"):
        rho = self.density.pdf(frequencies)
        return fefreq.Coefficients(0 * rho, self.speed * rho)

    def kernel_terms(self):
        return (fefreq.KernelTerm(self.density.characteristic, self.speed, 0.0),)
'''


@pytest.fixture
def theirs(tmp_path, monkeypatch):
    """The classes of somebody else, in a module that is not part of this project."""
    (tmp_path / "theirs.py").write_text(THEIRS)
    monkeypatch.syspath_prepend(str(tmp_path))
    import theirs

    yield theirs
    del sys.modules["theirs"]


TARGET = fefreq.Target.from_function(lambda x: np.exp(-20 * x[:, 0] ** 2), [(-1, 1)], 64)


def test_classes_of_others_solve_and_come_back_from_files(theirs, tmp_path):
    model = theirs.Damped(theirs.Triangle(6.0), speed=2.0)
    solution = fefreq.FrequencyDiffusion(model, TARGET).solve([0.0, 3.0])
    xi = [0.0, 2.0]
    expected = TARGET.spectrum(xi) * np.exp(-3 * 2.0 * model.density.pdf(xi))
    np.testing.assert_allclose(solution.at(xi)[1], expected, atol=1e-5)
    back = fefreq.load(solution.save(tmp_path / "solution.nc"))
    assert back.model == model
    assert type(back.model) is theirs.Damped
    flow = fefreq.KernelFlow(model, TARGET).solve([0.0, 3.0])
    again = fefreq.load(flow.save(tmp_path / "flow.nc"))
    np.testing.assert_array_equal(again.predict([0.1]), flow.predict([0.1]))


def test_classes_of_both_hold_one_another(theirs):
    for model in (
        fefreq.FourierFeatures(theirs.Triangle(2.0)),
        theirs.Damped(fefreq.Gaussian(2.0)),
        fefreq.FourierFeatures(fefreq.Mixture((theirs.Triangle(2.0), fefreq.StudentT(1.0, df=2.0)), (1, 3))),
    ):
        text = model.to_json()
        assert Model.from_json(text) == model
        assert "theirs:" in text


def test_a_file_imports_nothing(theirs, tmp_path):
    """Where the classes are not there, a sentence says so, although their module could be imported."""
    path = (
        fefreq.KernelFlow(theirs.Damped(theirs.Triangle(6.0)), TARGET).solve([0.0]).save(tmp_path / "flow.nc")
    )
    code = f"import fefreq; fefreq.load({str(path)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    last = done.stderr.splitlines()[-1]
    assert (
        "flow.nc cannot be read yet: Damped of theirs is a model of somebody's own that is not here" in last
    )
    done = subprocess.run([sys.executable, "-c", "import theirs;" + code], cwd=tmp_path, check=False)
    assert done.returncode == 0


@dataclass(frozen=True)
class Wide(fefreq.Gaussian):
    """Derives from a density of the project and is still another one."""


def test_a_subclass_of_a_density_of_the_project_has_a_name_of_its_own():
    text = Wide(2.0).to_json()
    assert type(Density.from_json(text)) is Wide
    assert type(Density.from_json(fefreq.Gaussian(2.0).to_json())) is fefreq.Gaussian


class Plain(Model):
    def __init__(self):
        self.density = fefreq.Gaussian(1.0)

    def coefficients(self, frequencies, parity="even"):
        return Coefficients(np.zeros(len(frequencies)), np.zeros(len(frequencies)))

    def kernel_terms(self):
        return (KernelTerm(self.density.characteristic, 1.0, 0.0),)


@dataclass(frozen=True)
class Opaque(Plain):
    density: Density = field(default_factory=lambda: fefreq.Gaussian(1.0))
    rng: np.random.Generator = field(default_factory=np.random.default_rng)


@pytest.mark.parametrize(
    ("model", "words"), [(Plain, "Plain is no dataclass"), (Opaque, "no file can hold Opaque")]
)
def test_what_no_file_can_hold_is_refused_by_a_sentence(model, words, tmp_path):
    flow = fefreq.KernelFlow(model(), TARGET).solve([0.0, 1.0])
    with pytest.raises(TypeError, match=words) as caught:
        flow.save(tmp_path / "flow.nc")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["student-t", "student_t"])
def test_hyphens_and_underscores_name_the_same_kind(kind):
    assert Density.from_json(f'{{"kind": "{kind}", "scale": 2.0, "df": 3}}') == fefreq.StudentT(2.0, df=3.0)


def test_text_of_something_else_is_refused_by_a_sentence():
    with pytest.raises(MissingKindError, match="Triangle of nowhere is a density of somebody's own"):
        Density.from_json('{"kind": "nowhere:Triangle"}')
    for text in ('{"kind": "gauss"}', "{}", '{"kind": "gaussian", "scale": -1}'):
        with pytest.raises(ValueError, match=r"gauss|discriminator|scale") as caught:
            Density.from_json(text)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="holds a Gaussian, not a StudentT"):
        fefreq.StudentT.from_json(fefreq.Gaussian(1.0).to_json())
