r"""The comparison of two networks that never saw a common input.

Doors: `compare.compare_unpaired`.

    limits               Limits that both ways of comparing without pairs share
    errors               The error of an unpaired transformation on fresh inputs, estimated from what is
                         left, with its bounds
    evidence             What speaks for and against a registration of two charts: errors, reasons for doubt,
                         and the facts behind them
    ambiguity            How far apart maps are that fit equally well, in activations
    readouts             What is read off images whose partners nobody knows, in worlds that the error of the
                         map admits
    by_charts            Unpaired comparison by registered charts: flat input spaces
    eigenfunctions       Eigenfunctions of both sides that embed their input spaces, where these admit no
                         flat chart or none is asked for
    eigenspace_match     Registration of eigenfunctions: the orthogonal change of basis in each eigenspace
                         that matches two clouds
    isometry_refinement  Refinement of registered eigenfunctions until they carry the metric of one side to
                         that of the other
    symmetries           The refined map that comes nearest to an isometry, and how many come as near: the
                         symmetries
    by_eigenfunctions    Unpaired comparison by registered eigenfunctions: curved input spaces, and methods
                         that were asked for
    by_isometry          Unpaired comparison by the map that keeps lengths: curved input spaces, with anchors
    result               The result of an unpaired comparison, built from what either way of comparing has
                         found
    compare              Comparison of two networks without pairs: geometry, registration, and an error from
                         what is left
"""
