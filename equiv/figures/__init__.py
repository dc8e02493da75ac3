r"""Pictures of a comparison, as pure functions from arrays to `matplotlib.figure.Figure`.

Doors: `drawing.Array`, `drawing.BLUE`, `drawing.GREY`, `drawing.ORANGE`, `drawing.as_array`,
`drawing.chart_colours`, `drawing.chart_positions`, `drawing.common_periods`,
`drawing.into_drawn_cell`, `panels.blank_figure`, `panels.draw_spectrum`, `panels.in_percent`, `panels.pictures`,
`panels.said_of_spectra`, `panels.style`, `charts.charts_figure`, `charts.registration_figure`,
`charts.spectrum_figure`, `layers.error_scale`, `layers.layer_figure`, `classes.class_graph`.

    drawing  Where the points of a chart are drawn, and in which colours: shared by the figures and the
             report
    panels   The panels that figures are composed of, each drawn into the axes that it is given, and what
             they show
    charts   Figures: pure functions from tensors or arrays to `matplotlib.figure.Figure`
    layers   Figure of all pairs of layers of two networks: errors both ways, and CKA beside them
    classes  Figure of many networks: their equivalence classes, and which class determines which
"""
