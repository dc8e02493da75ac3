r"""Every layer of one network against every layer of another, both ways.

Doors: `compare.compare_layers`, `matrix.LayerMatrix`, `record.recorded`, `matrix.restored_matrix`.

    computing        Which layers of a network compute something, in the order in which they do
    record           The layers of a side: their activations at the same inputs
    target           A layer as what others are mapped to: few columns that stand for all of its neurons
    spectral_ridges  Kernel ridge regression of many targets with many ridges, from one decomposition
    source           From one layer to many: one search and few factorisations serve all
    errors           Errors of all pairs of layers, in both directions, and of all layers learned from the inputs
    cka              Linear CKA, debiased, of all pairs of layers from one Gram matrix each
    matches          Which layer of another network answers to a layer, where all are determined by some
    matrix           What was found of all pairs of layers
    page             One self-contained HTML file that shows all pairs of layers
    compare          Every layer of one network against every layer of another, both ways: `compare_layers`
"""
