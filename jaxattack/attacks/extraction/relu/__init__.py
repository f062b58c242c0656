"""Networks of linear layers and ReLU, stolen exactly: their outputs bend where a neuron switches."""
