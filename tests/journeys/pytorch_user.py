"""Somebody has twenty PyTorch models, each trained on half of the records, and wants to know what they give away.

Run in an empty folder. The models are saved and loaded one at a time, as large ones would be.
"""

from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits

import jaxattack as ja

MODELS, RECORDS, CLASSES = 20, 400, 10
digits = load_digits()
x = torch.tensor(digits.images[:RECORDS, None] / 16, dtype=torch.float32)  # [record, channel, height, width]
y = torch.tensor(digits.target[:RECORDS])


def network():
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.1),
        torch.nn.Linear(288, CLASSES),
    )


# What one has: models, and who each was trained on. Complementary halves put every record into half of the models.
member = ja.designs.Halves()(models=MODELS, records=RECORDS, seed=0)
for model, row in enumerate(torch.tensor(member)):
    torch.manual_seed(model)
    net = network()
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(40):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x[row]), y[row]).backward()
        optimizer.step()
    torch.save(net.state_dict(), f"{model}.pt")


def saved():
    for model in range(MODELS):
        net = network()
        net.load_state_dict(torch.load(f"{model}.pt", weights_only=True))
        yield net


# What one asks: every model about every record, one model in memory at a time; then what that gives away.
path = ja.observe(saved(), x.numpy(), y.numpy(), member=member, out="observations.npz")
observations = ja.read_observations(path)
findings = ja.score(observations, name="digits in PyTorch")
print(findings)
findings.save("report")

best = max(attack.auc for attack in findings.attacks)
assert 0.6 < best < 1, best
assert Path("report/report.html").exists()

# The answers are those that the models give by themselves, deployed.
net = next(saved()).eval()
with torch.no_grad():
    np.testing.assert_allclose(np.load(path)["logits"][0], net(x).numpy(), rtol=1e-4, atol=1e-4)
