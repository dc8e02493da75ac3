# %% [markdown]
# # Recordings
#
# No network at hand, only numbers: activations that someone wrote to a file, or firing rates of nerve cells. `equiv`
# compares them all the same. What is lost without derivatives is efficiency, and the comparison without pairs; what
# matters more than ever is which samples are independent.
#
# The example is made up, but close to one of the laboratory's: two populations of head-direction cells, recorded in
# two animals while each looks in the same directions. The two have no cell in common. Do they hold the same thing?

# %%
import math

import matplotlib.pyplot as plt
import torch

import equiv

# %% [markdown]
# ## Two populations
#
# Each cell fires most for one direction. 40 cells in A, 25 in B, whose tuning is narrower and stronger in places. 150
# directions, four trials of each, with noise that differs from trial to trial.


# %%
def tuned(angles, cells, width, generator):
    preferred = 2 * math.pi * torch.rand(cells, generator=generator)
    gain = 0.5 + torch.rand(cells, generator=generator)
    return gain * torch.exp((torch.cos(angles[:, None] - preferred) - 1) / width)


generator = torch.Generator().manual_seed(0)
directions = 2 * math.pi * torch.rand(150, generator=generator)
angles = directions.repeat_interleave(4)
which = torch.arange(150).repeat_interleave(4)  # the direction that a trial belongs to


def recorded(cells, width):
    rates = tuned(angles, cells, width, generator)
    return rates + 0.02 * torch.randn(rates.shape, generator=generator)


rates_a, rates_b = recorded(40, 0.6), recorded(25, 0.3)

figure, panels = plt.subplots(1, 2, figsize=(8, 3), layout="constrained", sharey=True)
for panel, rates, name in zip(panels, (rates_a, rates_b), "AB", strict=True):
    for cell in range(5):
        panel.scatter(angles.rad2deg(), rates[:, cell], s=4)
    panel.set(title=f"Five cells of {name}", xlabel="direction (degrees)", ylabel="rate")
plt.show()

# %% [markdown]
# ## Compare
#
# Row i of both is the same trial. Four trials of one direction are no four independent samples: `groups` says which
# belong together; they are held out together, so that the error is that on directions never shown.

# %%
result = equiv.compare(
    equiv.Observations(rates_a, groups=which), equiv.Observations(rates_b, groups=which), paired=True
)
print(result.summary())

# %% [markdown]
# Not equivalent, by a little more than the tolerance. The verdict is about what was recorded, noise and all. So is
# the rest of the error something that A does not know, or the noise of B's cells, which nobody can tell? The noise is
# known here: 0.02 a cell.

# %%
spread = (rates_b - rates_b.mean(dim=0)).square().sum(dim=1).mean().sqrt()
noise = 0.02 * math.sqrt(rates_b.shape[1]) / spread
error = result.a_to_b.error
print(f"of the error, the noise of B's own cells is the larger part: {bool(noise > error.estimate / 2)}")

# %% [markdown]
# With real recordings split the trials of B in halves and compare these with each other: what one half does not tell
# of the other, no A can. Or compare means over trials, in which the noise of four is half as large:

# %%
means_a, means_b = (rates.unflatten(0, (150, 4)).mean(dim=1) for rates in (rates_a, rates_b))
averaged = equiv.compare(equiv.Observations(means_a), equiv.Observations(means_b), paired=True)
print(averaged)

# %% [markdown]
# Equivalent: what was missing was the noise.
#
# ## One cell against all
#
# A cell fires alike on both flanks of its preferred direction. By itself it cannot say where the animal looks; the
# population can. The answer should go one way only, and does:

# %%
one = equiv.compare(
    equiv.Observations(means_a), equiv.Observations(means_b[:, :1]), paired=True, tolerance=0.1
)
print(one)

figure, panel = plt.subplots(figsize=(4.4, 3.4), layout="constrained")
panel.scatter(means_b[:, 0], means_a[:, 0], c=directions, cmap="twilight", s=12)
panel.set(
    title="To one rate of B's cell belong two of A's", xlabel="first cell of B", ylabel="first cell of A"
)
plt.show()

# %% [markdown]
# ## From a shell
#
# The same for files, whatever wrote them: `python -m equiv a.npz b.npz --paired`, each with `values` and `groups`.
# The exit code is the verdict. [Recorded activations](../recorded_activations.md) shows it.
