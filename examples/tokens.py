r"""Two transformers over tokens: each token is a sample, each text a group, padding is left out."""

import torch
from torch import nn

import equiv


class Reader(nn.Module):
    r"""From token numbers to a vector at each token."""

    def __init__(self, width: int, seed: int):
        super().__init__()
        torch.manual_seed(seed)
        self.embed = nn.Embedding(50, width)
        layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, input_ids, attention_mask):
        return self.layers(self.embed(input_ids), src_key_padding_mask=attention_mask == 0)


torch.manual_seed(0)
lengths = torch.randint(4, 12, (60,))
texts = {
    "input_ids": torch.randint(0, 50, (60, 12)),
    "attention_mask": (torch.arange(12) < lengths[:, None]).long(),  # as tokenizers give it
}
a = Reader(16, seed=1)
turned = nn.Linear(16, 16, bias=False)  # a copy of A in another basis


def b(inputs):
    r"""Any callable from inputs to an array is a network: an ONNX session, a model behind an API."""
    with torch.no_grad():
        return turned(a(**inputs))


result = equiv.compare(a, b, texts, positions="each")
print(result.summary())

other = equiv.compare(a, Reader(16, seed=2), texts, positions="mean")  # one sample a text
print(other.sentence)
