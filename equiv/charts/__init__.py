r"""From flat coordinates to a chart of the observed manifold, judged.

Doors: `chart.Chart`, `chart_map.ChartMap`, `strain.rigid_motions`, `isometric.IsometricMaps`,
`isometric.SMALLEST_SCALE`, `side.ChartedSide`, `side.chart_side`.

    chart      A chart of an observed manifold: from values to coordinates (`restrict`) and back (`lift`)
    build      From integrated coordinates to a chart
    chart_map  The transformation of an unpaired comparison: restrict to one chart, register, lift from the
               other
    crossings  Where the image of a chart crosses itself: F(u) = F(v) for u and v far apart
    strain     How far a chart is from isometric, and how far its coordinates are off for it
    placement  How well a network places its samples: what tells the parts that a chart has to leave out
    limits     How inaccurate a chart may be: the limits that its diagnosis is held against
    diagnosis  What speaks against a flat chart: neighbours that contradict it, crossings, and what it
               misses
    isometric  Isometric coordinates: the frames of an observed manifold integrated to a flat chart
    side       One side of an unpaired comparison: its samples with a flat chart, and how accurate the chart
               is
"""
