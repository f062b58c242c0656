"""How extras are installed: by names that are published."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from jaxattack import release


def test_an_extra_is_installed_by_the_names_of_its_packages(monkeypatch):
    listed = ["jax>=0.10", "ray>=2.50; extra == 'cluster'", 'uvicorn>=0.34; extra == "serve"', "onnx; extra == 'serve'"]
    monkeypatch.setattr(release, "requires", lambda package: listed)
    assert release.installation("serve") == "pip install onnx 'uvicorn>=0.34'"


def absent(package):
    raise PackageNotFoundError


@pytest.mark.parametrize("requires", [absent, lambda package: None])
def test_from_a_checkout_an_extra_is_installed_from_its_folder(requires, monkeypatch):
    monkeypatch.setattr(release, "requires", requires)
    assert release.installation("serve") == "pip install '.[serve]'"
