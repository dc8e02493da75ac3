r"""Two GPT-2 of their own widths and seeds, token by token: which layer of one answers to which of the other?"""

import torch
from transformers import GPT2Config, GPT2LMHeadModel

import equiv

LETTERS, LENGTH = 12, 16


def texts(count: int, seed: int) -> torch.Tensor:
    r"""Words of two to four letters, each written again and again: what comes next is known once it has been read."""
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(LETTERS, (count, 4), generator=generator)
    lengths = torch.randint(2, 5, (count, 1), generator=generator)
    return words.gather(1, torch.arange(LENGTH) % lengths)


def trained(width: int, seed: int) -> GPT2LMHeadModel:
    torch.manual_seed(seed)
    size = {"vocab_size": LETTERS, "n_positions": LENGTH, "n_embd": width, "n_layer": 4, "n_head": 4}
    off = {
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "bos_token_id": None,
        "eos_token_id": None,
    }
    model = GPT2LMHeadModel(GPT2Config(**size, **off, use_cache=False))
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    for step in range(200):
        batch = texts(64, 1000 * seed + step)
        optimizer.zero_grad()
        model(input_ids=batch, labels=batch).loss.backward()
        optimizer.step()
    return model.eval()


a, b = trained(32, seed=1), trained(48, seed=2)
fresh = texts(45, seed=0)
for name, model in {"A": a, "B": b}.items():
    with torch.no_grad():
        guessed = model(input_ids=fresh).logits[:, 8:-1].argmax(-1)
    share = 100 * (guessed == fresh[:, 9:]).double().mean()
    print(f"{name} knows {share:.0f} % of the letters in the second half of texts")

layers = ["transformer.wte", *(f"transformer.h.{block}" for block in range(4)), "transformer.ln_f", "lm_head"]
matrix = equiv.compare_layers(a, b, {"input_ids": fresh}, layers_a=layers, layers_b=layers, positions="each")
print(matrix.summary())
matrix.report("layers.html")
