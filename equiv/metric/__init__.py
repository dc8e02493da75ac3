r"""Distances of the inputs, read from activations and frames.

Doors: `neuron_scale.centred`, `neuron_scale.mean_square`, `neuron_scale.slope_weights`,
`neuron_scale.squared_lengths`, `neuron_scale.spread_weights`,
`neuron_scale.unit_spread`, `points.MetricPoints`, `points.metric_points`, `mahalanobis.MAX_NORMAL_SHARE`,
`mahalanobis.all_distances`, `mahalanobis.mahalanobis`, `mahalanobis.pair_distances`, `mahalanobis.tiles`,
`neighbors.MAX_DIFFERENCE_SINE`, `neighbors.MAX_TANGENT_SINE`, `neighbors.NeighborGraph`,
`neighbors.neighbor_graph`, `geodesics.landmark_scaling`, `geodesics.shortest_paths`, `geodesics.tree_potential`,
`binary_scale.BinaryScale`, `binary_scale.binary_scale`, `binary_scale.binary_scales`,
`rescaled_map.in_given_units`, `rescaled_map.rescaled_map`, `dependence.find_draws`, `dependence.given_draws`.

    neuron_scale  Two rules that make neurons comparable whatever their scale: by their spread, and by their
                  steepest slope
    binary_scale  Scales at which no square overflows or vanishes: powers of two, which change no digit
    rescaled_map  Maps and comparisons that were found at other scales than those given, brought back to these
    points        Samples made ready for the Mahalanobis-like metric: centred values, whitened frames
    mahalanobis   The Mahalanobis-like metric: squared distances of the inputs, read from activations and
                  frames
    pair_scores   Pairs of samples: how near they are in the Mahalanobis-like metric, and whether they are
                  tangent at both ends
    neighbors     Nearest neighbours in the Mahalanobis-like metric, tangent at both ends
    geodesics     Classical scaling of landmark geodesics: rough coordinates to start from
    row_distances Distances between samples, and what they tell: the dimension of the samples, and whether
                  rows are in order
    dependence    Samples that are no independent draws, found where nobody said so: copies, trials, and
                  paths
"""
