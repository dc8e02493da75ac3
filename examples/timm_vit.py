r"""Two vision transformers of timm, trained apart on digits: what do their blocks share, a picture a sample?"""

import torch
from sklearn.datasets import load_digits
from timm.models.vision_transformer import VisionTransformer
from torch import nn

import equiv

pictures = torch.tensor(load_digits().data, dtype=torch.float32).reshape(-1, 1, 8, 8) / 8 - 1
digits = torch.tensor(load_digits().target)
shuffled = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))
train, fresh = shuffled[:1200], shuffled[1200:]  # what is compared, neither was trained on


def trained(width: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    shape = {"img_size": 8, "patch_size": 2, "in_chans": 1, "num_classes": 10, "global_pool": "avg"}
    network = VisionTransformer(**shape, embed_dim=width, depth=4, num_heads=4, weight_init="jax")
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    for _ in range(20):
        for batch in train[torch.randperm(len(train))].split(60):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(pictures[batch]), digits[batch]).backward()
            optimizer.step()
    return network.eval()


a, b = trained(32, seed=1), trained(48, seed=2)
for name, network in {"A": a, "B": b}.items():
    with torch.no_grad():
        right = network(pictures[fresh]).argmax(1) == digits[fresh]
    print(f"{name} reads {100 * right.double().mean():.1f} % of fresh digits")

layers = ["patch_embed", *(f"blocks.{k}" for k in range(4)), "head"]
matrix = equiv.compare_layers(a, b, pictures[fresh], layers_a=layers, layers_b=layers, positions="mean")
print(matrix.summary())
matrix.report("layers.html")
