r"""What each quantity of a comparison means, in one sentence for a reader who has not met it."""

from __future__ import annotations

import re

__all__ = ["MEANINGS", "meaning"]

# By the name in the diagnostics without its side, or by the phrase that reports and summaries use.
MEANINGS = {
    "alike errors": "How alike the errors of neighbouring samples are, in standard errors: large where a smoother "
    "part of the target is left to learn from more samples.",
    "ambiguity": "How far the returned map is from the farthest that fits as well.",
    "anchor residual": "How far apart the two places of an anchor are once the charts are laid over each other.",
    "anchors": "Pairs of samples, one of each network, that are known to show the same input.",
    "bounds hold on": "A kind of input rarer than the rest may be missing among the samples; no bound speaks of it.",
    "by its error": "What the error with its bounds alone would decide, before any other evidence.",
    "coordinates": "How the coordinates that are drawn were found.",
    "crossing samples": "Samples near which another sheet of the target comes near in the source, as where an "
    "image crosses itself.",
    "dilation": "By how much lengths in B's space are larger than in A's.",
    "eigenvalues": "Squared frequencies at which the input space would vibrate; equal for spaces of the same shape.",
    "embedding": "Whether different inputs are seen as different: the image of the inputs does not cross itself.",
    "error": "Root mean square of what the map misses on fresh inputs, over the spread of the target: 100 % is no "
    "better than always saying the mean.",
    "error between samples": "What the map may miss between the samples, by how far its slopes are from those of the "
    "target.",
    "error of half": "The error of a map that is learned from half of the samples; larger than the error where more "
    "samples would still help.",
    "explained": "Share of the target's variance that the source determines: 1 - error².",
    "fold": "The error that no continuous map can avoid where sheets of the target lie over each other in the "
    "source.",
    "folded samples": "Samples whose nearest neighbour in the source is on another sheet of the target; half of "
    "all where two lie over each other everywhere.",
    "frames": "Derivatives of the activations along directions of the inputs, which carry the metric of the inputs.",
    "identified": "How often the image of a sample is nearer to its own partner than to those of 99 others.",
    "input space": "What the inputs form, by what the networks tell apart.",
    "input unit": "The unit in which coordinates are told, in the units of the inputs.",
    "inputs to a": "The error of the same target learned from the inputs themselves, which an error has to be held "
    "against.",
    "inputs to b": "The error of the same target learned from the inputs themselves, which an error has to be held "
    "against.",
    "intrinsic dimension": "In how many independent directions the network tells inputs apart.",
    "kinked": "Whether the derivatives jump from sample to sample, as those of rectifiers do.",
    "leak": "How much of the target moves while the source stands still: about the error that no map can avoid.",
    "leaking share": "Share of the samples at which some of the target moves while the source stands still.",
    "left out": "Share of the inputs at which the network does not tell within the tolerance where they are; "
    "nothing is said of these.",
    "left out anchors": "Anchors at one of whose samples the network does not tell where they are.",
    "left out samples": "The samples that were left out.",
    "maps that fit": "How many maps agree with the geometry and the anchors; symmetries of the inputs allow several.",
    "method": "How the map was found.",
    "method reason": "Why this method was taken.",
    "nearest error": "The error of taking for each sample the target of its nearest neighbour in the source: "
    "whatever no map can avoid is below it.",
    "needed": "How many independent samples would decide this direction, by how its error falls with them.",
    "neurons": "How many numbers are observed of the network at each input.",
    "objections": "Why no chart could be made.",
    "outline misfit": "How far the outlines of both sample clouds are apart once laid over each other, in "
    "distances of neighbouring samples.",
    "overlap": "Share of one side's samples that lie where the other side has some too.",
    "paired": "Whether sample i of A and sample i of B show the same input.",
    "periods": "Lengths after which a closed direction of the input space returns to its start.",
    "rank": "How many directions of the inputs the derivatives of the network resolve.",
    "rank share": "Share of the samples at which the derivatives have this rank.",
    "read-out": "The error of what the rest of the target network makes of the mapped activations.",
    "registration misfit": "How far the registered coordinates are apart, in distances of neighbouring samples.",
    "regression": "The kernel and the ridge that left-out samples preferred.",
    "rejected anchors": "Anchors that contradict the geometry and the other anchors, and were left out.",
    "relation": "Whether one input space has the lengths of the other, covers it several times, or is a shadow of "
    "it.",
    "relation reason": "What the relation was told from.",
    "remaining error": "The error that would be left with many more samples, if it goes on falling as it did.",
    "residual": "How badly neighbouring samples fit into flat coordinates, over their distance: large where the "
    "inputs form a curved space or the image crosses itself.",
    "resolution": "How far apart the nearest samples of the source are, over the distance of all samples.",
    "samples": "How many inputs the comparison has seen of the network.",
    "shared": "Directions of the target, best determined first, whose error is within the tolerance.",
    "spectral distance": "Mean relative difference of the eigenvalues of both sides; small is necessary for "
    "equivalence, and never enough.",
    "strain": "By how much lengths in the coordinates are wrong, root mean square, as the derivatives measure "
    "lengths.",
    "symmetries": "How many isometries of the input space agree with the anchors.",
    "tolerance": "The largest error that still counts as determined.",
    "usual measures": "What the usual measures of similarity say of the same samples.",
}


def meaning(name: str) -> str | None:
    r"""One sentence for a diagnostic's name or phrase, with or without its side; None where none is needed."""
    words = name.replace("_", " ").lower()

    return MEANINGS.get(words) or MEANINGS.get(re.sub(r" (a to b|b to a|a|b)$", "", words))
