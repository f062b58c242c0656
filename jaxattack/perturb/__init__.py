"""Steps on inputs: pure functions of records and of a model, or of its answers, that attacks of several families take.

box                 what a record may become, and the units in which it is moved
augmentation        weak and strong views of pictures (Sohn et al. 2020)
labels              what a model labels records
norms               the ball in which a change stays, and the steepest step in it
losses              what an attack on a model raises
signs               steps along the sign of the gradient (Goodfellow et al. 2015, Kurakin et al. 2017)
ascent              what ascents of a loss within a ball have in common
projected           projected gradient ascent (Madry et al. 2018), with momentum (Dong et al. 2018)
auto_projected      the same with steps that need no tuning (Croce and Hein 2020)
carlini_wagner      the nearest example, by a penalty that a search weighs (Carlini and Wagner 2017)
saliency            pairs of features that a saliency map picks (Papernot et al. 2016)
fab                 the nearest example, by projections onto the boundary linearised (Croce and Hein 2020)
deepfool            the nearest boundary of the model, linearised again and again (Moosavi-Dezfooli et al. 2016)
featurefool         the smallest change that makes the model see another record (Yu et al. 2020)
hop_skip_jump       the nearest point of another label, from labels alone (Chen et al. 2020)
ask                 searches that only ask: pure functions of named state, and the loop that drives them
boundary            a walk along the boundary, from labels alone (Brendel et al. 2018)
nes                 signs of a gradient from pairs of normal steps (Ilyas et al. 2018)
spsa                Adam on a gradient from pairs of steps of random signs (Uesato et al. 2018)
zoo                 differences along a few coordinates at a time (Chen et al. 2017)
square              a random search over squares (Andriushchenko et al. 2020)
one_pixel           differential evolution over a place and a colour (Su et al. 2019)

Nothing here counts queries or knows what it is for: that is the affair of the attacks that take these steps.
"""

from __future__ import annotations
