# %% [markdown]
# # Mahalanobis comparison
#
# Figure 4 of *Transformations between deep neural networks*. A horse turns on the spot. Two cameras photograph it,
# never at the same moment, and each camera's pictures train an autoencoder of their own. From a few numbers inside
# the first autoencoder we want to draw what the *second* camera would have seen.
#
# What makes it possible is a distance that is named after Mahalanobis: it measures how far the horse turned, and not
# how far some neurons moved.

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch import nn

import equiv
from lightning_modules.data.horse import HorseViews
from lightning_modules.networks import Autoencoder

BLUE, ORANGE = "#0072b2", "#d55e00"

# %% [markdown]
# ## Two cameras
#
# Small pictures, 32 x 32 pixels, of 512 angles for each camera; three more angles, the anchors, are photographed by
# both. With each picture come two of the horse turned by a little less and a little more: a *burst*, which says how
# the picture moves with the angle, but not what the angle is.

# %%
views = HorseViews(n_train=512, n_held_out=64, size=32, burst_step=0.05, supersampling=4).prepare()
moments = views.hidden.held_out.argsort()[::8]

figure, panels = plt.subplots(2, 8, figsize=(8, 2.3), layout="constrained")
for row, pictures, name in zip(
    panels, (views.held_out_a, views.held_out_b), ("camera A", "camera B"), strict=True
):
    for panel, picture in zip(row, pictures[moments], strict=True):
        panel.imshow(picture.permute(1, 2, 0).numpy())
        panel.set_axis_off()
    row[0].set_title(name)
plt.show()

# %% [markdown]
# ## Two autoencoders
#
# Each squeezes its camera's pictures through eight neurons.


