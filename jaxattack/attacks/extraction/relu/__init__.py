"""Networks of linear layers and ReLU, stolen exactly: their outputs bend where a neuron switches.

By stage of the attack (Carlini, Jagielski, Mironov 2020), for the only layer of `two_layer` and the first of `deep` alike:

    frame, noise                    the victim as a piecewise linear function, and how exactly it answers
    intervals, critical_points      where it bends along lines
    gradients, normals              gradients between critical points, and normals from their differences
    neurons, search                 which normals are of one neuron, line after line

then, of one layer

    piecewise_linear, refine        signs; the function measured once more over long steps

or, of each further layer,

    cells, walk, next_crossing      zero sets followed across the layers known so far
    signature, peeling              weights over |z| and z, and the signs of the layer below

and in the end

    polish, network                 the last layer by least squares, all parameters together; the stolen network

The constants are ours. Where one's comment says so, half and double of it were tried, on 33 or 72 networks of one hidden layer
(6-16-1 to 40-16-2: logits, probabilities, sigmoids, float32, 8 decimals), of which 31 or all are stolen, or on 7, 18 or 26 deeper
ones (5-4-3-1 to 6-9-5-1, 10-15-15-1, 20-10-10-1), all stolen: how many were then, and queries relative to those of the value itself. "The same"
is so to the query and the bit; several may have been tried at once then.
"""
