r"""Eigenfunctions of the Laplacian of the input space, whatever its shape: diffusion maps and Galerkin maps.

Doors: `diffusion_maps.DiffusionMaps`, `galerkin.GalerkinMaps`, `density.density_weights`,
`spectrum.lowest_eigenvalues`, `spectrum.spectral_distance`, `selection.select_coordinates`.

    kernel          The heat kernel on squared distances, and its normalisation
    epsilon         How wide the kernel should be, from the distances to the nearest neighbours
    eigenpairs      Leading eigenpairs of a symmetric operator whose top eigenvalues crowd below 1
    dense_kernel    The kernel of a few thousand samples, as a matrix
    sparse_kernel   The kernel of many samples: only pairs within its reach, found without the n x n matrix
    diffusion_maps  Diffusion maps in the metric of the inputs: eigenfunctions of the Laplacian, in and out
                    of sample
    gaussian_basis  Gaussian functions of the activations, their derivatives along frames, and the sums of
                    their products
    rayleigh_ritz   Rayleigh-Ritz: eigenfunctions of the Laplacian in the span of given functions, and how
                    true they are
    basis_choice    Which Gaussians: centres from the samples, width by held-out Rayleigh quotients
    galerkin        Galerkin maps: eigenfunctions of the Laplacian of the inputs by Rayleigh-Ritz, linear in
                    the samples
    processes       Galerkin maps of several processes: the functions shared, the sums added up
    density         One over the sampling density in the inputs' metric, as weights: a control variate for
                    random samples
    spectrum        Eigenvalues of the two input spaces, side by side: evidence, no verdict (isospectral is
                    not isometric)
    selection       Which coordinates are new, and which repeat earlier ones
"""
