"""Somebody in a notebook brings a Flax module, and looks at what comes back; each part is a cell.

Run in an empty folder.
"""

# %% A data set and a network of one's own
from flax import nnx

import jaxattack as ja

iris = ja.load("iris")


class Net(nnx.Module):
    def __init__(self, rngs):
        self.hidden = nnx.Linear(4, 32, rngs=rngs)
        self.out = nnx.Linear(32, 3, rngs=rngs)

    def __call__(self, x):
        return self.out(nnx.relu(self.hidden(x)))


# %% Who was in the training set?
learner = ja.learners.Standard(recipe=ja.Recipe(epochs=20, learning_rate=0.01))
attacks = (ja.attacks.LiRA(online=True), ja.attacks.Threshold(quantity="loss"))
result = ja.membership(model=Net, dataset=iris, models=8, learner=learner, attacks=attacks)

# %% Its last line, as the notebook shows it, and as a terminal does
shown = result._repr_html_()
print(result)
assert "<pre>" in shown
assert len(repr(result)) < 400

# %% One's own figures and tables
frame = result.to_frame()
assert {"name", "auc"} <= {*frame.columns}

# %% A single module that is trained already, as a victim
network = nnx.Linear(4, 3, rngs=nnx.Rngs(0))
victim = ja.oracle.from_model(network, inputs=ja.Inputs.box(-3, 3, (4,)), classes=3, level="logit")
stolen = ja.extract(victim, ja.attacks.extraction.Softmax())
print(stolen)
assert stolen.extraction.complete

# %% For those without the notebook
result.save("report")