# %%
def train(network, pictures, steps=400, batch=32):
    optimizer = torch.optim.AdamW(network.parameters(), lr=6e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    for _ in range(steps):
        some = pictures[torch.randint(len(pictures), (batch,))]
        loss = nn.functional.mse_loss(network(some), some)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def decibels(drawn, true):
    return -10 * math.log10((drawn - true).square().mean())


torch.manual_seed(0)
smaller = {"size": 32, "encoder": (16, 32), "decoder": (24, 16), "hidden": 64}
network_a, network_b = Autoencoder(**smaller), Autoencoder(**smaller)
train(network_a, views.a.train)
train(network_b, views.b.train)
with torch.no_grad():
    own = decibels(network_b(views.held_out_b), views.held_out_b)
print(f"pictures that B never saw, redrawn by B itself: above 29 decibels: {own > 29}")

# %% [markdown]
# ## What the neurons do when the horse turns
#
# The eight neurons run through a closed curve as the horse turns. Below, its first two principal directions, coloured
# by the angle: two different curves, and neither runs at an even pace.

# %%
seen_a = equiv.probe(network_a.encoder, views.a.probe, **views.a.frames)
seen_b = equiv.probe(network_b.encoder, views.b.probe, **views.b.frames)

figure, panels = plt.subplots(1, 3, figsize=(9.5, 3.2), layout="constrained")
sides = (seen_a, views.hidden.probe_a, "A", BLUE), (seen_b, views.hidden.probe_b, "B", ORANGE)
for panel, (seen, angle, name, ink) in zip(panels, sides, strict=False):
    centred = seen.values - seen.values.mean(dim=0)
    flat = centred @ torch.linalg.svd(centred, full_matrices=False).Vh[:2].T
    panel.scatter(*flat.T, c=angle, s=8, cmap="twilight")
    panel.set(
        title=f"Neurons of {name}, seen from the side", xlabel="first direction", ylabel="second direction"
    )
    panels[2].scatter(angle.rad2deg(), seen.frames.norm(dim=(1, 2)), s=5, color=ink, label=name)
panels[2].set(
    title="How fast they run", xlabel="angle of the horse (degrees)", ylabel="neurons' speed, per radian"
)
panels[2].set_ylim(bottom=0)
panels[2].legend(markerscale=2)
plt.show()

# %% [markdown]
# ## The distance of Mahalanobis
#
# Where the neurons run fast, a step between two of them means little; where they crawl, much. So divide by the pace:
# with C the covariance of a small burst, in units of the burst, (y - y')ᵀ (C⁺ + C'⁺) (y - y') / 2 is the squared
# angle between two pictures near each other. Compare it with the plain distance of neurons:

# %%
figure, panels = plt.subplots(1, 2, figsize=(8, 3.3), layout="constrained")
for seen, angle, name, ink in sides:
    turned = (angle[:, None] - angle + math.pi).remainder(2 * math.pi) - math.pi
    near = (turned.abs() < math.radians(12)) & (turned > 0)
    for panel, distance in zip(
        panels, (torch.cdist(seen.values, seen.values), equiv.mahalanobis(seen).sqrt()), strict=True
    ):
        panel.scatter(
            turned[near].rad2deg()[::12], distance[near][::12], s=4, alpha=0.5, color=ink, label=name
        )
panels[0].set(
    title="Distance of neurons", xlabel="turned by (degrees)", ylabel="distance, in units of neurons"
)
panels[1].plot([0, 12], [0, math.radians(12)], color="black", lw=0.8)
panels[1].set(title="Mahalanobis-like distance", xlabel="turned by (degrees)", ylabel="distance (radians)")
panels[0].legend(markerscale=2)
plt.show()

# %% [markdown]
# On the left two networks, two rulers. On the right one ruler, that of the horse.
#
# ## The comparison
#
# With one ruler both networks show the same space: a circle of circumference 2π. Three anchors say where it begins
# and which way round it goes. The pictures are small and few, so a tenth of the spread is what we ask for; the full
# experiment, with 1,024 pictures of 64 x 64 pixels, keeps to a twentieth.

# %%
result = equiv.compare(seen_a, seen_b, paired=False, anchors=views.anchors, tolerance=0.1)
print(result.summary())

figure, panel = plt.subplots(figsize=(4.6, 3.6), layout="constrained")
for angle, found, name, ink, mark in (
    (views.hidden.probe_a, result.coordinates_a, "A", BLUE, "o"),
    (views.hidden.probe_b, result.coordinates_b, "B", ORANGE, "x"),
):
    panel.scatter(
        angle.rad2deg(), found[:, 0].remainder(2 * math.pi).rad2deg(), s=9, marker=mark, color=ink, label=name
    )
panel.set(
    title="The angle, found from neurons and bursts",
    xlabel="true angle (degrees)",
    ylabel="coordinate (degrees)",
)
panel.legend(markerscale=2)
plt.show()

# %% [markdown]
# One line for both networks, and it is straight: the coordinate is the angle, up to where it begins and which way it
# runs. Nothing that was compared knew the angles.
#
# ## What camera B would have seen
#
# The map takes A's eight neurons to B's, and B's decoder draws. At 64 angles that no one was ever shown:

# %%
with torch.no_grad():
    neurons_b = result.transformation(network_a.encoder(views.held_out_a))
    drawn = network_b.decoder(neurons_b)

rows = (
    ("what camera A sees", views.held_out_a),
    ("drawn for camera B, from A", drawn),
    ("what camera B sees", views.held_out_b),
)
figure, panels = plt.subplots(3, 8, figsize=(8, 3.4), layout="constrained")
for row, (name, pictures) in zip(panels, rows, strict=True):
    for panel, picture in zip(row, pictures[moments].clamp(0, 1), strict=True):
        panel.imshow(picture.permute(1, 2, 0).numpy())
        panel.set_axis_off()
    row[0].set_title(name)
plt.show()

print(
    "from A within a decibel of what B's own autoencoder draws:", decibels(drawn, views.held_out_b) > own - 1
)

# %% [markdown]
# ## A control
#
# Say of B's bursts that they are half as wide again as they are. Then B's circle is half as long again as A's, and no
# map that keeps lengths goes from one to the other.

# %%
longer = equiv.Observations(seen_b.values, seen_b.frames / 1.5)
print(equiv.compare(seen_a, longer, paired=False, anchors=views.anchors, tolerance=0.1).verdict)

# %% [markdown]
# The whole experiment, with Lightning, a film and a report: `python run.py experiment=horse`; what it shows is in
# [horse.md](../../docs/experiments/horse.md).
