r"""Distances of the inputs, read from activations and frames.

Doors: `neuron_scale.FLAT`, `neuron_scale.slope_weights`, `neuron_scale.spread_weights`,
`points.MetricPoints`, `points.metric_points`, `mahalanobis.MAX_NORMAL`, `mahalanobis.all_distances`,
`mahalanobis.mahalanobis`, `mahalanobis.pair_distances`, `mahalanobis.tiles`, `neighbors.NeighborGraph`,
`neighbors.neighbor_graph`.

    neuron_scale  Two rules that make neurons comparable whatever their scale: by their spread, and by their
                  steepest slope
    points        Samples made ready for the Mahalanobis-like metric: weights of neurons, centred values,
                  whitened frames
    mahalanobis   The Mahalanobis-like metric: squared distances of the inputs, read from activations and
                  frames
    neighbors     Nearest neighbours in the Mahalanobis-like metric, tangent at both ends
"""
